"""Frozen values to JSON and back, each checked against its field's type: what comes back can't be anything else.

No pickle: an evaluator shares its process with what answers the host, and unpickling its bytes would run its code here.
Bytes travel beside the JSON, in one attachment.
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import sys
import types
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Decoder = Callable[[Any, memoryview], Any]
_KIND = "is"  #: The key of an object that names its class.
ALIGNED = 64  #: Bytes at whose multiples arrays begin.


class CodecError(ValueError):
    """A text that holds no value of the wanted type."""


def encode(value: object) -> tuple[bytes, bytes]:
    """A value of dataclasses, tuples, frozen sets, enumerations, bytes and plain values: its JSON, its attachment."""
    text, pieces = encode_in_pieces(value)
    return text, b"".join(pieces)


def encode_in_pieces(value: object) -> tuple[bytes, list[Any]]:
    """The same with arrays of NumPy: its JSON, and the pieces of its attachment, in which each array is aligned."""
    pieces: list[Any] = []
    size = 0

    def attach(piece: Any, *, aligned: int = 1) -> int:
        nonlocal size
        start = size + -size % aligned
        pieces.extend((bytes(start - size), piece))
        size = start + len(piece)
        return start

    def plain(item: object) -> object:
        if isinstance(item, bytes):
            return [attach(item), len(item)]
        if isinstance(item, frozenset):
            return sorted(item)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            fields = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
            return {_KIND: type(item).__name__, **fields}
        if isinstance(item, numbers.Integral):  # of NumPy
            return int(item)
        if isinstance(item, numbers.Real):
            return float(item)
        if (numpy := sys.modules.get("numpy")) and isinstance(item, numpy.ndarray):
            content = numpy.ascontiguousarray(item).reshape(-1).view(numpy.uint8).data
            return [attach(content, aligned=ALIGNED), item.dtype.str, item.shape]
        raise TypeError(f"no {type(item).__name__} can be sent")

    return _DUMPS(value, default=plain, separators=(",", ":")).encode(), pieces


def decode(wanted: Any, text: bytes, attachment: bytes | memoryview = b"") -> Any:
    """The value that `encode` made the text and the attachment of.

    Args:
        wanted: Its type.
        text: JSON.
        attachment: The bytes beside it; arrays are views of them.

    Raises:
        CodecError: if they hold none of that type, saying what was expected and what came.
    """
    try:
        content = _LOADS(text)
        value = decoder(wanted)(content, memoryview(attachment))
    except CodecError:
        raise
    except (ValueError, TypeError, RecursionError) as error:  # no JSON, or values that the class itself refuses
        raise CodecError(" ".join(str(error).split())) from error
    return value


_DUMPS, _LOADS = json.dumps, json.loads  # as they are before an evaluator can put others in their place


@cache
def decoder(wanted: Any) -> Decoder:
    """A function that makes a value of that type of JSON's plain values.

    Raises:
        TypeError: if values of that type can't be sent.
    """
    origin, arguments = get_origin(wanted), get_args(wanted)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _dataclass_decoder(wanted)
    if origin in (Union, types.UnionType):
        return _union_decoder(wanted, arguments)
    if origin is Literal:
        return _checked(lambda value: any(value == one and type(value) is type(one) for one in arguments), wanted)
    if origin is tuple:
        return _tuple_decoder(wanted, arguments)
    if origin is frozenset:
        items = _tuple_decoder(wanted, (arguments[0], ...))
        return lambda value, attachment: frozenset(items(value, attachment))
    if origin is not None and origin is getattr(sys.modules.get("numpy"), "ndarray", None):
        return _array
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return lambda value, attachment: wanted(value)
    if wanted in (int, str, bool, types.NoneType):
        return _checked(lambda value: type(value) is wanted, wanted)
    if wanted is float:
        return _checked(lambda value: type(value) in (int, float), wanted)
    if wanted is bytes:
        return _bytes
    raise TypeError(f"no {wanted} can be sent")


def _checked(is_one: Callable[[Any], bool], wanted: Any) -> Decoder:
    def decode_plain(value: Any, attachment: memoryview) -> Any:
        if not is_one(value):
            raise _unlike(wanted, value)
        return value

    return decode_plain


def _bytes(value: Any, attachment: memoryview) -> bytes:
    match value:
        case [int(start), int(size)] if start >= 0 and 0 <= size <= len(attachment) - start:
            return bytes(attachment[start : start + size])
    raise _unlike(bytes, value)


def _array(value: Any, attachment: memoryview) -> Any:
    match value:
        case [int(start), str(dtype), [*shape]]:
            numpy: Any = sys.modules["numpy"]
            items = numpy.frombuffer(attachment, dtype=dtype, count=math.prod(shape), offset=start)
            return items.reshape(shape)
    raise _unlike("an array", value)


def _tuple_decoder(wanted: Any, arguments: tuple[Any, ...]) -> Decoder:
    is_open = arguments[1:] == (Ellipsis,)
    items = [decoder(argument) for argument in arguments if argument is not Ellipsis]

    def decode_items(value: Any, attachment: memoryview) -> Any:
        if not isinstance(value, list) or not (is_open or len(value) == len(items)):
            raise _unlike(wanted, value)
        each = items * len(value) if is_open else items
        return tuple([one(part, attachment) for one, part in zip(each, value, strict=True)])

    return decode_items


def _union_decoder(wanted: Any, arguments: tuple[Any, ...]) -> Decoder:
    """Of several classes the one that is named; of plain types the first that fits."""
    classes: dict[str, Decoder] = {}
    others: list[Decoder] = []
    for argument in arguments:
        if isinstance(argument, type) and dataclasses.is_dataclass(argument):
            classes[argument.__name__] = decoder(argument)
        else:
            others.append(decoder(argument))

    def decode_one(value: Any, attachment: memoryview) -> Any:
        if isinstance(value, dict):
            name = value.get(_KIND)
            if not isinstance(name, str) or name not in classes:
                raise _unlike(wanted, value)
            return classes[name](value, attachment)
        for other in others:
            try:
                return other(value, attachment)
            except CodecError:
                continue
        raise _unlike(wanted, value)

    return decode_one


def _dataclass_decoder(wanted: Any) -> Decoder:
    hints = get_type_hints(wanted)
    decoders = {field.name: decoder(hints[field.name]) for field in dataclasses.fields(wanted)}
    names = {_KIND, *decoders}

    def decode_fields(value: Any, attachment: memoryview) -> Any:
        if not isinstance(value, dict) or value.get(_KIND) != wanted.__name__ or set(value) != names:
            raise _unlike(wanted, value)
        return wanted(**{name: one(value[name], attachment) for name, one in decoders.items()})

    return decode_fields


def _unlike(wanted: Any, value: object) -> CodecError:
    name = wanted.__name__ if isinstance(wanted, type) else str(wanted)
    return CodecError(f"expected {name}; got {repr(value)[:80]}")
