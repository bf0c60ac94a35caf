"""Questions of callers: they end when nobody waits for the answer, and those of one address leave threads to others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

from anyio.to_thread import current_default_thread_limiter
from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gasearch.storage.question import Question, asking

LONGEST_S = 30.0  #: Of a question.
AGAIN_S = 0.2  #: So often is the database asked to, until the question has ended.
MOST_MESSAGES = 16  #: Of a request's body that nobody has read yet.
SHARE = 4  #: One address may have the threads' total divided by this.
RETRY_S = 1


class Attention:
    """ASGI middleware: while the application answers, listens whether the caller is still there, for `longest_s`."""

    def __init__(self, app: ASGIApp, *, longest_s: float = LONGEST_S) -> None:
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


async def turn(request: Request) -> AsyncIterator[None]:
    """A dependency that refuses an address whose questions already take its share of the threads.

    A turn ends when the database has ended the question, not when its asker hangs up.

    Raises:
        HTTPException: 429, where the share is taken.
    """
    running: Counter[str] = request.app.state.running  # questions by address; touched in the event loop alone
    address = request.client.host if request.client else ""
    most = max(1, int(current_default_thread_limiter().total_tokens) // SHARE)
    if running[address] >= most:
        message = f"{most} questions from this address are being answered: wait for one of them, then ask again"
        raise HTTPException(429, message, headers={"Retry-After": str(RETRY_S)})
    running[address] += 1
    try:
        yield
    finally:
        running[address] -= 1
        if not running[address]:
            del running[address]
