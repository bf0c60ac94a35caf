"""The program of a trial's process: one evaluation after another, for as long as the host asks for them."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import socket
import sys
from typing import Final, Protocol

from gasearch_workers.evaluation.custom import CustomEvaluator, attempt_custom, find_evaluator, import_evaluator
from gasearch_workers.evaluation.metric_values import EvaluatorError
from gasearch_workers.machine.library_state import seed_generators
from gasearch_workers.machine.process_state import ProcessState
from gasearch_workers.machine.processes import adopt_orphans, die_with, name_process
from gasearch_workers.messages import EvaluationRequest, EvaluationResult, Failure, FailureKind, Outcome, Prepared
from gasearch_workers.results import MESSAGE_CHARACTERS, failure, make_result, one_line
from gasearch_workers.sandbox.channel import (
    CHANNEL_BROKEN,
    LARGEST_OWN_TEXT,
    LARGEST_TEXT,
    Answer,
    Ask,
    Begun,
    Closed,
    Imported,
    Order,
    Ready,
    TooLarge,
    TryImport,
    frame,
    receive,
)
from gasearch_workers.sandbox.crash import report_crashes
from gasearch_workers.sandbox.limits import MEMORY_KEY, keep_no_core, restrict, size

_LINES: Final = 1  #: C's number of a stream that is written line by line.

_exit = os._exit  # as it is before an evaluator can put another one in its place


class Trainer(Protocol):
    """Trains networks on data that it holds. `gasearch_workers.evaluation.evaluate.Evaluator` is the real one."""

    device: str

    def prepare(self, request: EvaluationRequest) -> tuple[EvaluationResult, Prepared | None]:
        """All of an evaluation but the latency."""


def main(host: int, channel: int, report: int, data: int | None, device: str) -> None:
    """Serve the host until it closes the channel.

    Args:
        host: Its process.
        channel: The descriptor of what they talk through.
        report: That of reports of a crash.
        data: That of the data; None where evaluators are called.
        device: Where to train.
    """
    if not die_with(host):
        _exit(0)
    name_process("gasearch-trial")
    adopt_orphans()
    keep_no_core()
    talk = socket.socket(fileno=channel)
    for descriptor in (channel, report):
        os.set_inheritable(descriptor, False)
    report_crashes(report)
    _write_lines_at_once()
    trainer = None if data is None else _make_trainer(data, device)
    try:
        talk.sendall(frame(Ready(device=CustomEvaluator.device if trainer is None else trainer.device)))
        while True:
            order = receive(talk, Order)
            report_crashes(report)
            match order:
                case TryImport(evaluator=evaluator):
                    talk.sendall(frame(_imported(evaluator)))
                case Ask():
                    _serve(talk, order, trainer, is_on_cpu=device == "cpu")
    except Closed:
        _exit(0)
    except BaseException:  # the evaluator closed the channel, or spoilt what messages are made with
        _exit(CHANNEL_BROKEN)


def _make_trainer(data: int, device: str) -> Trainer:
    from gasearch_workers.evaluation.evaluate import Evaluator
    from gasearch_workers.sandbox.data_file import read_data
    from gasearch_workers.training.allocator import keep_freed_memory

    keep_freed_memory()
    return Evaluator(read_data(data), device=device)


def _serve(channel: socket.socket, ask: Ask, trainer: Trainer | None, *, is_on_cpu: bool) -> None:
    request, number = ask.request, ask.number
    is_custom = trainer is None or request.task.evaluator is not None
    state = None
    if is_custom:
        import_evaluator(request)
        state = ProcessState()
    restrict(
        memory_limit_bytes=request.memory_limit_bytes if is_on_cpu else None,  # a GPU's driver takes address space
        disk_limit_bytes=request.disk_limit_bytes if is_custom else None,
    )
    channel.sendall(frame(Begun(number=number, has_children=has_children())))
    prepared: Prepared | None = None
    if trainer is None or is_custom:
        seed_generators(request.seed)
        result = _evaluate_custom(request)
    else:
        result, prepared = trainer.prepare(request)
    restrict(memory_limit_bytes=None, disk_limit_bytes=None)
    _flush()
    leftovers = () if state is None or result.failure else tuple(state.restore())  # one that failed is replaced
    _forget_ended_children()
    result = _with_limit(result, request.memory_limit_bytes)
    answer = Answer(number=number, result=result, prepared=prepared, has_children=has_children(), leftovers=leftovers)
    channel.sendall(_answer(answer, largest_text=LARGEST_TEXT if is_custom else LARGEST_OWN_TEXT))


def _imported(evaluator: str) -> Imported:
    try:
        find_evaluator(evaluator)
    except EvaluatorError as error:
        return Imported(problem=one_line(str(error))[:MESSAGE_CHARACTERS])
    return Imported(problem="")


def _evaluate_custom(request: EvaluationRequest) -> EvaluationResult:
    """An evaluation by the user's function, whatever that raises: nobody but the host may interrupt this process."""

    def attempt(request: EvaluationRequest) -> Outcome:
        try:
            return attempt_custom(request)
        except BaseException as error:
            return failure(FailureKind.USER_ERROR, error, is_named=True)

    return make_result(request, attempt, device=CustomEvaluator.device, versions=CustomEvaluator.versions)


def _with_limit(result: EvaluationResult, limit: int | None) -> EvaluationResult:
    """The result; one that ran out of memory says how much it might have taken."""
    match result.outcome:
        case Failure(kind=FailureKind.OUT_OF_MEMORY, message=said) as outcome if limit and MEMORY_KEY not in said:
            message = f"{said}; its limit is {size(limit)} ({MEMORY_KEY})"
            return dataclasses.replace(result, outcome=dataclasses.replace(outcome, message=message))
    return result


def _answer(answer: Answer, *, largest_text: int) -> bytes:
    """The answer as a message; one that is too large says that instead."""
    try:
        return frame(answer, largest_text=largest_text)
    except TooLarge as error:
        outcome = failure(FailureKind.USER_ERROR, error)
        return frame(dataclasses.replace(answer, result=dataclasses.replace(answer.result, outcome=outcome)))


def _forget_ended_children() -> None:
    """Wait for those that ended: a later evaluation that waits for its own must not find them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _write_lines_at_once() -> None:
    """Have C code's output, like Python's, be there when it crashes."""
    library = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError, ValueError):  # other systems call it otherwise
        library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), None, _LINES, 0)


def _flush() -> None:
    """Write out what was printed, by C code too: the host takes it once it has the answer."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the evaluator may have put anything in their place
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def has_children() -> bool:
    """True where this process has any, running or not; asks the system once."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
