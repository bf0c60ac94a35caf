"""What anyone may do to a search from outside: ask it to stop, take it out of the queue, delete it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from gasearch.errors import UnknownSearch, WrongState
from gasearch.jobs.weights import weights_folder
from gasearch.storage.access import LOCAL, Actor
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.queue import SubmissionRecord, SubmissionState
from gasearch.storage.records import SearchRecord
from gasearch.storage.sql import open_archive, open_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What was there to stop."""

    submission: SubmissionRecord | None  #: As it stands now; None: it had none that was open.
    search: SearchRecord | None  #: As it stood; None: nobody ran it.

    @property
    def has_left_the_queue(self) -> bool:
        """Whether it waited for its turn, and nobody ran it."""
        return self.search is None and self.submission is not None and self.submission.state is SubmissionState.ENDED


def stop_search(name: str, *, db_url: str, notice: Callable[[str], None], actor: Actor = LOCAL) -> Stopped:
    """Ask a running search to stop, and take one that is queued out of the queue.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        notice: Takes what the user should know.
        actor: Who asks.

    Raises:
        UnknownSearch: if there is none of that name.
        WrongState: if nobody runs it, and it isn't in the queue.
    """
    _require_known(name, db_url)
    with closing(open_archive(db_url, notice=notice)) as archive:
        submission = archive.stop_submission(name, actor=actor)
        if submission is None:
            return Stopped(submission=None, search=archive.request_stop(name))
        with suppress(UnknownSearch, WrongState):  # its controller hears of it, too
            return Stopped(submission=submission, search=archive.request_stop(name))
        return Stopped(submission=submission, search=None)


def delete_search(name: str, *, db_url: str, notice: Callable[[str], None]) -> SearchRecord:
    """Delete all that is stored of a search, and the weights that it keeps on this machine; returns it as it stood.

    What other searches took over from it is theirs, and what was exported stays.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        notice: Takes what the user should know.

    Raises:
        UnknownSearch: if there is none of that name.
        WrongState: if somebody runs it, or it is in the queue.
    """
    with closing(open_reader(db_url)) as reader:
        reader.search(name)
        if is_in_queue(reader, name):
            raise WrongState(f"search {name!r} is in the queue: take it out with `gasearch stop {name}` first")
    with closing(open_archive(db_url, notice=notice)) as archive:
        deleted = archive.delete_search(name)
    shutil.rmtree(weights_folder(deleted), ignore_errors=True)
    return deleted


def is_in_queue(reader: ArchiveReader, name: str) -> bool:
    """Whether a submission of that name has not ended."""
    submission = reader.submission(name)
    return submission is not None and submission.state is not SubmissionState.ENDED


def _require_known(name: str, db_url: str) -> None:
    """Look first by a connection that only reads: a mistyped URL must create no database.

    Raises:
        UnknownSearch: if there is none of that name, nor in the queue.
    """
    with closing(open_reader(db_url)) as reader:
        if not is_in_queue(reader, name):
            reader.search(name)
