"""Who may call: bearer tokens, compared in constant time, each with a role."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from collections.abc import Callable
from enum import IntEnum
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gasearch.errors import BadInput
from gasearch.web.guard import request_fields

TOKEN_VARIABLE = "GASEARCH_TOKEN"  # noqa: S105 - the variable's name
_LOG = logging.getLogger(__name__)
SHORTEST_TOKEN = 16  #: Characters; a shorter one could be guessed.


class Role(IntEnum):
    """Rights of a caller; a greater role includes the smaller ones."""

    READER = 1
    ADMIN = 2


class Tokens:
    """The tokens that the server knows."""

    def __init__(self, token: str) -> None:
        """One token, for the administrator.

        Raises:
            BadInput: if it is too short to be secret.
        """
        if len(token) < SHORTEST_TOKEN:
            raise BadInput(f"{TOKEN_VARIABLE} must have at least {SHORTEST_TOKEN} characters; got {len(token)}")
        self._known = ((token.encode(), Role.ADMIN),)

    def role_of(self, token: str) -> Role | None:
        """The role that a token gives; None for an unknown one. Takes equally long for every wrong token."""
        given, found = token.encode(), None
        for known, role in self._known:
            if hmac.compare_digest(known, given):
                found = role
        return found


_bearer = HTTPBearer(auto_error=False)


def require(role: Role) -> Callable[..., Role]:
    """A dependency that lets only callers with at least this role pass; else 401, or 403 for a smaller role."""

    def caller(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Role:
        tokens: Tokens = request.app.state.tokens
        found = None if given is None else tokens.role_of(given.credentials)
        if found is None:
            _LOG.info("no token" if given is None else "token refused", extra=request_fields(request.scope))
            message = "send the header 'Authorization: Bearer TOKEN' with the server's token"
            raise HTTPException(401, message, headers={"WWW-Authenticate": "Bearer"})
        if found < role:
            raise HTTPException(403, f"that needs the role {role.name.lower()}")
        return found

    return caller


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
