"""A process of its own for what may hang, crash or take all memory: it ends that process, not ours.

It answers one call after another, of one function; what a call gives is JSON values and bytes. A call that takes too
long, or that the process doesn't survive, is an error, and the next call begins with a new process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Final

from gasearch_workers.machine.environment import scrubbed
from gasearch_workers.machine.node import node_memory
from gasearch_workers.machine.processes import die_with, end_session, start_python

#: What answers a call: it is given JSON values and bytes, and gives such.
Answering = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]

START_S: Final = 120.0  #: For the process to have its modules.
END_S: Final = 5.0  #: From the end of its channel to that of a process that dies of itself.
MOST_MEMORY: Final = 8 * 2**30  #: Bytes that the process may take,
MEMORY_SHARE: Final = 0.8  #: or this share of the node's.
_HEAD: Final = struct.Struct("!QQ")  #: Lengths of the JSON text and of the bytes.
_LONGEST: Final = 2**30  #: Of an answer.
_WORDS: Final = 300  #: Characters of what it said last.


class Faulty(RuntimeError):
    """A call that gave no answer: it took too long, ended its process, or raised; the message says which."""


class NotThere(ImportError):
    """A call lacked a module, or found a broken one: no fault of what it was given."""


def memory_limit() -> int:
    """Bytes that a process of this kind may take here."""
    return min(MOST_MEMORY, int(MEMORY_SHARE * node_memory()))


class Isolated:
    """Calls of a function in a process of its own, which is started by the first one. One thread."""

    def __init__(self, function: str, *, memory_bytes: int | None = None) -> None:
        """Start nothing yet.

        Args:
            function: "module:name" of an `Answering`, by modules that are ours.
            memory_bytes: That it may take; None: `memory_limit`.
        """
        self._function = function
        self._memory_bytes = memory_limit() if memory_bytes is None else memory_bytes
        self._running: _Process | None = None

    def __enter__(self) -> Isolated:
        """Itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process."""
        self.close()

    def call(self, asked: dict[str, Any], given: bytes = b"", *, seconds: float) -> tuple[dict[str, Any], bytes]:
        """What the function answers.

        Args:
            asked: JSON values.
            given: Bytes.
            seconds: After these the process is ended.

        Raises:
            NotThere: if it lacked a module.
            Faulty: if it raised, took too long, or ended its process.
        """
        if self._running is None:
            self._running = _idle_one(self._function, self._memory_bytes) or _Process(
                self._function, self._memory_bytes
            )
        try:
            head, content = self._running.call(asked, given, seconds)
        except BaseException:
            self._running.end()
            self._running = None
            raise
        match head:
            case {"error": str(text), "is_import": True}:
                raise NotThere(text)
            case {"error": str(text)}:
                raise Faulty(text)
            case {"answer": dict(answer)}:
                return answer, content
        raise Faulty("it gave what is no answer")

    def close(self) -> None:
        """End the process and what it has started, or leave it to `kept`. Safe to call twice."""
        running, self._running = self._running, None
        if running is None:
            return
        if _idle is None:
            running.end()
        else:
            _idle.append(running)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Let processes outlive whoever started them while this lasts: the next one that wants such finds it ready.

    For those who verify one folder after another, in one thread: a process takes seconds to import its libraries.
    """
    global _idle
    before, _idle = _idle, []
    try:
        yield
    finally:
        left, _idle = _idle, before
        for process in left:
            process.end()


def _idle_one(function: str, memory_bytes: int) -> _Process | None:
    for process in _idle or ():
        if (process.function, process.memory_bytes) == (function, memory_bytes):
            assert _idle is not None
            _idle.remove(process)
            if process.is_running:
                return process
            process.end()
            break
    return None


