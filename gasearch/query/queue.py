"""What waits for a controller, what one runs, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gasearch.query.answers import Answer
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.owner import describe
from gasearch.storage.queue import SubmissionRecord, SubmissionState


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedSearch(Answer):
    """A search in the queue, or one that was."""

    place: int | None  #: Among those that wait, from 1; None where it doesn't.
    name: str
    state: str  #: "queued", "claimed" (a controller runs it) or "ended".
    priority: int
    submitter: str  #: The name of a token, or "local".
    controller: str | None  #: Who runs it, or ran it at its end.
    since: datetime  #: When it was submitted; of one that has ended: when that was.
    waits_for: str  #: What it waits for besides its turn; "": for nothing else.
    exit_status: int | None  #: Of the command that ran it; None while it has not ended.
    message: str  #: Its last words; "" while it has not ended.


def queued_searches(reader: ArchiveReader, *, ended: int = 0) -> list[QueuedSearch]:
    """What is in the queue: first what runs, then what waits, in the order of its turns, then what has ended.

    Args:
        reader: Of the database.
        ended: At most so many of the latter, the newest.
    """
    found = [queued_search(record, place) for record, place in _places(reader.submissions())]
    found.sort(key=lambda one: one.place or 0)
    return found + [queued_search(record, None) for record in (reader.ended_submissions(count=ended) if ended else ())]


def queued_named(reader: ArchiveReader, name: str) -> QueuedSearch | None:
    """The newest submission of a search, ended or not; None where there is none."""
    record = reader.submission(name)
    if record is None:
        return None
    places = {one.id: place for one, place in _places(reader.submissions())}
    return queued_search(record, places.get(record.id))


def queued_search(record: SubmissionRecord, place: int | None) -> QueuedSearch:
    """What may be said of a submission.

    Args:
        record: The submission.
        place: Among those that wait.
    """
    return QueuedSearch(
        place=place,
        name=record.name,
        state=str(record.state),
        priority=record.priority,
        submitter=record.submitter,
        controller=None if record.controller is None else describe(record.controller),
        since=record.ended_at or record.submitted_at,
        waits_for=_waits_for(record),
        exit_status=record.exit_status,
        message=record.message,
    )


def _places(records: Sequence[SubmissionRecord]) -> list[tuple[SubmissionRecord, int | None]]:
    """Each with its place among those that wait."""
    waiting = [record.id for record in records if record.state is SubmissionState.QUEUED]
    places = {submission_id: place for place, submission_id in enumerate(waiting, start=1)}
    return [(record, places.get(record.id)) for record in records]


def _waits_for(record: SubmissionRecord) -> str:
    if record.state is SubmissionState.CLAIMED:
        return "" if record.is_held else "another controller: its own is gone"
    if record.state is SubmissionState.ENDED or record.may_begin:
        return ""
    if not record.has_time:
        spent = f"{record.spent_seconds / 3600:.2f} of {record.device_hours:g}"
        return f"device-hours: {record.submitter} has spent {spent}"
    return f"its turn: {record.submitter} may have {record.searches} at once"
