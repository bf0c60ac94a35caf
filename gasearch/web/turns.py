"""Turns of callers: nobody's questions take all threads, however slow they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from anyio.to_thread import current_default_thread_limiter
from fastapi import HTTPException, Request

SHARE = 4  #: One address may have the threads' total divided by this.
RETRY_S = 1


class Turns:
    """How many questions of each address are being answered; asked in the event loop alone."""

    def __init__(self) -> None:
        """Nobody asks yet."""
        self.running: Counter[str] = Counter()


async def turn(request: Request) -> AsyncIterator[None]:
    """A dependency that refuses an address whose questions already take its share of the threads, with 429.

    A turn ends when the database has ended the question, not when its asker hangs up.

    Raises:
        HTTPException: 429, where the share is taken.
    """
    running: Counter[str] = request.app.state.turns.running
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
