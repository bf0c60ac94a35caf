"""How an evaluation is reported: its outcome, and who made it when."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.machine.tracebacks import traceback_of
from gasearch_workers.messages import EvaluationRequest, EvaluationResult, Failure, FailureKind, Outcome
from gasearch_workers.training.stopping import Stopped

MESSAGE_CHARACTERS = 500  #: Of a failure's message that are kept.

#: Failures of which the place says more than the message: the others are found by what looks at the evaluation.
_PLACED = frozenset({FailureKind.USER_ERROR, FailureKind.OUT_OF_MEMORY, FailureKind.CRASHED})


def make_result(
    request: EvaluationRequest, evaluate: Callable[[EvaluationRequest], Outcome], *, device: str, versions: str
) -> EvaluationResult:
    """Make an evaluation and note worker and times.

    Args:
        request: The evaluation.
        evaluate: Makes it; returns its failures.
        device: Where it runs.
        versions: Of the libraries that its numbers depend on.
    """
    watch = Stopwatch()
    return result_of(request, evaluate(request), watch, device=device, versions=versions)


def result_of(
    request: EvaluationRequest,
    outcome: Outcome,
    watch: Stopwatch,
    *,
    device: str,
    versions: str = "",
    worker: str | None = None,
) -> EvaluationResult:
    """The result of an evaluation that ends now.

    Args:
        request: The evaluation.
        outcome: What came of it.
        watch: Runs since it was begun.
        device: Where it ran.
        versions: Of the libraries that its numbers depend on.
        worker: Who made it; None: this process.
    """
    return EvaluationResult(
        key=request.key,
        attempt=request.attempt,
        worker=worker or this_worker(),
        device=device,
        started_at=watch.started_at,
        seconds=watch.seconds,
        finished_at=Stopwatch.date(),
        outcome=outcome,
        versions=versions,
    )


def this_worker() -> str:
    """Host and process."""
    return f"{socket.gethostname()}/{os.getpid()}"


def failure(kind: FailureKind, error: BaseException, *, is_named: bool = False) -> Failure:
    """An exception as a failure, its text on one line, with where it came from.

    Args:
        kind: Of the failure.
        error: The exception.
        is_named: Puts the exception's type in front of the text.
    """
    text = one_line(_text_of(error))
    if is_named or not text:
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    where = traceback_of(error) if kind in _PLACED else ""
    return Failure(kind=kind, message=text[:MESSAGE_CHARACTERS], traceback=where)


def one_line(text: str) -> str:
    """A text with single spaces and nothing that no terminal shows or no database takes."""
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # whose text is made by the user's code
        return "its text can't be made"


def stop(stopped: Stopped) -> Failure:
    """A training that was stopped early, with its curve."""
    return Failure(kind=FailureKind.STOPPED, message=str(stopped)[:MESSAGE_CHARACTERS], curve=stopped.curve)
