"""PostgreSQL connections that don't wait for ever: a server that is stopped or cut off may just say nothing.

TCP's own keep-alive misses that where a proxy, or a machine that hangs, still acknowledges what it gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, event

from gasearch.storage.engines import IS_OVER

T = TypeVar("T")

#: A server that answers ends a statement after 60 s by itself (`statement_timeout`).
SILENCE_S = 75.0
HURRY_S = 3.0  #: The same, once the user wants the end.


def limit_silence(engine: Engine) -> None:
    """Let every connection of an engine break when the server says nothing for `SILENCE_S`."""

    class Answering(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            is_over = engine.get_execution_options().get(IS_OVER)
            return super().wait(_limited(gen, self, is_over), *arguments, **options)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, parameters: Any) -> Any:
        return Answering.connect(*arguments, **parameters)


def _limited(
    steps: Generator[Any, Any, T], connection: psycopg.Connection[Any], is_over: Callable[[], bool] | None
) -> Generator[Any, Any, T]:
    """The steps of a statement, each awaiting the server; psycopg looks up every tenth of a second."""
    began, ready = time.monotonic(), None
    while True:
        try:
            step = steps.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result
        ready = yield step
        silence = time.monotonic() - began
        if not ready and (silence > SILENCE_S or (silence > HURRY_S and is_over is not None and is_over())):
            connection.close()
            raise psycopg.OperationalError(f"the server said nothing for {silence:.0f} s")
