"""What stands before every route: the Host check, the security headers, and the last resort for errors.

A browser on the same machine is inside the loopback already. What keeps a foreign page out is that every call needs the
token, that no CORS header invites it in, and that a name which somebody made point here (DNS rebinding) is no Host of
ours.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::[0-9]{1,5})?")  #: A name or an address, and its port.
_LOG = logging.getLogger(__name__)


def error_body(status: int, kind: str, message: str) -> dict[str, dict[str, object]]:
    """The one form that every error has."""
    return {"error": {"status": status, "kind": kind, "message": message}}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], is_any_address_ours: bool = False) -> None:
        """Accept these names as Host.

        With `is_any_address_ours`, for a server on all interfaces, any IP address is accepted too: rebinding needs a
        name, an address can't be made to point elsewhere.
        """
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._is_any_address_ours = is_any_address_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # There is no websocket here; ending without an answer refuses it.
        is_started = False

        async def send_guarded(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                given = {name.lower() for name, _ in message["headers"]}
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {
                    **message,
                    "headers": [*message["headers"], *(pair for pair in added if pair[0] not in given)],
                }
            await send(message)

        if not self._is_ours([value for name, value in scope["headers"] if name == b"host"]):
            refusal = error_body(400, "bad_host", "this server doesn't answer to that Host; start it with --allow-host")
            await JSONResponse(refusal, 400)(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:
            _LOG.exception("a request failed unexpectedly")
            if is_started:
                raise
            defect = error_body(500, "defect", "unexpected error; the server's log has the traceback")
            await JSONResponse(defect, 500)(scope, receive, send_guarded)

    def _is_ours(self, values: list[bytes]) -> bool:
        if len(values) != 1:
            return False
        parts = _HOST.fullmatch(values[0].decode("latin-1").lower())
        if parts is None:
            return False
        host = parts.group(1)
        return host in self._hosts or (self._is_any_address_ours and _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
