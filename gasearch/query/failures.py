"""Failures of a search, by cause."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gasearch_workers.messages import Failure

from gasearch.query.answers import Answer
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import FailedAttempt

#: What differs between two failures of one cause: numbers, and what they measure by.
_FIGURE: Final = re.compile(r"0x[0-9a-f]+|\d[\d,.]*(?:e[+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause(Answer):
    """Failed attempts of one kind whose messages differ in figures at most."""

    count: int
    retried: int  #: Of these, those that were made again.
    failure: str  #: Their kind.
    message: str  #: Of the newest of them, as all below.
    key: str
    traceback: str  #: "" where there is none, or where it wasn't asked for.
    output: str  #: The end of what it printed and logged; "" as above.


def failures(reader: ArchiveReader, name: str, *, is_full: bool = False) -> list[Cause]:
    """The causes of all failed attempts, the most frequent first.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        is_full: Reads an example's traceback and output as well.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record = reader.search(name)
    groups: dict[tuple[str, str], list[FailedAttempt]] = {}
    for attempt in reader.failures(record.id):
        groups.setdefault((attempt.failure, _FIGURE.sub("#", attempt.message)), []).append(attempt)
    causes = []
    for attempts in groups.values():
        newest = attempts[-1]
        words = _words(reader, record.id, newest) if is_full else None
        cause = Cause(
            count=len(attempts),
            retried=sum(attempt.is_retried for attempt in attempts),
            failure=newest.failure,
            message=newest.message,
            key=newest.key,
            traceback=words.traceback if words else "",
            output=words.output if words else "",
        )
        causes.append(cause)
    return sorted(causes, key=lambda cause: (-cause.count, cause.failure, cause.message))


def _words(reader: ArchiveReader, search_id: int, attempt: FailedAttempt) -> Failure | None:
    made = (one.result for one in reader.attempts_of(search_id, attempt.candidate))
    outcomes = (one.outcome for one in made if one.attempt == attempt.attempt)
    return next((outcome for outcome in outcomes if isinstance(outcome, Failure)), None)
