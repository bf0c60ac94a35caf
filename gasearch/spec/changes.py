"""What differs between two specs, and whether a search that goes on may take it over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gasearch.spec import explain
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec

#: The sections that may change while a search goes on: what it may spend, and where it runs.
FREE: Final = ("budget", "workers")
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
        """Whether a search may go on with it."""
        return self.path[0] in FREE

    @property
    def override(self) -> str:
        """What makes the change on the command line."""
        return f"--set {self.key}={json.dumps(self.after)}"

    def __str__(self) -> str:
        """For example "recipe.epochs: 3 -> 5"."""
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


def changes(before: SearchSpec, after: SearchSpec) -> list[Change]:
    """What differs, in the order of the spec; a list that differs counts as one key."""
    old, new = (dict(_leaves(spec.model_dump(mode="json"))) for spec in (before, after))
    return [
        Change(path=path, before=old.get(path, _MISSING), after=new.get(path, _MISSING))
        for path in dict.fromkeys([*old, *new])
        if old.get(path, _MISSING) != new.get(path, _MISSING)
    ]


def as_lines(found: Sequence[Change]) -> str:
    """The changes as the lines below a sentence."""
    return "".join(f"\n  {change}" for change in found)


def changed(stored: SearchSpec, source: Path | str | Mapping[str, Any] | None, overrides: Sequence[str]) -> SearchSpec:
    """The spec that a resume is given: a file's or a mapping's, else the stored one, with overrides.

    The name is the stored one's, as the search was asked for by it, unless an override says otherwise.

    Raises:
        SpecError: if it can't be used.
    """
    if source is None:
        return load_spec(stored.model_dump(mode="json"), overrides) if overrides else stored
    return load_spec(source, [f"name={json.dumps(stored.name)}", *overrides])


def _leaves(content: Mapping[str, Any], path: explain.Path = ()) -> Iterator[tuple[explain.Path, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _shown(value: Any) -> str:
    text = "(none)" if value is _MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
