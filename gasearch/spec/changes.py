"""The differences between two specs, and whether a search that goes on may take them over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from gasearch.errors import SpecError
from gasearch.spec import explain
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec

#: The sections that may change while a search goes on: what it may spend, and where it runs.
FREE: Final = ("budget", "workers")
#: And the time that one measurement may take.
FREE_KEYS: Final = frozenset({("measure", "timeout_s")})
_SHOWN_CHARACTERS: Final = 60
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key with another value."""

    path: explain.Path
    before: Any  #: As JSON holds it; `_MISSING` for a key that only the other spec has.
    after: Any

    @property
    def key(self) -> str:
        """The key as `--set` takes it."""
        return explain.path_text(self.path)

    @property
    def is_free(self) -> bool:
        """True if a search may go on with it."""
        return self.path[0] in FREE or self.path in FREE_KEYS

    @property
    def override(self) -> str:
        """The option that makes the change on the command line."""
        return f"--set {self.key}={json.dumps(self.after)}"

    def __str__(self) -> str:
        """For example "recipe.epochs: 3 -> 5"; of long lists that begin alike, the first item that differs."""
        before, after = _shown(self.before), _shown(self.after)
        if before == after and isinstance(self.before, list) and isinstance(self.after, list):
            for number, (old, new) in enumerate(zip_longest(self.before, self.after, fillvalue=_MISSING)):
                if not _is_same(old, new):
                    return str(Change(path=(*self.path, number), before=old, after=new))
        return f"{self.key}: {before} -> {after}"


def changes(before: SearchSpec, after: SearchSpec) -> list[Change]:
    """The differences in the order of the spec; a list that differs counts as one key.

    1, 1.0, true and "1" differ: choices that are equal to Python make other networks. The order of a mapping's keys is
    no difference here, see `in_order_of`.
    """
    old, new = (dict(_leaves(spec.model_dump(mode="json"))) for spec in (before, after))
    return [
        Change(path=path, before=old.get(path, _MISSING), after=new.get(path, _MISSING))
        for path in dict.fromkeys([*old, *new])
        if not _is_same(old.get(path, _MISSING), new.get(path, _MISSING))
    ]


def as_lines(found: Sequence[Change]) -> str:
    """The changes as the lines below a sentence."""
    return "".join(f"\n  {change}" for change in found)


def changed(stored: SearchSpec, source: Path | str | Mapping[str, Any] | None, overrides: Sequence[str]) -> SearchSpec:
    """The spec that a resume is given: a file's or a mapping's, else the stored one, with overrides.

    The name is the stored one's, as the search was asked for by it, unless an override says otherwise. Decisions,
    objectives and other mappings with the stored keys have the stored order.

    Args:
        stored: The spec that the search began with.
        source: A file or a mapping that takes its place.
        overrides: "key.path=value" each.

    Raises:
        SpecError: if it can't be used.
    """
    if source is None:
        if not overrides:
            return stored
        return in_order_of(stored, load_spec(stored.model_dump(mode="json"), overrides))
    return in_order_of(stored, load_spec(source, [f"name={json.dumps(stored.name)}", *overrides]))


def in_order_of(stored: SearchSpec, given: SearchSpec) -> SearchSpec:
    """The given spec, its mappings in the stored order: genes, objectives and generations are stored by position.

    A file that was written anew may have another order, and means the same.
    """
    content = given.model_dump(mode="json")
    ordered = _in_order_of(stored.model_dump(mode="json"), content)
    if json.dumps(ordered) == json.dumps(content):
        return given
    try:
        return SearchSpec.from_json(json.dumps(ordered))
    except SpecError:  # conditions that differ, too, and don't allow that order: `changes` names them
        return given


def _in_order_of(stored: Any, given: Any) -> Any:
    if isinstance(stored, dict) and isinstance(given, dict):
        order = stored if stored.keys() == given.keys() else given
        return {key: _in_order_of(stored.get(key), given[key]) for key in order}
    if isinstance(stored, list) and isinstance(given, list) and len(stored) == len(given):
        return list(map(_in_order_of, stored, given))
    return given


def _is_same(one: Any, other: Any) -> bool:
    """True if two values are the same JSON; the order of keys doesn't matter."""
    if one is _MISSING or other is _MISSING:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _leaves(content: Mapping[str, Any], path: explain.Path = ()) -> Iterator[tuple[explain.Path, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _shown(value: Any) -> str:
    text = "(none)" if value is _MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
