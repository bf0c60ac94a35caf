"""A user's own evaluator: found by its name, called, and its answer checked.

Only a function that is installed here and that the operator named in the spec is ever called.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import math
import platform
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from gasearch_workers.evaluation.metric_values import EvaluatorError, checked_metrics
from gasearch_workers.machine.library_state import seed_generators
from gasearch_workers.machine.memory_errors import is_out_of_memory
from gasearch_workers.machine.process_state import unchanged_process
from gasearch_workers.messages import (
    STANDARD_METRICS,
    WHOLE_METRICS,
    Calibration,
    Choices,
    CurvePoint,
    EvaluationRequest,
    EvaluationResult,
    FailureKind,
    Measurement,
    Outcome,
    StoppingRule,
)
from gasearch_workers.results import failure, make_result, stop
from gasearch_workers.training.stopping import Stopped, reason_to_stop, rung_at

LARGEST_WHOLE = 2**63 - 1  #: A database's widest whole number.

MAIN = "__main__"  #: The module of the program that runs: another one in a worker, and at a resume.
OF_ITS_OWN = 'put it into a module of its own, such as mine.py, and name it "mine:evaluate"'
_being_imported: ContextVar[frozenset[str]] = ContextVar("being_imported", default=frozenset())  #: In this thread.

Report = Callable[[float, Mapping[str, float]], None]
"""Tells how far an evaluation is: `report(step, metrics)`, e.g. `report(epoch, {"error": 0.2})`; steps never decrease.

The metrics that are objectives, under their names, let a search end it early: where the spec asks for that and what the
evaluation could still reach is dominated already, the call raises `stopping.Stopped`. It is no `Exception`, so
`except Exception` lets it pass; clean up in `finally`. Whatever a stopped evaluation returns is not looked at.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The means that a custom evaluator may spend."""

    epochs: int
    data_share: float
    seed: int  #: Derived from the search's seed and the candidate; use it for every random draw.
    time_limit_s: float | None


UserFunction = Callable[[dict[str, Any], Budget, Report], Mapping[str, float]]


class CustomEvaluator:
    """Makes one evaluation after another by the user's function. It needs no torch, and measures no latency itself."""

    device = "custom"
    versions = f"python {platform.python_version()}"

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Make an evaluation in this process; whatever the user's code does wrong is the result's failure."""
        import_evaluator(request)
        with unchanged_process():
            seed_generators(request.seed)
            return make_result(request, attempt_custom, device=self.device, versions=self.versions)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """Never asked for: what a custom search measures is up to its evaluator.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a custom evaluator measures its own latency")


