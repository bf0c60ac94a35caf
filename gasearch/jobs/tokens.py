"""Tokens of the service: made, listed and revoked. Only whoever makes one ever sees its secret."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Callable
from contextlib import closing

from gasearch.errors import BadInput
from gasearch.storage.access import LOCAL, NewToken, Role, TokenRecord
from gasearch.storage.sql import open_archive, open_reader

PREFIX = "gas_"  #: By which scanners find a secret that was left somewhere.
LONGEST_LIFETIME_S = 10 * 366 * 86400.0
RESERVED = (LOCAL.name, "bootstrap", "nobody")  #: Names that logs use for callers without a stored token.
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LIFETIME = re.compile(r"([0-9]{1,6})\s*([mhdwy])")
_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}


def new_secret() -> str:
    """A secret of 256 random bits that can be recognized as one."""
    return PREFIX + secrets.token_urlsafe(32)


def is_secret(text: str) -> bool:
    """Whether a text has the form of a secret: any other one belongs to no stored token."""
    return _SECRET.fullmatch(text) is not None


def digest_of(secret: str) -> str:
    """SHA-256: as secrets are random, no slower hash makes them any harder to find."""
    return hashlib.sha256(secret.encode()).hexdigest()


def parse_lifetime(text: str) -> float:
    """How long a token may be used, in seconds: a whole number of m, h, d, w or y.

    Raises:
        BadInput: if it isn't, or is none of 1 minute to 10 years.
    """
    parts = _LIFETIME.fullmatch(text.strip())
    seconds = int(parts[1]) * _SECONDS[parts[2]] if parts else 0.0
    if not 0.0 < seconds <= LONGEST_LIFETIME_S:
        raise BadInput(f"a token's lifetime reads like 12h, 30d or 1y, at most 10 years; got {text!r}")
    return seconds


def create_token(
    url: str,
    name: str,
    role: Role,
    *,
    notice: Callable[[str], None],
    lifetime_s: float | None = None,
    searches: int | None = None,
    device_hours: float | None = None,
) -> tuple[str, TokenRecord]:
    """Make a token; returns its secret, which nobody can look up later, and what is stored of it.

    Args:
        url: The database, created where there is none.
        name: Of the token.
        role: What it lets its bearer do.
        notice: Takes a sentence before the database is created or upgraded.
        lifetime_s: How long it may be used; None: for ever.
        searches: How many of its searches may run at once; None: any number.
        device_hours: What its searches may take in all; None: any number.

    Raises:
        BadInput: if the name or a limit can't be used, or the name is taken.
        StoreError: if the database can't be written.
    """
    if _NAME.fullmatch(name) is None:
        raise BadInput(
            f"a token's name has 1 to 63 letters, digits, '.', '_' or '-', the first a letter or a digit; got {name!r}"
        )
    if name.lower() in RESERVED:
        raise BadInput(f"{name!r} stands for callers without a stored token: choose another name")
    if device_hours is not None and not (math.isfinite(device_hours) and device_hours > 0):
        raise BadInput(f"device-hours must be a number above 0; got {device_hours}")
    secret = new_secret()
    new = NewToken(name=name, digest=digest_of(secret), role=role, searches=searches, device_hours=device_hours)
    with closing(open_archive(url, notice=notice)) as archive:
        return secret, archive.add_token(new, lifetime_s=lifetime_s, actor=LOCAL)


def revoke_token(url: str, name: str, *, notice: Callable[[str], None]) -> TokenRecord:
    """Let nobody use a token any more: from the next request on.

    Args:
        url: The database.
        name: Of the token.
        notice: Takes a sentence before the database is upgraded.

    Raises:
        BadInput: if there is none of that name to revoke.
        StoreError: if the database can't be written, or there is none.
    """
    open_reader(url).close()  # where there is no database, none is made
    with closing(open_archive(url, notice=notice)) as archive:
        return archive.revoke_token(name, actor=LOCAL)
