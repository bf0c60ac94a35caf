"""Searches are put into the queue, fully checked: what can't run is refused now, and not when its turn comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from gasearch.errors import SpecError
from gasearch.jobs.resume import require_free_name, require_unfinished, spec_to_go_on_with
from gasearch.jobs.start import require_starts
from gasearch.spec.loader import MAX_BYTES
from gasearch.spec.model import SearchSpec
from gasearch.storage.access import LOCAL, Actor
from gasearch.storage.queue import NewSubmission, SubmissionRecord
from gasearch.storage.sql import open_archive, open_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who submits, and the limits of that caller; whoever has the database itself has none."""

    actor: Actor = LOCAL
    searches: int | None = None  #: At once.
    device_hours: float | None = None  #: In all.


LOCAL_USER = Submitter()


def submit_new(
    spec: SearchSpec,
    *,
    db_url: str,
    notice: Callable[[str], None],
    priority: int = 0,
    submitter: Submitter = LOCAL_USER,
) -> SubmissionRecord:
    """Check a spec with its data, and queue its search.

    Args:
        spec: Of the search.
        db_url: The database, created where there is none.
        notice: Takes what the user should know.
        priority: A higher one goes first.
        submitter: Who it is, with which limits.

    Raises:
        SpecError: if the spec, its data or its evaluator can't be used.
        WrongState: if the name is taken, by a search or in the queue.
        StoreError: if the database can't be written.
    """
    from gasearch.jobs.spec_check import report

    report(spec, notice)
    spec_json = spec.to_json()
    if len(spec_json.encode()) > MAX_BYTES:
        raise SpecError(f"the spec of {spec.name} is too large for the queue: at most {MAX_BYTES // 1024} KiB as JSON")
    with closing(open_archive(db_url, notice=notice)) as archive:
        require_free_name(archive, spec.name, spec)
        require_starts(archive, spec)
        new = NewSubmission(
            name=spec.name,
            spec_json=spec_json,
            spec_hash=spec.identity_hash(),
            priority=priority,
            submitter=submitter.actor.name,
            searches=submitter.searches,
            device_hours=submitter.device_hours,
        )
        return archive.submit(new, actor=submitter.actor)


def submit_further(
    name: str,
    *,
    db_url: str,
    notice: Callable[[str], None],
    evaluations: int | None = None,
    hours: float | None = None,
    priority: int = 0,
    submitter: Submitter = LOCAL_USER,
) -> SubmissionRecord:
    """Queue that a stored search goes on, perhaps with more budget; if somebody runs it now, once that has ended.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        notice: Takes what the user should know.
        evaluations: The new budget, in all; None: as it is.
        hours: The new wall time, in all; None: as it is.
        priority: A higher one goes first.
        submitter: Who it is, with which limits.

    Raises:
        UnknownSearch: if there is none of that name.
        SpecError: if the new budget can't be used.
        WrongState: if it has ended and isn't extended, or stands in the queue already.
        StoreError: if the database can't be written.
    """
    with closing(open_reader(db_url)) as reader:  # a mistyped URL must not create a database
        record = reader.search(name)
        counts = reader.counts(record.id)
    spec, _ = spec_to_go_on_with(
        record, source=None, overrides=(), evaluations=evaluations, hours=hours, completed=counts.completed
    )
    require_unfinished(record, spec, completed=counts.completed, busy_s=counts.busy_seconds)
    with closing(open_archive(db_url, notice=notice)) as archive:
        new = NewSubmission(
            name=name,
            evaluations=evaluations,
            hours=hours,
            priority=priority,
            submitter=submitter.actor.name,
            searches=submitter.searches,
            device_hours=submitter.device_hours,
        )
        return archive.submit(new, actor=submitter.actor)
