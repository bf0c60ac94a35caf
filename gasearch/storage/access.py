"""Who may ask the service, and what was done: tokens, of which only digests are kept, and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a caller may do; a later one may all that an earlier one may."""

    READER = "reader"  #: Ask.
    ADMIN = "admin"  #: Change something, and see who did.

    def includes(self, other: Role) -> bool:
        """Whether whoever has this role may do what the other one may."""
        return list(Role).index(self) >= list(Role).index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody who changes something, as the audit log has it."""

    name: str  #: Of a token; LOCAL for whoever has the database itself.
    address: str = ""  #: Where a request came from.


LOCAL = Actor(name="local")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token about to be stored."""

    name: str  #: Unique among those that are neither revoked nor expired.
    digest: str  #: SHA-256 of the secret, in hexadecimal digits.
    role: Role
    searches: int | None = None  #: How many of its searches may run at once; None: any number.
    device_hours: float | None = None  #: What its searches may take in all; None: any number.


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord(NewToken):
    """A stored token."""

    id: int
    created_at: datetime
    expires_at: datetime | None  #: None: never.
    revoked_at: datetime | None
    used_at: datetime | None  #: When a request last came with it, to the minute or so; no checksum covers it.
    is_expired: bool  #: By the database's clock.

    @property
    def is_valid(self) -> bool:
        """Whether requests may come with it."""
        return self.revoked_at is None and not self.is_expired


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Something that was done, by whom, and what came of it; no secrets."""

    who: str  #: The name of the actor.
    action: str  #: Such as "token.create".
    subject: str = ""  #: The name of what it was done to.
    outcome: str = "done"
    address: str = ""  #: Of the actor.
    id: int | None = None  #: Set by the store, greater than that of every earlier one.
    at: datetime | None = None  #: Set by the store.