def attempt_custom(request: EvaluationRequest) -> Outcome:
    """An evaluation's outcome, with what the user's code raises sorted into its kind of failure; Ctrl-C passes."""
    try:
        return evaluate_custom(find_evaluator(str(request.task.evaluator)), request)
    except Stopped as stopped:
        return stop(stopped)
    except EvaluatorError as error:
        return failure(FailureKind.USER_ERROR, error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's code may raise anything, and must not end ours
        if is_out_of_memory(error):
            return failure(FailureKind.OUT_OF_MEMORY, error)
        return failure(FailureKind.USER_ERROR, error, is_named=True)


def import_evaluator(request: EvaluationRequest) -> None:
    """Import it before the evaluation begins: this takes none of its time, and what it changes in the process stays.

    Why it can't be is said by the evaluation itself.
    """
    with contextlib.suppress(EvaluatorError):
        find_evaluator(str(request.task.evaluator))


def find_evaluator(name: str) -> UserFunction:
    """The function that "package.module:function" names.

    Raises:
        EvaluatorError: if the module can't be imported or has no such function, with the reason.
    """
    module_name, _, function_name = name.partition(":")
    if module_name in _being_imported.get():
        raise EvaluatorError(
            f"the module {module_name!r} starts a search while it is imported as that search's evaluator: put what it "
            'runs under if __name__ == "__main__":'
        )
    before = _being_imported.set(_being_imported.get() | {module_name})
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is imported
        raise EvaluatorError(
            f"the evaluator {name!r} can't be imported ({type(error).__name__}: {error}); "
            f"install the package that holds {module_name!r}, or put its folder on PYTHONPATH"
        ) from error
    finally:
        _being_imported.reset(before)
    function = getattr(module, function_name, None)
    if not callable(function):
        elsewhere = f"; {OF_ITS_OWN}" if module_name == MAIN else ""
        raise EvaluatorError(f"the module {module_name!r} has no function {function_name!r}{elsewhere}")
    return function  # type: ignore[no-any-return]


def evaluate_custom(function: UserFunction, request: EvaluationRequest) -> Measurement:
    """Call the evaluator and make a measurement of its answer.

    Raises:
        EvaluatorError: if the answer is no mapping of names to finite numbers.
        Stopped: if the request's rule ended it, whatever the function made of that.
    """
    if not isinstance(request.network, Choices):
        raise TypeError(f"a custom evaluator takes Choices; got {type(request.network).__name__}")
    budget = Budget(
        epochs=request.fidelity.epochs,
        data_share=request.fidelity.data_share,
        seed=request.seed,
        time_limit_s=request.time_limit_s,
    )
    reports = _Reports(request.stopping)
    # Stdout is for answers, and the search goes on in the folder where it began. Threads that end in another order than
    # they began would put back each other's: theirs stays the program's.
    is_alone = threading.current_thread() is threading.main_thread()
    stdout = contextlib.redirect_stdout(sys.stderr) if is_alone else contextlib.nullcontext()
    with stdout, contextlib.chdir("."):
        # In a context of its own: no context variable that it sets is seen by the next one.
        answer = contextvars.copy_context().run(function, request.network.as_dict(), budget, reports.note)
    if reports.stopped is not None:
        raise reports.stopped
    metrics = checked_metrics(answer)
    standard: dict[str, Any] = {name: _typed(name, metrics.pop(name)) for name in STANDARD_METRICS if name in metrics}
    return Measurement(**standard, others=tuple(sorted(metrics.items())), curve=tuple(reports.curve))


class _Reports:
    """The reports of an evaluation so far, and whether that ended it."""

    def __init__(self, rule: StoppingRule | None) -> None:
        self.curve: list[CurvePoint] = []
        self.stopped: Stopped | None = None
        self._rule, self._judged = rule, -1

    def note(self, step: float, metrics: Mapping[str, float]) -> None:
        """Note an intermediate result; `loss` and `accuracy` show in the learning curve. See `Report`."""
        if self.stopped is not None:  # by its cleaning up
            return
        checked, place = checked_metrics(metrics), self._next_step(step)
        self.curve.append(
            CurvePoint(
                epoch=place,
                train_loss=checked.get("loss"),
                accuracy=checked.get("accuracy"),
                metrics=tuple(sorted(checked.items())),
            )
        )
        reached = None if self._rule is None else rung_at([rung.step for rung in self._rule.points], place)
        if self._rule is None or reached is None or reached == self._judged:
            return
        self._judged = reached
        if (reason := reason_to_stop(self._rule, place, checked)) is not None:
            self.stopped = Stopped(reason, self.curve)
            raise self.stopped

    def _next_step(self, step: float) -> float:
        if isinstance(step, bool | str) or not math.isfinite(step):
            raise EvaluatorError(f"the step of a report must be a finite number; got {step!r}")
        place = int(step) if step == int(step) else float(step)
        if self.curve and place < self.curve[-1].epoch:
            raise EvaluatorError(
                f"the steps of reports must not decrease; got {place:g} after {self.curve[-1].epoch:g}"
            )
        return place


def _typed(name: str, value: float) -> float | int:
    if name not in WHOLE_METRICS:
        return value
    if value != int(value) or abs(value) > LARGEST_WHOLE:
        raise EvaluatorError(
            f"metric {name!r} counts things and must be a whole number below 2**63; got {value!r}; "
            "give another unit another name"
        )
    return int(value)
