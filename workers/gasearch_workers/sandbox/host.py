"""The host of trials: gives each evaluation to a process of its own, keeps it to its limits, and starts another one.

Whatever an evaluation does to its process ends as one typed failure, and the next one finds a process that works.
It is containment for reliability: hostile code that runs as the same user can leave it.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.evaluation.custom import CustomEvaluator
from gasearch_workers.machine.environment import MARK, THREADS, scrubbed
from gasearch_workers.machine.processes import (
    adopt_orphans,
    descendants,
    end_processes,
    is_alive,
    is_tracker,
    marked,
    memory_of,
    start_reaper,
    stop_group,
)
from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.machine.tracebacks import shortened
from gasearch_workers.messages import EvaluationRequest, EvaluationResult, Failure, FailureKind, Prepared
from gasearch_workers.results import MESSAGE_CHARACTERS, failure, result_of, this_worker
from gasearch_workers.sandbox.channel import (
    CHANNEL_BROKEN,
    LARGEST_ATTACHMENT,
    LARGEST_OWN_TEXT,
    LARGEST_TEXT,
    Answer,
    Ask,
    Begun,
    ChannelError,
    Closed,
    Imported,
    Ready,
    TryImport,
)
from gasearch_workers.sandbox.codec import CodecError
from gasearch_workers.sandbox.crash import place_in
from gasearch_workers.sandbox.data_file import make_folder, open_data
from gasearch_workers.sandbox.limits import Exceeded, Watch, folder_content
from gasearch_workers.sandbox.process import Ended, TrialProcess

START_S: Final = 300.0  #: For a process to have its libraries and its data, and for an evaluator's import.
BEGIN_S: Final = 20.0  #: For a process that has made an evaluation before, to begin another one.
#: After which a training of ours, which looks at the clock itself, is ended: scoring and exporting come after it.
OWN_GRACE_S: Final = 8.0
MOST_ZOMBIES: Final = 64  #: Ended processes that an evaluator didn't wait for, until its own is replaced.


class StartError(RuntimeError):
    """A trial's process doesn't start."""


_MISDEEDS: Final = (Exceeded, Ended, OSError, ChannelError, CodecError)  #: A `TimeoutError` is an `OSError`.


class TrialHost:
    """Makes one evaluation after another in a process that it replaces when need be. One thread, which must outlive it.

    The process dies with the thread that started it: no evaluation outlives its host.
    """

    def __init__(
        self,
        data: Dataset | None,
        *,
        device: str = "cpu",
        environment: tuple[str, ...] = (),
        memory_limit_bytes: int | None = None,
        paths: tuple[str, ...] = (),
        adopts_orphans: bool = False,
        threads: int = 1,
    ) -> None:
        """Start the first process.

        Args:
            data: What it trains on; None where it only calls evaluators.
            device: Where it trains: "cpu" or "cuda".
            environment: Names of variables that it gets besides those that hold no secret.
            memory_limit_bytes: Of an evaluation that is asked for without a limit; None: none.
            paths: Where it finds modules that aren't found where this process finds its own.
            adopts_orphans: Whether processes without a parent become this one's children (`adopt_orphans`); then all of
                its children must be trials'.
            threads: Of an evaluator's numerical libraries; a training of ours takes one.

        Raises:
            StartError: if the system has no room for it.
        """
        self._device, self._passed = device, environment
        self._paths = list(dict.fromkeys([*sys.path, *paths]))
        self._memory_limit_bytes = memory_limit_bytes
        self._adopts_orphans = adopts_orphans
        self._threads = max(1, threads)
        self.mark = secrets.token_hex(16)  #: The value of `MARK` in the environment of all that evaluations start.
        self.folder = make_folder()  #: The temporary folders of its evaluations are in this one.
        self._reaper: int | None = start_reaper(f"{MARK}={self.mark}", self.folder)
        if adopts_orphans:  # now that the reaper is nobody's child
            adopt_orphans()
        self._is_custom = data is None
        self._data = None if data is None else open_data(data, self.folder)
        self._trials = 0
        self._kept: set[int] = set()  #: What importing the evaluator has started.
        self._fresh_bytes = 0  #: Memory of the process before its first evaluation, the evaluator being imported.
        self._trial: TrialProcess | None = None
        self._ready: Ready | None = None
        self._start()

    @property
    def process_id(self) -> int | None:
        """The process of the next evaluation, as the system numbers it; None where it couldn't be started."""
        return None if self._trial is None else self._trial.pid

    @property
    def device(self) -> str:
        """Where it trains, "custom" without data; waits for the process to be ready.

        Raises:
            StartError: if it doesn't get ready.
        """
        return self._await_ready()[1].device

    def import_problem(self, evaluator: str) -> str:
        """Have the process import an evaluator, which then is there; why it can't be, "" where it can.

        Raises:
            StartError: if the process doesn't get ready.
        """
        trial, _ = self._await_ready()
        try:
            trial.order(TryImport(evaluator=evaluator))
            said = trial.listen(within_s=START_S)
            if isinstance(said, Imported):
                return said.problem
            problem = f"its process said {type(said).__name__}"
        except Ended as error:
            problem = f"that ended its process: {error}"
        except TimeoutError:
            problem = f"it takes more than {START_S:g} s"
        except _MISDEEDS as error:
            problem = str(error)
        self._replace()
        return f"the evaluator {evaluator!r} can't be imported ({problem})"

    def prepare(self, request: EvaluationRequest) -> tuple[EvaluationResult, Prepared | None]:
        """All of an evaluation but the latency; the second value is what remains to be timed, None if nothing does.

        Never raises: what goes wrong is the result's failure.
        """
        if request.memory_limit_bytes is None:
            request = replace(request, memory_limit_bytes=self._memory_limit_bytes)
        is_custom, watch = self._is_custom or request.task.evaluator is not None, Stopwatch()
        try:
            answer = self._evaluate(request, is_custom=is_custom)
        except (StartError, *_MISDEEDS) as error:
            failed = self._with_words(_failure_of(error, request, is_custom=is_custom), is_asked=True)
            self._replace()
            device = self._device if request.task.evaluator is None else CustomEvaluator.device
            return result_of(request, failed, watch, device=device, versions=CustomEvaluator.versions), None
        result = replace(answer.result, worker=this_worker())
        if result.failure is not None:
            result = replace(result, outcome=self._with_words(result.failure, is_asked=False))
            self._replace()
        return result, answer.prepared

    def close(self) -> None:
        """End the process and whatever it started, and remove its folder. Safe to call twice."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)
        for descriptor in (self._data, self._reaper):
            if descriptor is not None:
                os.close(descriptor)
        self._data = self._reaper = None

    # --- one evaluation -----------------------------------------------------------------------------------------

    def _evaluate(self, request: EvaluationRequest, *, is_custom: bool) -> Answer:
        trial, limits, asked = self._begin(request, is_custom=is_custom)
        begun = Stopwatch()
        limit_s = math.inf if request.time_limit_s is None else request.time_limit_s
        answer = trial.listen(
            within_s=limit_s + (0.0 if is_custom else OWN_GRACE_S),
            check=limits.check,
            largest=(LARGEST_TEXT, 0) if is_custom else (LARGEST_OWN_TEXT, LARGEST_ATTACHMENT),
        )
        expected = trial.asked, request.key, request.attempt
        if not isinstance(answer, Answer) or (answer.number, answer.result.key, answer.result.attempt) != expected:
            raise ChannelError("it answered for another evaluation")
        # Its process knows best how long it took, but may have been lied to: this one knows between what.
        seconds = max(begun.seconds, min(answer.result.seconds or 0.0, asked.seconds))
        answer = replace(answer, result=replace(answer.result, seconds=seconds))
        memory_limit_bytes = request.memory_limit_bytes if is_custom else None  # a training's is used again
        if self._leaves_too_much(trial, answer, memory_limit_bytes, request.disk_limit_bytes):
            self._replace()
        return answer

    def _begin(self, request: EvaluationRequest, *, is_custom: bool) -> tuple[TrialProcess, Watch, Stopwatch]:
        """Have a process begin; one that an earlier evaluation left unable to is replaced without a word.

        The stopwatch runs since the process was asked.
        """
        for is_last in (False, True):
            trial, _ = self._await_ready()
            is_fresh = trial.asked == 0
            watch = Watch(
                pid=trial.pid,
                folder=trial.folder,
                memory_limit_bytes=request.memory_limit_bytes,
                disk_limit_bytes=request.disk_limit_bytes if is_custom else None,
            )
            asked = Stopwatch()
            try:
                trial.ask(Ask(number=trial.asked + 1, request=request))
                begun = trial.listen(within_s=START_S if is_fresh else BEGIN_S, check=watch.check)
                if not isinstance(begun, Begun) or begun.number != trial.asked:
                    raise ChannelError("it answered before it was asked")
            except _MISDEEDS as error:
                if is_fresh and isinstance(error, TimeoutError):
                    raise TimeoutError(f"the evaluator wasn't imported within {START_S:g} s") from error
                if is_last or (is_fresh and isinstance(error, Exceeded)):
                    raise
                self._replace()
                continue
            if is_fresh:
                self._fresh_bytes = memory_of((trial.pid,), limit=0)
            if begun.has_children and is_fresh:
                self._kept.update(descendants(trial.pid))
            return trial, watch, asked
        raise AssertionError("the last try returns or raises")

    def _leaves_too_much(
        self, trial: TrialProcess, answer: Answer, memory_limit: int | None, disk_limit: int | None
    ) -> bool:
        """True where what an evaluation leaves behind could harm the next one.

        That is whatever in its process can't be put back. Processes are ended, those excepted that were there before;
        they go together with their parent, whose modules may take them for alive. Files and memory may be what a module
        keeps for later, until they fill half of the limit.
        """
        if answer.leftovers:
            return True
        if memory_limit is not None:
            kept = memory_of((trial.pid,), limit=memory_limit) - self._fresh_bytes
            if kept > (memory_limit - self._fresh_bytes) // 2:
                return True
        if answer.has_children:
            left = set(descendants(trial.pid)) - self._kept
            running = {pid for pid in left if is_alive(pid) and not is_tracker(pid)}
            if running or len(left) > MOST_ZOMBIES:
                return True
        return disk_limit is not None and folder_content(trial.folder)[0] > disk_limit // 2

    def _with_words(self, failed: Failure, *, is_asked: bool) -> Failure:
        """The failure with what its process has printed, and where that was; it is to be ended after that."""
        trial = self._trial
        if trial is None:
            return failed
        report, traceback = trial.where(is_asked=is_asked), failed.traceback
        if report and is_asked and failed.kind is FailureKind.TIMED_OUT and (place := place_in(report)):
            failed = replace(failed, message=f"{failed.message}; it was at {place}"[:MESSAGE_CHARACTERS])
        if report and traceback:
            report = f"{traceback}\n\nA process that it started:\n{report}"
        return replace(failed, traceback=shortened(report or traceback), output=trial.output())

    # --- its process --------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._trials += 1
        folder = str(Path(self.folder, str(self._trials)))
        environment = scrubbed(os.environ, self._passed) | {MARK: self.mark}
        environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder)
        environment |= dict.fromkeys(THREADS, str(self._threads))
        try:
            os.mkdir(folder, mode=0o700)
            self._trial = TrialProcess(
                folder=folder, environment=environment, data=self._data, device=self._device, paths=self._paths
            )
        except OSError as error:
            raise StartError(f"the evaluation's process doesn't start: {error}") from error
        self._kept.clear()
        self._ready = None

    def _await_ready(self) -> tuple[TrialProcess, Ready]:
        """A process that waits for a request: the one that is there, or a new one."""
        if self._trial is None or (self._ready is not None and not self._trial.is_running):
            self._end()
            self._start()
        trial = self._trial
        assert trial is not None
        if self._ready is None:
            try:
                ready = trial.listen(within_s=START_S)
                if not isinstance(ready, Ready):
                    raise ChannelError(f"it said {type(ready).__name__}")
            except (Ended, TimeoutError, ChannelError, CodecError) as error:
                self._end()
                cause = f"no word within {START_S:g} s" if isinstance(error, TimeoutError) else error
                raise StartError(f"the evaluation's process doesn't start: {cause}") from error
            self._ready = ready
        return trial, self._ready

    def _replace(self) -> None:
        """End the process and whatever it started; the next one makes itself ready meanwhile."""
        self._end()
        with contextlib.suppress(StartError):  # the next evaluation says it
            self._start()

    def _end(self) -> None:
        trial, self._trial, self._ready = self._trial, None, None
        if trial is None:
            return
        if trial.is_running:
            stop_group(trial.pid)

        def find() -> set[int]:
            found = {trial.pid, *descendants(trial.pid), *marked(f"{MARK}={self.mark}")}
            return found.union(descendants(os.getpid())) if self._adopts_orphans else found

        killed = end_processes(find)
        trial.close()
        for pid in killed:
            with contextlib.suppress(OSError):  # it isn't our child
                os.waitpid(pid, os.WNOHANG)
        shutil.rmtree(trial.folder, ignore_errors=True)


def _failure_of(error: Exception, request: EvaluationRequest, *, is_custom: bool) -> Failure:
    """A misdeed of an evaluation's process as its failure."""
    fault = FailureKind.USER_ERROR if is_custom else FailureKind.CRASHED
    match error:
        case StartError():
            return failure(FailureKind.WORKER_LOST, error)
        case Exceeded():
            return failure(error.kind, error)
        case Ended(status=status) if status == CHANNEL_BROKEN:
            text = f"the evaluation broke what its process answers through{error.last_words}"
        case Ended(status=status):
            fault = FailureKind.DIED
            text = f"the evaluation {'ended its own process: ' if status >= 0 else 'was '}{error}"
        case TimeoutError() if str(error):
            fault, text = FailureKind.TIMED_OUT, str(error)
        case TimeoutError():
            fault = FailureKind.TIMED_OUT
            text = f"no answer within its time limit of {request.time_limit_s:g} s"
        case OSError():
            fault, text = FailureKind.WORKER_LOST, f"the evaluation's process takes no request: {error}"
        case Closed():
            text = "the evaluation closed what its process answers through"
        case _:
            text = f"the evaluation's process gave what is no answer: {error}"
    return failure(fault, RuntimeError(text))
