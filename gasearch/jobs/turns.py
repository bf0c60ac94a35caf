"""What a controller does next for a submission that it holds: start a command, wait for another process, or end it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gasearch.errors import Interrupted
from gasearch.storage.owner import is_gone
from gasearch.storage.queue import SubmissionRecord
from gasearch.storage.records import SearchRecord, SearchStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start the command that runs the search."""

    is_new: bool  #: By `run`; else by `resume`.


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for whoever runs the search: perhaps the child of a controller that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End the submission."""

    status: int  #: Exit status of the command.
    message: str  #: Its last words; "": the search's own reason.


def next_step(
    submission: SubmissionRecord, record: SearchRecord | None, *, stop_reason: str = ""
) -> Start | Wait | End:
    """What to do for a submission while no child of ours runs its search.

    Args:
        submission: As it is stored.
        record: The search of its name; None where there is none.
        stop_reason: Why the search is to stop; "": it isn't.
    """
    own = record if record is not None and is_of(submission, record) else None
    if own is not None and is_being_run(own):
        return Wait()
    if own is not None and _has_ended(submission, own):
        return End(status=1 if own.state is SearchStatus.FAILED else 0, message="")
    if stop_reason:
        return End(status=Interrupted.exit_status, message=stop_reason)
    return Start(is_new=submission.spec_json is not None and own is None)


def is_of(submission: SubmissionRecord, record: SearchRecord) -> bool:
    """Whether a search is the one that was submitted, and not another one whose name it would have had."""
    if submission.spec_json is None:
        return True
    return record.spec_hash == submission.spec_hash and record.created_at >= submission.submitted_at


def is_being_run(record: SearchRecord) -> bool:
    """Whether a controller that lives holds the search's lease."""
    return record.owner is not None and record.is_owned and not is_gone(record.owner)


def _has_ended(submission: SubmissionRecord, record: SearchRecord) -> bool:
    """Whether a search that nobody runs has done what was submitted."""
    if record.state not in (SearchStatus.FINISHED, SearchStatus.FAILED):
        return False
    if submission.spec_json is not None:
        return True
    budget = json.loads(record.spec_json).get("budget") or {}
    wanted = {"evaluations": submission.evaluations, "hours": submission.hours}
    is_extended = all(value is None or budget.get(name) == value for name, value in wanted.items())
    return is_extended and record.worker_seconds > submission.seconds_before
