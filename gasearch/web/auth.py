"""Who may call: whoever sends the server's bearer token."""

from __future__ import annotations

import logging
import os
import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gasearch.errors import BadInput
from gasearch.web.guard import request_fields

TOKEN_VARIABLE = "GASEARCH_TOKEN"  # noqa: S105 - the variable's name
SHORTEST_TOKEN = 16  #: Characters; a shorter one could be guessed.
_LOG = logging.getLogger(__name__)
_bearer = HTTPBearer(auto_error=False)


async def require_token(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """A dependency that lets pass who sends the token, compared in constant time.

    Raises:
        HTTPException: 401, without it.
    """
    if given is None or not secrets.compare_digest(given.credentials.encode(), request.app.state.token.encode()):
        _LOG.info("no token" if given is None else "token refused", extra=request_fields(request.scope))
        message = "send the header 'Authorization: Bearer TOKEN' with the server's token"
        raise HTTPException(401, message, headers={"WWW-Authenticate": "Bearer"})


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
