"""Who may ask the service, and what was done; never a secret or a digest of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gasearch.query.answers import Answer
from gasearch.storage.access import AuditRecord, TokenRecord
from gasearch.storage.archive import ArchiveReader


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSummary(Answer):
    """A token of the service."""

    name: str
    role: str  #: "reader" or "admin".
    state: Literal["valid", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None  #: None: never.
    used_at: datetime | None  #: When it last came with a request, to the minute or so.
    searches: int | None  #: How many of its searches may run at once; None: any number.
    device_hours: float | None  #: What its searches may take in all; None: any number.


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Answer):
    """Something that was done."""

    id: int  #: Greater than that of every earlier one.
    at: datetime
    who: str  #: The name of a token, or "local": whoever has the database itself.
    action: str  #: Such as "token.create".
    subject: str
    outcome: str
    address: str  #: Where the request came from; "" for a command.


def token_summary(record: TokenRecord) -> TokenSummary:
    """What may be said of a token."""
    return TokenSummary(
        name=record.name,
        role=str(record.role),
        state="revoked" if record.revoked_at is not None else "expired" if record.is_expired else "valid",
        created_at=record.created_at,
        expires_at=record.expires_at,
        used_at=record.used_at,
        searches=record.searches,
        device_hours=record.device_hours,
    )


def token_summaries(reader: ArchiveReader) -> list[TokenSummary]:
    """All tokens, in the order in which they were made."""
    return [token_summary(record) for record in reader.tokens()]


def audit_entries(reader: ArchiveReader, *, count: int, before: int | None = None) -> list[AuditEntry]:
    """What was done, newest first.

    Args:
        reader: Of the database.
        count: At most so many.
        before: Only what is older than the entry with that id.
    """
    return [_entry(record) for record in reader.audits(count=count, before=before)]


def _entry(record: AuditRecord) -> AuditEntry:
    assert record.id is not None
    assert record.at is not None
    return AuditEntry(
        id=record.id,
        at=record.at,
        who=record.who,
        action=record.action,
        subject=record.subject,
        outcome=record.outcome,
        address=record.address,
    )
