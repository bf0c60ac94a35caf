"""Questions end when nobody waits for the answer: the caller hung up, or has waited too long."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gasearch.storage.question import Question, asking

LONGEST_S = 30.0  #: Of a question.
AGAIN_S = 0.2  #: So often is the database asked to, until the question has ended.
MOST_MESSAGES = 16  #: Of a request's body that nobody has read yet.


class Attention:
    """ASGI middleware: while the application answers, listens whether the caller is still there."""

    def __init__(self, app: ASGIApp, *, longest_s: float = LONGEST_S) -> None:
        """Give a question up after so many seconds."""
        self._app, self._longest_s = app, longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        question, messages = Question(), asyncio.Queue[Message](MOST_MESSAGES)
        listening = asyncio.create_task(self._listen(receive, messages, question))
        try:
            with asking(question):
                await self._app(scope, messages.get, send)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _listen(self, receive: Receive, messages: asyncio.Queue[Message], question: Question) -> None:
        """Hand messages on until the caller hangs up or time is up; then let the question end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._longest_s):
                while True:
                    message = await receive()
                    await messages.put(message)
                    if message["type"] == "http.disconnect":
                        break
        while True:
            await asyncio.to_thread(question.give_up)
            await asyncio.sleep(AGAIN_S)
