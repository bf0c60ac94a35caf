"""The guard before every route: the Host check, the security headers, the log, and the last resort for errors.

A browser on the same machine is inside the loopback already. What keeps a foreign page out is that every call needs a
token or a cookie, that no CORS header invites it in, that a name which somebody made point here (DNS rebinding) is no
Host of ours, and that a request which says its Origin has to come from a page of the very Host that it calls: to a
cookie another port of this machine is no other site. Starlette's own check of the Host knows neither IPv6 addresses nor
"any address, but no name".
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gasearch.web.responses import refusal

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CALLER = "gasearch.caller"  #: Where the scope of a request has its caller's name.
OnAnswer = Callable[[Scope, int, float], None]
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::[0-9]{1,5})?")  #: A name or an address, and its port.
_LOG = logging.getLogger(__name__)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str], on_answer: OnAnswer, is_any_address_ours: bool = False
    ) -> None:
        """Accept these names as Host; on all interfaces any IP address too: rebinding needs a name.

        Args:
            app: The application.
            hosts: The names.
            on_answer: Called after each answer, with its status and the seconds that it took.
            is_any_address_ours: Whether the server listens on all interfaces.
        """
        self._app, self._on_answer = app, on_answer
        self._hosts = frozenset(host.lower() for host in hosts)
        self._is_any_address_ours = is_any_address_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # There is no websocket here; ending without an answer refuses it.
        status, begun = 0, time.perf_counter()

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if not self._is_ours([value for name, value in scope["headers"] if name == b"host"]):
                message = "this server doesn't answer to that Host; start it with --allow-host"
                await refusal(400, "bad_host", message)(scope, receive, send_guarded)
                return
            if not _is_own_origin(Headers(scope=scope)):
                message = "a page of another origin may not call this server"
                await refusal(403, "foreign_origin", message)(scope, receive, send_guarded)
                return
            await self._app(scope, receive, send_guarded)
        except Exception:
            _LOG.exception("a request failed unexpectedly", extra=request_fields(scope))
            if status:
                raise
            message = "unexpected error; the server's log has the traceback"
            await refusal(500, "defect", message)(scope, receive, send_guarded)
        finally:
            self._on_answer(scope, status, time.perf_counter() - begun)
            if _LOG.isEnabledFor(logging.INFO):
                took = {"status": status, "ms": round((time.perf_counter() - begun) * 1e3, 1)}
                _LOG.info("request", extra=request_fields(scope) | took)

    def _is_ours(self, values: list[bytes]) -> bool:
        parts = _HOST.fullmatch(values[0].decode("latin-1").lower()) if len(values) == 1 else None
        return parts is not None and (parts[1] in self._hosts or (self._is_any_address_ours and _is_address(parts[1])))


def request_fields(scope: Scope) -> dict[str, object]:
    """The fields of a request in the log, with its caller's name: nothing of its query, where secrets may stand."""
    fields = {"method": scope["method"], "path": scope["path"], "client": (scope.get("client") or [""])[0]}
    return fields | ({"caller": scope[CALLER]} if CALLER in scope else {})


def _is_own_origin(headers: Headers) -> bool:
    """Whether a request says no Origin, or that of its Host; over TLS that ends before us the scheme is another one."""
    origins = headers.getlist("origin")
    return not origins or (len(origins) == 1 and origins[0].partition("://")[2].lower() == headers["host"].lower())


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
