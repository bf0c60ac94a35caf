"""Messages between the host of a trial and its process: frames over a pair of sockets that nobody else holds."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from gasearch_workers.messages import EvaluationRequest, EvaluationResult, Prepared
from gasearch_workers.sandbox.codec import decode, encode

_MARK = b"gasearch"
_HEADER = struct.Struct(">8sIQ")  #: The mark, then the sizes of JSON and attachment in bytes.
_CHUNK = 2**18  #: Bytes read at once.
_CHUNKS = 64  #: Read before the host looks at the clock again.

#: Most bytes of an evaluator's answer as JSON. A point of a learning curve takes about 150, and several times that as
#: an object, here and in the controller.
LARGEST_TEXT = 4 * 2**20
LARGEST_OWN_TEXT = 16 * LARGEST_TEXT  #: Of a training of ours, whose number of epochs the spec bounds.
LARGEST_ATTACHMENT = 2**31  #: Bytes of a network's graph, which the format itself ends here.


class ChannelError(Exception):
    """What came over the channel is no message."""


class TooLarge(ChannelError):
    """A message beyond what is taken."""


class Closed(ChannelError):
    """The other side has closed the channel."""


# --- what is said -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """From the host: one evaluation to make."""

    number: int  #: Of the evaluation in this process: its messages carry it.
    request: EvaluationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TryImport:
    """From the host: import an evaluator, before anything is evaluated."""

    evaluator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of that."""

    problem: str  #: Why it can't be; "" where it is.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The process is there, with its data."""

    device: str  #: Where it trains.


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The evaluator is found and imported, the evaluation begins: from now on time counts."""

    number: int
    has_children: bool  #: Processes that the import left.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an evaluation."""

    number: int
    result: EvaluationResult
    prepared: Prepared | None
    has_children: bool  #: Whether processes that it started may still run.
    leftovers: tuple[str, ...] = ()  #: What it left in this process that can't be put back.


Order = Ask | TryImport
Said = Ready | Imported | Begun | Answer


# --- frames -----------------------------------------------------------------------------------------------------


def frame(message: object, *, largest_text: int = 2**32 - 1) -> bytes:
    """A message as bytes.

    Raises:
        TooLarge: if its JSON is more than that.
    """
    text, attachment = encode(message)
    if len(text) > largest_text:
        raise TooLarge(f"its answer takes {len(text):,} bytes; at most {largest_text:,} are taken")
    return b"".join((_HEADER.pack(_MARK, len(text), len(attachment)), text, attachment))


def receive(channel: socket.socket) -> Order:
    """What the host says next; waits for it.

    Raises:
        Closed: if the other side is gone.
        CodecError: if it is no such message.
    """
    _, text, attachment = _HEADER.unpack(_read(channel, _HEADER.size))
    order: Order = decode(Order, _read(channel, text), _read(channel, attachment))
    return order


def _read(channel: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        chunk = channel.recv(min(_CHUNK, size - len(found)))
        if not chunk:
            raise Closed("the channel is closed")
        found += chunk
    return bytes(found)


class Reader:
    """Gathers one message after another from a channel that doesn't block, and holds no more than it may."""

    def __init__(self, channel: socket.socket, *, largest_text: int, largest_attachment: int) -> None:
        self._channel = channel
        self._largest = (largest_text, largest_attachment)
        self._held = bytearray()

    def read(self) -> Said | None:
        """Take in what has come; a message, once it is complete.

        Raises:
            Closed: if the other side is gone, and left no complete message.
            ChannelError: if what came is none, or too large.
            CodecError: if it is no message of those that a trial sends.
        """
        for _ in range(_CHUNKS):
            if (said := self._complete()) is not None:  # two messages may come at once
                return said
            try:
                chunk = self._channel.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError as error:
                raise Closed(f"the channel is closed: {error.strerror}") from error
            if not chunk:
                raise Closed("the channel is closed")
            self._held += chunk
        return None

    def _complete(self) -> Said | None:
        if self._held[: len(_MARK)] != _MARK[: len(self._held)]:
            raise ChannelError(f"{bytes(self._held[:40])!r}")
        if len(self._held) < _HEADER.size:
            return None
        _, *sizes = _HEADER.unpack(self._held[: _HEADER.size])
        for size, largest in zip(sizes, self._largest, strict=True):
            if size > largest:
                raise TooLarge(f"it takes {size:,} bytes; at most {largest:,} are taken")
        text, end = _HEADER.size + sizes[0], _HEADER.size + sum(sizes)
        if len(self._held) < end:
            return None
        held, self._held = self._held, self._held[end:]
        said: Said = decode(Said, bytes(held[_HEADER.size : text]), bytes(held[text:end]))
        return said
