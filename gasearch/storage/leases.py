"""The lease in SQL: who may write to a search, as each write's transaction checks it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, select, update

from gasearch.errors import LeaseLost
from gasearch.storage.checksums import restamped
from gasearch.storage.owner import describe, is_gone
from gasearch.storage.records import Lease
from gasearch.storage.tables import database_clock, searches
from gasearch.storage.values import Row

HOLDS_LEASE = and_(
    searches.c.id == bindparam("lease_search"),
    searches.c.epoch == bindparam("lease_epoch"),
    searches.c.owner == bindparam("lease_owner"),
)
#: Locks the row against a change of owner until the commit; SQLite has locked the whole file already. Tells the time.
_CHECK_LEASE = select(database_clock()).select_from(searches).where(HOLDS_LEASE).with_for_update(key_share=True)
_OWN_SEARCH = (
    select(searches, database_clock().label("now")).where(HOLDS_LEASE).with_for_update(key_share=True)
)  # fmt: skip


def require_lease(connection: Connection, lease: Lease) -> float:
    """Make sure that the lease is ours, and stays so until the commit; returns the time.

    Raises:
        LeaseLost: if another owner has taken the search.
    """
    now: float | None = connection.execute(_CHECK_LEASE, lease_values(lease)).scalar()
    if now is None:
        raise _lease_lost(lease)
    return now


def own_search(connection: Connection, lease: Lease) -> RowMapping:
    """The row of the search that we own, locked until the commit, with the time as `now`.

    Raises:
        LeaseLost: if another owner has taken the search.
    """
    row = connection.execute(_OWN_SEARCH, lease_values(lease)).mappings().first()
    if row is None:
        raise _lease_lost(lease)
    return row


def update_search(connection: Connection, row: RowMapping, changes: dict[str, Any]) -> None:
    """Change a search, its checksums with it.

    Args:
        connection: In a transaction that has locked the row.
        row: As it stands.
        changes: By column.
    """
    connection.execute(update(searches).where(searches.c.id == row["id"]).values(restamped(row, changes)))


def lease_values(lease: Lease) -> dict[str, Any]:
    """Values for `HOLDS_LEASE`."""
    return {"lease_search": lease.search_id, "lease_epoch": lease.epoch, "lease_owner": lease.owner}


def is_running(row: Row) -> bool:
    """Whether the lease is valid and its holder isn't known to be dead."""
    return row["is_owned"] and not is_gone(row["owner"])


def _lease_lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"the search no longer belongs to {describe(lease.owner)} (epoch {lease.epoch}): another controller has taken "
        "it over, or it was released; nothing more was written"
    )
