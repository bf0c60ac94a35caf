"""Messages between the host of a trial and its process: frames over a pair of sockets that nobody else holds."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from gasearch_workers.messages import EvaluationRequest, EvaluationResult, Prepared
from gasearch_workers.sandbox.codec import decode, encode

_MARK = b"gasearch"
_HEADER = struct.Struct(">8sIQ")  #: The mark, then the sizes of JSON and attachment in bytes.
_CHUNK = 2**18  #: Bytes read at once.
CHANNEL_BROKEN = 76  #: Exit status of a process that can't go on: the evaluation broke what they talk through.

#: Most bytes of an evaluator's answer as JSON. A point of a learning curve takes about 150, and several times that as
#: an object, here and in the controller.
LARGEST_TEXT = 4 * 2**20
LARGEST_OWN_TEXT = 16 * LARGEST_TEXT  #: Of a training of ours, whose number of epochs the spec bounds.
LARGEST_ATTACHMENT = 2**31  #: Bytes of a network's graph, which the format itself ends here.


class ChannelError(Exception):
    """A thing came over the channel that is no message."""


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
    """The outcome of that."""

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
    """The outcome of an evaluation."""

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


def receive(channel: socket.socket, wanted: Any, *, largest: tuple[int, int] = (2**32, 2**64)) -> Any:
    """Wait for the next message, and take all of it, but no more than may be.

    Args:
        channel: It comes over this one, whose time-out is that between two parts of a message.
        wanted: Its type.
        largest: Most bytes of its JSON and of its attachment.

    Raises:
        Closed: if the other side is gone.
        ChannelError: if what came is none, or too large, or ends in its midst.
        CodecError: if it is no message of that type.
    """
    mark, *sizes = _HEADER.unpack(found := _read(channel, _HEADER.size))
    if mark != _MARK:
        raise ChannelError(f"{found!r}")
    for size, most in zip(sizes, largest, strict=True):
        if size > most:
            raise TooLarge(f"it takes {size:,} bytes; at most {most:,} are taken")
    return decode(wanted, _read(channel, sizes[0]), _read(channel, sizes[1]))


def _read(channel: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        try:
            chunk = channel.recv(min(_CHUNK, size - len(found)))
        except TimeoutError:
            raise ChannelError("half a message, and then no more") from None
        except OSError as error:
            raise Closed(f"the channel is closed: {error.strerror}") from error
        if not chunk:
            raise Closed("the channel is closed")
        found += chunk
    return bytes(found)
