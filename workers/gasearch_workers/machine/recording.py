"""The output of an evaluation in a process that isn't its own, printed and logged: let through, its end kept."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any, Final

LONGEST: Final = 2**14  #: Characters that are kept, from the end.


class Recording:
    """The end of what was written."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        """Keep what is new, and forget what is too long ago."""
        self.text = (self.text + text[-LONGEST:])[-LONGEST:]


class _Tee:
    """A stream that also keeps what is written to it; all else is the stream's own."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        self._stream, self._recording = stream, recording

    def write(self, text: str) -> int:
        self._recording.add(text)
        if self._stream is None:  # a program without a terminal has none
            return len(text)
        written: int = self._stream.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def recorded() -> Iterator[Recording]:
    """Record what Python code writes to `sys.stdout` and `sys.stderr`, and logs there, by this or another thread.

    What C code and other processes write there is not seen: that takes a process of the evaluation's own.
    """
    recording = Recording()
    streams = sys.stdout, sys.stderr
    tees = _Tee(sys.stdout, recording), _Tee(sys.stderr, recording)
    handlers = [
        (handler, tee)
        for handler in _stream_handlers()
        for stream, tee in zip(streams, tees, strict=True)
        if handler.stream is stream and stream is not None
    ]
    sys.stdout, sys.stderr = tees
    for handler, tee in handlers:
        handler.stream = tee
    try:
        yield recording
    finally:
        sys.stdout, sys.stderr = streams
        for handler, tee in handlers:
            if handler.stream is tee:
                handler.stream = tee._stream


def _stream_handlers() -> list[logging.StreamHandler[Any]]:
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    found = {handler for logger in known for handler in getattr(logger, "handlers", ())}
    return [handler for handler in found if isinstance(handler, logging.StreamHandler)]
