"""Sessions of browsers: a code that logs in once becomes a cookie. Both are kept as digests, in this process alone.

So whoever restarts the server ends all sessions; its new link opens the next one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from gasearch.jobs.tokens import digest_of

CODE_S = 600.0  #: How long a login code may be used, once.
SESSION_S = 12 * 3600.0  #: How long a session lasts.
MOST = 256  #: Codes, and sessions; the oldest makes room.


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a code or a cookie stands for, and until when."""

    name: str  #: Of the caller.
    until: float


class Sessions:
    """The codes and the sessions of one server. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """There is none yet."""
        self._clock = clock
        self._codes: dict[str, Grant] = {}
        self._sessions: dict[str, Grant] = {}

    def new_code(self, name: str) -> str:
        """A code that logs a caller in, once."""
        return self._keep(self._codes, Grant(name=name, until=self._clock() + CODE_S))

    def log_in(self, code: str) -> tuple[str, str] | None:
        """Use a code up: the id of a new session and its caller's name; None for a code that isn't valid."""
        grant = self._codes.pop(digest_of(code), None)
        if grant is None or grant.until <= self._clock():
            return None
        session = Grant(name=grant.name, until=self._clock() + SESSION_S)
        return self._keep(self._sessions, session), session.name

    def caller_of(self, session_id: str) -> str | None:
        """The name of a session's caller; None for one that isn't, or is over."""
        grant = self._sessions.get(digest_of(session_id))
        return grant.name if grant is not None and grant.until > self._clock() else None

    def log_out(self, session_id: str) -> bool:
        """End a session; returns whether there was one."""
        return self._sessions.pop(digest_of(session_id), None) is not None

    def _keep(self, grants: dict[str, Grant], grant: Grant) -> str:
        now = self._clock()
        for digest in [digest for digest, other in grants.items() if other.until <= now]:
            del grants[digest]
        while len(grants) >= MOST:
            del grants[next(iter(grants))]
        secret = secrets.token_urlsafe(32)
        grants[digest_of(secret)] = grant
        return secret
