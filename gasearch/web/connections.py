"""Connections that ask nothing can't keep others out.

A connection has some seconds for the head of a request, and some for the answer; from one address there may be so many,
and so many in all. Beyond that whoever has waited longest without asking makes room. uvicorn itself counts idle
connections like busy ones, and lets the head of a request take for ever.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from gasearch.errors import BadInput

HEAD_S = 10.0  #: From the connection, or the last answer, to the whole head of a request, however slowly it trickles.
ANSWER_S = 60.0  #: From there until the answer is sent: a caller may read slowly.
MOST = 256  #: Connections in all,
MOST_EACH = 64  #: and from one address.


class BoundedConnection(H11Protocol):
    """A connection of uvicorn's with these bounds."""

    head_s, answer_s, most, most_each = HEAD_S, ANSWER_S, MOST, MOST_EACH

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it up where there is room, or can be made."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._is_timed_as_waiting: bool | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.waits_since = self.loop.time()
        self._set_timer()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        self._set_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._set_timer()

    @property
    def is_waiting(self) -> bool:
        """Says that no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _set_timer(self) -> None:
        """Begin to count when it starts to wait, and when it has asked; what trickles in between changes nothing."""
        if self.is_waiting == self._is_timed_as_waiting:
            return
        self._is_timed_as_waiting = self.is_waiting
        self.waits_since = self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.head_s if self.is_waiting else self.answer_s, self.transport.abort)

    def _make_room(self) -> None:
        """Close a connection if there are too many: the one that has waited longest; this one if none waits."""
        others: list[Any] = [one for one in self.connections if not one.transport.is_closing()]
        crowd = [one for one in others if one.address == self.address]
        if len(crowd) <= self.most_each:
            if len(others) <= self.most:
                return
            [(fullest, _)] = Counter(one.address for one in others).most_common(1)
            crowd = [one for one in others if one.address == fullest]
        waiting = [one for one in crowd if one is not self and one.is_waiting]
        min(waiting, key=lambda one: one.waits_since, default=self).transport.abort()


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at the address; its connections send what they are given at once.

    Raises:
        BadInput: if the address can't be listened on.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise BadInput(f"can't listen on {bracketed(host)}:{port}: {reason}") from error
    # Its connections inherit that. Without it the body of an answer waits 40 ms for the caller to acknowledge the head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def bracketed(host: str) -> str:
    """The address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
