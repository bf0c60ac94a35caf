"""Login and logout of browsers: a link that works once becomes a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from gasearch.storage.access import AuditRecord
from gasearch.web.auth import COOKIE, Access, Caller, anyone, reader
from gasearch.web.responses import known_parameters, refusals
from gasearch.web.sessions import SESSION_S

AFTER_LOGIN = "/api/v1/searches"
Code = Annotated[str, Query(min_length=1, max_length=200)]

login = APIRouter(dependencies=[Depends(known_parameters)])


@login.get(
    "/login",
    dependencies=[Depends(anyone)],
    status_code=303,
    response_class=RedirectResponse,
    responses=refusals(400, 401, 403, 422, 429),
)
async def log_in(request: Request, code: Code) -> Response:
    """Log a browser in by a code that works once: the one thing that a GET changes here."""
    access: Access = request.app.state.access
    found = access.sessions.log_in(code)
    if found is None:
        raise access.refuse(request, "login code")
    session_id, name = found
    access.journal.add(AuditRecord(who=name, action="login", address=_address(request)))
    answer = RedirectResponse(AFTER_LOGIN, 303)
    is_secure = request.url.scheme == "https"  # on loopback, where there is none, browsers would drop the cookie
    answer.set_cookie(COOKIE, session_id, max_age=int(SESSION_S), httponly=True, samesite="strict", secure=is_secure)
    return answer


@login.post("/logout", status_code=204, responses=refusals(400, 401, 403, 422, 429, 503))
async def log_out(request: Request, caller: Annotated[Caller, Depends(reader)]) -> Response:
    """End the session of the browser that asks."""
    access: Access = request.app.state.access
    if access.sessions.log_out(request.cookies.get(COOKIE, "")):
        access.journal.add(AuditRecord(who=caller.name, action="logout", address=_address(request)))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
