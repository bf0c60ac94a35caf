"""A checksum on every row, so that a bit that flipped at rest, or an edit by hand, is noticed when the row is read.

A search has three: what never changes, how it stands, and its lease; of a final training the network has one of its
own. `evaluations.replaced` and `front.exited` have none: they follow from the outcomes, and `gasearch db check` finds
them out anew; nor has `tokens.used_at`, on which nothing depends. A revision that adds a column makes the checksums of
its table anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Column, Double, Integer, LargeBinary, Table

from gasearch.errors import StoreError
from gasearch.storage import tables
from gasearch.storage.values import Row, finite

#: Separates the columns; no text in the store holds one.
_SEPARATOR = "\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One checksum of a table's rows."""

    table: Table
    columns: tuple[str, ...]  #: What it covers, in order.
    column: str = "checksum"  #: Where it is kept.
    values: Callable[[Row], Iterable[Any]]  #: The covered columns of a row.

    def of(self, row: Row) -> str:
        """BLAKE2b, 128 bits, of the row's columns as text; numbers and bytes as Python writes them."""
        text = _SEPARATOR.join(map(str, self.values(row)))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def fits(self, row: Row) -> bool:
        """Whether the row is the one that was written."""
        try:
            return self.of(row) == str(row[self.column])
        except ValueError:  # a text that is no Unicode
            return False


def _sum(table: Table, *columns: str, column: str = "checksum") -> Sum:
    return Sum(table=table, columns=columns, column=column, values=itemgetter(*columns))


def _all_but(table: Table, *names: str) -> Sum:
    left_out = {"checksum", *names}
    return _sum(table, *(column.name for column in table.columns if column.name not in left_out))


CANDIDATES = _all_but(tables.candidates)
EVALUATIONS = _all_but(tables.evaluations, "replaced")
REPLICATES = _all_but(tables.replicates, "id")  # ids are given by the database: here and below they aren't known before
GENERATIONS = _all_but(tables.generations)
FRONT = _all_but(tables.front, "exited")
EVENTS = _all_but(tables.events, "id")
CALIBRATIONS = _all_but(tables.calibrations)
TUNING_TRIALS = _all_but(tables.tuning_trials, "id")
FINALS = _all_but(tables.finals, "id", "packed", "packed_checksum")
FINAL_NETWORKS = _sum(tables.finals, "search_id", "key", "seed", "packed", column="packed_checksum")
EXPORTS = _all_but(tables.exports, "id")
VERIFICATIONS = _all_but(tables.verifications, "id")
TOKENS = _all_but(tables.tokens, "id", "used_at")
AUDIT = _all_but(tables.audit, "id")
SUBMISSIONS = _all_but(tables.submissions, "id")
_STANDING = ("state", "reason", "updated_at", "active_seconds", "worker_seconds", "reference_point", "reference_ideal")
_LEASE = ("is_stop_requested", "owner", "epoch", "lease_until")
SEARCHES = _all_but(tables.searches, "id", "standing_checksum", "lease_checksum", *_STANDING, *_LEASE)
STANDINGS = _sum(tables.searches, "name", *_STANDING, column="standing_checksum")
LEASES = _sum(tables.searches, "name", *_LEASE, column="lease_checksum")
ALL = (
    *(SEARCHES, STANDINGS, LEASES, CANDIDATES, EVALUATIONS, REPLICATES, GENERATIONS, FRONT, EVENTS),
    *(CALIBRATIONS, TUNING_TRIALS, FINALS, FINAL_NETWORKS, EXPORTS, VERIFICATIONS, TOKENS, AUDIT, SUBMISSIONS),
)

_LARGEST_WHOLE = 2**63 - 1


def _converter(column: Column[Any]) -> Callable[[Any], Any]:
    """Gives a value the type that the column gives back."""

    def whole(value: float) -> int:
        if value != int(value) or abs(value) > _LARGEST_WHOLE:
            raise ValueError(f"{column.name} must be a whole number below 2**63; got {value!r}")
        return int(value)

    match column.type:
        case Double():
            return lambda value: finite(float(value)) + 0.0  # SQLite keeps no negative zero
        case Integer():
            return whole
        case Boolean():
            return bool
        case LargeBinary():
            return bytes
        case _:
            return str


_CONVERTERS = {
    table.name: {column.name: _converter(column) for column in table.columns}
    for table in dict.fromkeys(one.table for one in ALL)
}


def stamped(row: Mapping[str, Any], *sums: Sum) -> dict[str, Any]:
    """The row with its checksums, each value of the type that its column gives back.

    Raises:
        ValueError: if a column of whole numbers can't hold its value.
        StoreError: if a number is NaN or infinite.
    """
    converters = _CONVERTERS[sums[0].table.name]
    found = {
        name: None if value is None else converters[name](value) for name, value in row.items() if name in converters
    }
    found.update({one.column: one.of(found) for one in sums})
    return found


def restamped(row: Row, changes: Mapping[str, Any], *, table: Table = tables.searches) -> dict[str, Any]:
    """Changes of a row with the checksums that follow.

    One that was wrong before stays wrong: a write must not vouch for what it didn't write.

    Args:
        row: As it was.
        changes: New values by column.
        table: Where the row is.
    """
    sums = [one for one in ALL if one.table is table and not changes.keys().isdisjoint(one.columns)]
    after = stamped({**row, **changes}, *sums)
    kept = {name: after[name] for name in changes}
    return kept | {one.column: after[one.column] for one in sums if one.fits(row)}


def require_intact(row: Row, *sums: Sum) -> None:
    """Check that a row is the one that was written.

    Raises:
        StoreError: naming it.
    """
    for one in sums:
        if not one.fits(row):
            raise StoreError(f"{name_of(one.table.name, row)} {MISMATCH}; restore a backup")


MISMATCH = "doesn't match its checksum: the row was changed or damaged after it was written"

_NAMES = {
    "searches": "search {name!r}",
    "candidates": "candidate {number} (search {search_id})",
    "replicates": "replicate {replicate} of candidate {candidate} (search {search_id})",
    "generations": "generation {number} (search {search_id})",
    "front": "the front's entry of candidate {candidate} at outcome {entered} (search {search_id})",
    "events": "event {id} (search {search_id})",
    "calibrations": "the calibration of {device!r} (search {search_id})",
    "finals": "final training {number} of network {key} (search {search_id})",
    "exports": "export {id} of network {key} (search {search_id})",
    "verifications": "verification {id} of network {key} (search {search_id})",
    "tokens": "token {name!r}",
    "audit": "entry {id} of the audit log",
    "submissions": "submission {id} of {name!r}",
    "tuning_trials": "tuning trial {number} of network {key} (search {search_id})",
    "evaluations": "evaluation of candidate {candidate}, attempt {attempt} (search {search_id})",
}


def name_of(table: str, row: Row) -> str:
    """A row as messages name it."""
    return _NAMES[table].format_map({str(name): row[name] for name in row.keys()})  # noqa: SIM118 - not a dict
