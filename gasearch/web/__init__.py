"""The service: searches as JSON over HTTP, while they run, over read-only connections, for those with a token."""

from __future__ import annotations

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gasearch.errors import BadInput, GasearchError, GivenUp, StoreError, UnknownSearch
from gasearch.storage.passwords import hidden
from gasearch.web import api
from gasearch.web.auth import BOOTSTRAP, SHORTEST_TOKEN, TOKEN_VARIABLE, Access, role_of, routes_of, server_token
from gasearch.web.connections import BoundedConnection, bracketed, listening_socket
from gasearch.web.guard import LOOPBACK_HOSTS, Guard
from gasearch.web.journal import Journal
from gasearch.web.login import login
from gasearch.web.metrics import Metrics
from gasearch.web.operations import operations
from gasearch.web.questions import LONGEST_S, Attention
from gasearch.web.responses import refusal
from gasearch.web.shared import SharedReader

LARGEST_BODY = 1 << 20  #: Bytes of a request.
LONGEST_MESSAGE = 2000
ALL_INTERFACES = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound

_LOG = logging.getLogger(__name__)
_KINDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    429: "too_many",
}


def create_app(
    db_url: str, token: str, *, host: str = "127.0.0.1", allowed_hosts: Sequence[str] = (), longest_s: float = LONGEST_S
) -> FastAPI:
    """The application.

    Args:
        db_url: The database, which requests only read; the journal writes to it.
        token: The server's own, beside those in the database: what callers send as `Authorization: Bearer TOKEN`.
        host: The address that the server listens on.
        allowed_hosts: Further names by which it may be called.
        longest_s: How many seconds a question may take.

    Raises:
        BadInput: if the token is too short to be secret.
    """
    if len(token) < SHORTEST_TOKEN:
        raise BadInput(f"{TOKEN_VARIABLE} must have at least {SHORTEST_TOKEN} characters; got {len(token)}")
    # No documentation pages: they load from a CDN, and a description of the API helps a stranger.
    app = FastAPI(title="gasearch", openapi_url=None, max_body_size=LARGEST_BODY, redirect_slashes=False)
    app.state.reader = SharedReader(db_url)
    app.state.access = Access(app, token, Journal(db_url))
    app.state.metrics, app.state.ready_at = Metrics(), -math.inf
    app.state.running = Counter()
    hosts = (*LOOPBACK_HOSTS, bracketed(host), *allowed_hosts)
    app.add_middleware(Attention, longest_s=longest_s)
    app.add_middleware(Guard, hosts=hosts, on_answer=app.state.metrics.note, is_any_address_ours=host in ALL_INTERFACES)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(GasearchError, _failed)
    for router in (operations, login, api.reading, api.administration):
        app.include_router(router)
    for route in routes_of(app):
        role_of(route)  # none is open because somebody forgot to close it
    return app


def serve(db_url: str, *, host: str, port: int, allowed_hosts: Sequence[str], notice: Callable[[str], None]) -> None:
    """Serve until interrupted; a token that had to be made is shown once, through `notice`, and so is a login link.

    Args:
        db_url: The database, which requests only read; the journal writes to it.
        host: The address to listen on.
        port: 0: any free one.
        allowed_hosts: Further names by which it may be called.
        notice: Takes the address, the token and the link, a sentence each.

    Raises:
        BadInput: if the address reaches beyond this machine and GASEARCH_TOKEN isn't set, or it can't be listened on.
        StoreError: if the database can't be read.
    """
    is_local = bracketed(host) in LOOPBACK_HOSTS
    token, is_new = server_token(is_public=not is_local)
    app = create_app(db_url, token, host=host, allowed_hosts=allowed_hosts)
    app.state.reader()  # Now, not at the first request, is the time to say that it can't be read.
    with listening_socket(host, port) as listening:
        authority = f"{bracketed(host)}:{listening.getsockname()[1]}"
        address = f"http://{authority}/api/v1"
        notice(f"serving at {address}; stop with Ctrl-C")
        notice(f"token, shown only now: {token}" if is_new else f"the token is that of {TOKEN_VARIABLE}")
        if is_local:  # elsewhere what is printed may end in a log that others read
            code = app.state.access.sessions.new_code(BOOTSTRAP)
            notice(f"in a browser, once and within 10 minutes: http://{authority}/login?code={code}")
        _LOG.info("service started", extra={"address": address, "database": hidden(db_url)})
        # uvicorn ends Ctrl-C by raising it again, once everything is closed.
        with contextlib.suppress(KeyboardInterrupt):
            server_of(app).run(sockets=[listening])
        app.state.access.journal.flush()
        _LOG.info("service stopped", extra={"address": address})


def server_of(app: FastAPI, connection: type[BoundedConnection] = BoundedConnection) -> uvicorn.Server:
    """The server, with the bounds of its connections."""
    return uvicorn.Server(
        uvicorn.Config(
            app, http=connection, ws="none", timeout_keep_alive=5, proxy_headers=False, server_header=False,
            log_config=None, log_level="warning", access_log=False,
        )
    )  # fmt: skip


def _refused(request: Request, error: Exception) -> Response:
    """An error of HTTP: no route, no token, a wrong method."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, _KINDS.get(error.status_code, "refused"), str(error.detail), error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    """Parameters of the wrong type or length; what came isn't echoed."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return refusal(422, "invalid", "; ".join(faults)[:LONGEST_MESSAGE])


def _failed(request: Request, error: Exception) -> Response:
    """An error that the command line would turn into an exit status."""
    match error:
        case UnknownSearch():
            return refusal(404, "not_found", str(error))
        case BadInput():
            return refusal(422, "bad_input", str(error))
        case GivenUp():
            return refusal(503, "given_up", "the question took too long: ask for less, or again later")
        case StoreError():
            request.app.state.reader.close()  # the next request looks at the database anew
            _LOG.error("the database can't be read: %s", error)  # It names hosts and paths: not for callers.
            return refusal(503, "store_unreachable", "the database can't be read now; the server's log says why")
        case _:
            raise error
