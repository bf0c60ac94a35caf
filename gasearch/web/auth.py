"""Who may call what: each route declares the role that it needs, and a caller is whoever sends a token or a cookie.

A token is one of the database's (`gasearch token create`), or the server's own, which lies in GASEARCH_TOKEN. A browser
has the cookie of a session instead, see sessions.py.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, HTTPException, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from gasearch.errors import BadInput
from gasearch.jobs.tokens import digest_of, is_secret
from gasearch.storage.access import Role
from gasearch.web.backoff import BackOff
from gasearch.web.guard import CALLER, request_fields
from gasearch.web.journal import Journal
from gasearch.web.sessions import Sessions

TOKEN_VARIABLE = "GASEARCH_TOKEN"  # noqa: S105 - the variable's name
SHORTEST_TOKEN = 16  #: Characters; a shorter one could be guessed.
BOOTSTRAP = "bootstrap"  #: The name of the server's own token, and of whoever logs in by the link that it printed.
COOKIE = "gasearch_session"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOKUPS = 4  #: At a time, in threads that questions don't take.
_LOG = logging.getLogger(__name__)
_bearer = HTTPBearer(auto_error=False, description="A token of `gasearch token create`, or the server's own.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="The session of a browser that logged in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request."""

    name: str
    role: Role
    token_id: int | None = None  #: Of the database's token; None for the server's own, and for a session.
    is_browser: bool = False  #: Whether the cookie said so, which browsers send along by themselves.


class Access:
    """Tells callers by what they send."""

    def __init__(self, app: FastAPI, token: str, journal: Journal) -> None:
        """Know the server's own token, and ask the application's reader for all others."""
        self._app, self._digest, self.journal = app, digest_of(token), journal
        self.sessions, self.back_off = Sessions(), BackOff()
        self._lookups = CapacityLimiter(LOOKUPS)

    async def caller(self, secret: str | None, session_id: str | None) -> Caller | None:
        """Who sent this; None for nobody we know. A token goes before a cookie."""
        if secret is None:
            name = None if session_id is None else self.sessions.caller_of(session_id)
            return None if name is None else Caller(name=name, role=Role.ADMIN, is_browser=True)
        digest = digest_of(secret)
        if hmac.compare_digest(digest, self._digest):
            return Caller(name=BOOTSTRAP, role=Role.ADMIN)
        if not is_secret(secret):
            return None
        found = await run_sync(lambda: self._app.state.reader().token(digest), limiter=self._lookups)
        if found is None or not found.is_valid:
            return None
        self.journal.note_use(found.id)
        return Caller(name=found.name, role=found.role, token_id=found.id)

    def refuse(self, request: Request, what: str) -> HTTPException:
        """The answer to something wrong that was sent, and a strike against its address."""
        _LOG.info("%s refused", what, extra=request_fields(request.scope))
        wait_s = self.back_off.strike(request.client.host if request.client else "")
        if wait_s:
            message = f"too many wrong tokens from this address: wait {wait_s} s, or send a right one"
            return HTTPException(429, message, headers={"Retry-After": str(wait_s)})
        return _unauthorized()


class Needs:
    """A dependency that lets pass who has a role; it is what a route declares."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(
        self,
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        session_id: Annotated[str | None, Security(_cookie)],
    ) -> Caller:
        """The caller.

        Raises:
            HTTPException: 401 for nobody we know, 429 for one wrong token too many, 403 without the role, and where
                somebody else's page may have sent what changes something.
        """
        access: Access = request.app.state.access
        caller = await access.caller(None if given is None else given.credentials, session_id)
        if caller is None:
            raise _unauthorized() if given is None else access.refuse(request, "token")
        request.scope[CALLER] = caller.name
        if caller.is_browser and request.method not in SAFE_METHODS and "origin" not in request.headers:
            raise HTTPException(403, "a browser's request that changes something has to say its Origin")
        if not caller.role.includes(self.role):
            _LOG.info("role refused", extra=request_fields(request.scope))
            raise HTTPException(403, f"this needs a token with the role {self.role}; yours has the role {caller.role}")
        return caller


async def anyone() -> None:
    """A dependency of routes that need no role at all."""


reader, admin = Needs(Role.READER), Needs(Role.ADMIN)


def routes_of(holder: Any) -> Iterator[Any]:
    """Every route of an application, those of included routers too."""
    for route in holder.routes:
        inside = getattr(route, "original_router", route)
        if hasattr(inside, "routes"):
            yield from routes_of(inside)
        else:
            yield route


def role_of(route: Any) -> Role | None:
    """The role that a route declares; None where anyone may call it.

    Raises:
        LookupError: if it declares none.
    """
    calls = [one.call for one in route.dependant.dependencies] if isinstance(route, APIRoute) else []
    roles = [call.role for call in calls if isinstance(call, Needs)]
    if not roles and anyone not in calls:
        raise LookupError(f"the route {route.path} declares no role: reader, admin or anyone")
    return max(roles, key=list(Role).index, default=None)


def server_token(*, is_public: bool) -> tuple[str, bool]:
    """The token of GASEARCH_TOKEN, or a new one; and whether it is new.

    Raises:
        BadInput: if the server is to listen beyond this machine and no token was set.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token:
        return token, False
    if is_public:
        raise BadInput(f"a server that listens beyond this machine needs a token of your own: set {TOKEN_VARIABLE}")
    return secrets.token_urlsafe(32), True


def _unauthorized() -> HTTPException:
    message = "send the header 'Authorization: Bearer TOKEN' with a token of this server that is still valid"
    return HTTPException(401, message, headers={"WWW-Authenticate": "Bearer"})