class _Process:
    """One that is running."""

    def __init__(self, function: str, memory_bytes: int) -> None:
        self.function, self.memory_bytes = function, memory_bytes
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._channel, theirs = socket.socketpair()
        arguments = theirs.fileno(), function, memory_bytes, os.getpid()
        try:
            self._process = start_python(
                f"from {__name__} import serve; serve(*{arguments!r})",
                paths=[path for path in sys.path if path],
                environment=scrubbed(os.environ),
                output=self._output.fileno(),
                inherited=[theirs.fileno()],
            )
        except BaseException:
            self._channel.close()
            self._output.close()
            raise
        finally:
            theirs.close()
        self._is_ready = False

    def call(self, asked: dict[str, Any], given: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        try:
            if not self._is_ready:
                _receive(self._channel, time.monotonic() + START_S)
                self._is_ready = True
            until = time.monotonic() + seconds
            _send(self._channel, asked, given, until)
            return _receive(self._channel, until)
        except TimeoutError:
            raise Faulty(f"it took more than {seconds if self._is_ready else START_S:g} s, and was ended") from None
        except (EOFError, OSError):
            raise Faulty(self._last_words()) from None

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._channel.close()
        end_session(self._process.pid)
        self._process.wait()
        self._output.close()

    def _last_words(self) -> str:
        """Why it is no more."""
        with contextlib.suppress(Exception):
            self._process.wait(END_S)
        status = self._process.poll()
        self._output.seek(0)
        lines = self._output.read()[-(2**14) :].decode(errors="replace").strip().splitlines()
        said = f"; it said: {lines[-1].strip()[:_WORDS]}" if lines else ""
        if status is None or status >= 0:
            return f"it ended its process with status {status}{said}"
        name = signal.Signals(-status).name
        memory = f"{self.memory_bytes / 1e9:.3g} GB"
        return f"it ended its process by {name}: damaged, or in need of more than {memory} of memory{said}"


def _send(channel: socket.socket, head: dict[str, Any], content: bytes, until: float) -> None:
    text = json.dumps(head).encode()
    channel.settimeout(max(0.001, until - time.monotonic()))
    channel.sendall(_HEAD.pack(len(text), len(content)) + text)
    channel.settimeout(max(0.001, until - time.monotonic()))
    channel.sendall(content)


def _receive(channel: socket.socket, until: float) -> tuple[dict[str, Any], bytes]:
    """One message.

    Raises:
        EOFError: if there is none any more, or it is none of ours.
        TimeoutError: if it doesn't come in time.
        Faulty: if it is too long.
    """
    sizes = _HEAD.unpack(_read(channel, _HEAD.size, until))
    if sum(sizes) > _LONGEST:
        raise Faulty(f"it answered with {sum(sizes) / 1e9:.3g} GB")
    text, content = (_read(channel, size, until) for size in sizes)
    try:
        head = json.loads(text)
    except ValueError as error:
        raise EOFError("no message") from error
    return (head if isinstance(head, dict) else {}), content


def _read(channel: socket.socket, size: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < size:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        part = channel.recv(min(size - len(found), 2**20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


_idle: list[_Process] | None = None  #: Those that are kept; None: none is.


def serve(descriptor: int, function: str, memory_bytes: int, parent: int) -> None:
    """Answer calls until the channel is closed: what the process runs.

    Args:
        descriptor: Of its end of the channel.
        function: "module:name" of what answers.
        memory_bytes: That it may take.
        parent: The process with whose end it ends, whatever it does then.
    """
    if not die_with(parent):
        return
    with contextlib.suppress(ValueError, OSError):  # macOS bounds some of these by less than it says
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    channel = socket.socket(fileno=descriptor)
    module, _, name = function.partition(":")
    answer: Answering = getattr(importlib.import_module(module), name)
    forever = time.monotonic() + 10**9
    _send(channel, {}, b"", forever)
    while True:
        try:
            asked, given = _receive(channel, forever)
        except EOFError:
            return
        try:
            found, content = answer(asked, given)
            head: dict[str, Any] = {"answer": found}
        except Exception as error:  # whatever it raises is what came of the call
            traceback.print_exc()
            is_import, text = isinstance(error, ImportError), " ".join(str(error).split())[:_WORDS]
            text = text if is_import else f"{type(error).__name__}: {text}"
            head, content = {"error": text, "is_import": is_import}, b""
        _send(channel, head, content, forever)
