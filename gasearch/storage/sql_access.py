"""Tokens and the audit log in SQL: what is done inside a transaction of the archive's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, insert, select, update

from gasearch.errors import WrongState
from gasearch.storage import checksums
from gasearch.storage.access import AuditRecord, NewToken, TokenRecord
from gasearch.storage.checksums import restamped, stamped
from gasearch.storage.rows import record_of, row_of
from gasearch.storage.statements import insert_once
from gasearch.storage.tables import audit, database_clock, tokens
from gasearch.storage.values import Row, storable

#: Tokens, and whether the time of each is over.
TOKENS = select(
    tokens, and_(tokens.c.expires_at.is_not(None), tokens.c.expires_at <= database_clock()).label("is_expired")
)
AUDITS = select(audit).order_by(audit.c.id.desc())  #: Newest first.
#: The texts of the audit log, which requests may bring, and their greatest lengths.
_LENGTHS = {column.name: column.type.length for column in audit.columns if isinstance(column.type, String)}


def token_record(row: Row) -> TokenRecord:
    """The token that a row of `TOKENS` holds.

    Raises:
        StoreError: if it isn't the one that was written.
    """
    return record_of(TokenRecord, row, checksums.TOKENS)


def token_of(connection: Connection, condition: ColumnElement[bool]) -> TokenRecord:
    """The one token for which the condition is true."""
    return token_record(connection.execute(TOKENS.where(condition)).mappings().one())


def insert_token(connection: Connection, new: NewToken, lifetime_s: float | None, now: float) -> None:
    """Store a token; one of that name whose time is over gives its name up.

    Args:
        connection: In the transaction.
        new: The token.
        lifetime_s: From now on; None: for ever.
        now: By the database's clock.

    Raises:
        WrongState: if the name is taken.
    """
    of_name = TOKENS.where(tokens.c.name == new.name, tokens.c.revoked_at.is_(None))
    before = connection.execute(of_name).mappings().one_or_none()
    if before is not None and before["is_expired"]:
        _change(connection, before, {"revoked_at": now})
    times = {"created_at": now, "expires_at": None if lifetime_s is None else now + lifetime_s, "revoked_at": None}
    row = stamped(row_of(new) | times, checksums.TOKENS)
    if connection.execute(insert_once(connection, tokens).values(row).returning(tokens.c.id)).first() is None:
        raise WrongState(f"there is a token named {new.name!r} already: revoke it first, or choose another name")


def revoke_kept(connection: Connection, name: str, now: float) -> TokenRecord | None:
    """Revoke the token of that name that isn't revoked yet; None where there is none.

    Args:
        connection: In the transaction.
        name: Of the token.
        now: By the database's clock.
    """
    of_name = TOKENS.where(tokens.c.name == storable(name), tokens.c.revoked_at.is_(None))
    row = connection.execute(of_name.with_for_update(of=tokens)).mappings().one_or_none()
    if row is None:
        return None
    _change(connection, row, {"revoked_at": now})
    return token_of(connection, tokens.c.id == row["id"])


def insert_audit(connection: Connection, record: AuditRecord, now: float) -> dict[str, Any]:
    """Add to the audit log, texts that are too long cut; returns the row.

    Args:
        connection: In the transaction.
        record: What was done.
        now: By the database's clock.
    """
    texts = {name: storable(getattr(record, name))[:length] for name, length in _LENGTHS.items() if name != "checksum"}
    row = stamped(texts | {"at": now}, checksums.AUDIT)
    connection.execute(insert(audit), row)
    return row


def _change(connection: Connection, row: Row, changes: dict[str, Any]) -> None:
    values = restamped(row, changes, table=tokens)
    connection.execute(update(tokens).where(tokens.c.id == row["id"]).values(values))
