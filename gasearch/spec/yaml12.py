"""YAML by the rules of 1.2 (core schema), as plain values: no aliases, tags, directives, merge or duplicate keys.

ruamel.yaml finds the tokens; what they mean is decided here, so that `NO` stays a text, `1e-3` is a number and no date,
reference or object can come out of a file. Size and depth are bounded while reading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

MAX_DEPTH: Final = 32
MAX_NODES: Final = 10_000

#: The plain scalars of the core schema and their values; all else is a text.
_SCALARS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...]] = (
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text[0] in "tT"),
    (re.compile(r"[-+]?\d{1,300}"), int),
    (re.compile(r"0o[0-7]{1,99}|0x[0-9a-fA-F]{1,99}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: -math.inf if text[0] == "-" else math.inf),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: math.nan),
)

Path = tuple[str | int, ...]


class SyntaxProblem(ValueError):
    """A text that is no usable YAML."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line  #: 1 for the first.


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The content of a text."""

    content: Any  #: None, bool, int, float, str, list or dict with str keys.
    lines: dict[Path, int]  #: Line of each key and item, 1 for the first.


def parse_yaml(text: str) -> Document:
    """The one document of a YAML text; an empty text holds None.

    Raises:
        SyntaxProblem: with the line, for anything else than plain YAML 1.2 within the bounds.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    reader = _Reader(iter(YAML(typ="safe", pure=True).parse(text)))
    try:
        return reader.read()
    except YAMLError as error:
        is_marked = isinstance(error, MarkedYAMLError)
        text = (error.problem or error.context) if is_marked else str(error)
        mark = (error.problem_mark or error.context_mark) if is_marked else None
        one_line = " ".join((text or "this is no YAML").split())
        raise SyntaxProblem(one_line, mark.line + 1 if mark else 1) from error


class _Reader:
    """Builds values from ruamel's events, refusing whatever a spec has no use for."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._nodes = 0
        self._lines: dict[Path, int] = {}

    def read(self) -> Document:
        content, documents = None, 0
        for event in self._events:
            match type(event).__name__:
                case "DocumentStartEvent":
                    documents += 1
                    if documents > 1:
                        raise self._problem(event, "a spec is one document; a second one starts here")
                    if event.version or event.tags:
                        raise self._problem(event, "directives (%YAML, %TAG) are not used in a spec")
                case "StreamStartEvent" | "StreamEndEvent" | "DocumentEndEvent":
                    pass
                case _:
                    content = self._value(event, ())
        return Document(content=content, lines=self._lines)

    def _value(self, event: Any, path: Path) -> Any:
        self._require_plain(event, path)
        match type(event).__name__:
            case "ScalarEvent":
                text = event.value
                plain = _SCALARS if event.style is None else ()
                return next((value_of(text) for pattern, value_of in plain if pattern.fullmatch(text)), text)
            case "SequenceStartEvent":
                return self._sequence(path)
            case _:
                return self._mapping(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            place = (*path, len(items))
            self._lines[place] = event.start_mark.line + 1
            items.append(self._value(event, place))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._key(event, path)
            if key in content:
                raise self._problem(event, f"the key {key!r} stands here a second time")
            place = (*path, key)
            self._lines[place] = event.start_mark.line + 1
            content[key] = None  # seen, even while its value is read
            content[key] = self._value(next(self._events), place)
        return content

    def _key(self, event: Any, path: Path) -> str:
        self._require_plain(event, path)
        if type(event).__name__ != "ScalarEvent":
            raise self._problem(event, "a key is a text, not a list or a mapping")
        if event.style is None and event.value == "<<":
            raise self._problem(event, "merge keys (<<) are not part of YAML 1.2")
        return str(event.value)

    def _require_plain(self, event: Any, path: Path) -> None:
        if type(event).__name__ == "AliasEvent" or event.anchor is not None:
            raise self._problem(event, "anchors and aliases (&, *) are not used in a spec; quote a text that begins so")
        if event.ctag is not None:
            raise self._problem(event, "tags (!) are not used in a spec; quote a text that begins so")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._problem(event, f"a spec holds at most {MAX_NODES:,} keys and values")
        if len(path) >= MAX_DEPTH:
            raise self._problem(event, f"a spec is nested at most {MAX_DEPTH} deep")

    def _problem(self, event: Any, text: str) -> SyntaxProblem:
        return SyntaxProblem(text, event.start_mark.line + 1)
