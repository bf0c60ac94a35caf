"""What is wrong with a spec, as sentences: key path, what is allowed, what came, the nearest correct key.

What a field allows is written once, as its `description` in the models; every complaint about the field uses it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

Path = tuple[str | int, ...]
_SHOWN_CHARACTERS = 80
MOST_CHARACTERS = 1000  #: Of a text.


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    path: Path  #: Keys and list positions from the top of the spec; () for the spec as a whole.
    text: str

    def __str__(self) -> str:
        """For example "space.width[2]: must be a whole number from 1 to 8,192; got '8'"."""
        return f"{path_text(self.path)}: {self.text}" if self.path else self.text


def path_text(path: Path) -> str:
    """A key path as people write it: `space.width[2]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def problems_error(problems: Sequence[Problem]) -> PydanticCustomError:
    """Several problems, each with its path below the model, as the one error that a validator may raise."""
    text = "; ".join(map(str, problems)).replace("{", "(").replace("}", ")")  # braces would be fields of a template
    return PydanticCustomError("problems", text, {"problems": tuple(problems)})


def explain(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Every problem of a failed validation of `root`, in the order of the spec, each once."""
    found = [problem for details in error.errors(include_url=False) for problem in _problems_of(details, root)]
    return list(dict.fromkeys(found))


def nearest(word: str, words: Iterable[str]) -> str:
    """'; did you mean "kernel"?' for the closest of the words; "" when none is close."""
    close = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def show(value: object) -> str:
    """A value as it came, cut to a readable length."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            text = f"a mapping with {', '.join(map(str, value))}" if value else "an empty mapping"
        case set() | frozenset():
            text = f"a set, which has no order: {', '.join(sorted(map(show, value))[:20])}"
        case list() | tuple():
            text = f"[{', '.join(map(show, value[:20]))}]" if value else "an empty list"
        case int() if abs(value) >= 10**_SHOWN_CHARACTERS:
            text = "one with more digits than fit here"
        case _:
            text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


# --- one error of Pydantic --------------------------------------------------------------------------------------


def _problems_of(details: ErrorDetails, root: type[BaseModel]) -> Iterator[Problem]:
    place = _Place(root)
    for part in details["loc"]:
        place.enter(part)
    path, value, context = tuple(place.path), details["input"], details.get("ctx", {})
    match details["type"]:
        case "problems":
            for problem in context["problems"]:
                yield Problem(path=(*path, *problem.path), text=problem.text)
        case "missing":
            yield Problem(path=path, text=f"is required: {_allowed(place.field)}")
        case "extra_forbidden":
            yield Problem(path=path, text=_unknown_key(path, place, root))
        case "union_tag_not_found":
            yield Problem(path=(*path, "family"), text=f"is required: one of {', '.join(place.tags())}")
        case "union_tag_invalid":
            text = unknown_word(context["tag"], place.tags())
            yield Problem(path=(*path, "family"), text=text)
        case "too_long" if place.field is not None and _has_most(place.field, context["max_length"]):
            yield Problem(path=path, text=_too_many(path, context["max_length"], value))
        case "string_pattern_mismatch" if isinstance(value, str) and len(value) > MOST_CHARACTERS:
            yield Problem(path=path, text=f"at most {MOST_CHARACTERS:,} characters; got {len(value):,}")
        case "value_error":
            yield Problem(path=path, text=f"{context['error']}; got {show(value)}")
        case _ if value is None:
            alternative = "" if place.field is None or place.field.is_required() else ", or leave the key out"
            yield Problem(path=path, text=f"is empty; give {_allowed(place.field)}{alternative}")
        case _:
            yield Problem(path=path, text=_refusal(value, place))


def _has_most(field: FieldInfo, most: int) -> bool:
    """Whether the field itself bounds its length so; else it is of one length, which its description says."""
    return any(getattr(rule, "max_length", None) == most for rule in field.metadata)


def _too_many(path: Path, most: int, value: object) -> str:
    """For example "at most 64 constraints; got 65"."""
    name = str(path[-1])
    came = f"; got {len(value):,}" if isinstance(value, list | tuple | dict) else ""
    return f"at most {most:,} {name if name.endswith('s') else 'entries'}{came}"


class _Place:
    """Follows the location of an error through the models; a union's tag is in the location but not in the spec."""

    def __init__(self, root: type[BaseModel]) -> None:
        self.path: list[str | int] = []
        self.owner = root  #: The model that holds the newest key.
        self.siblings: list[type[BaseModel]] = []  #: The other models that could stand in its place.
        self.field: FieldInfo | None = None  #: What is known of the newest key.
        self.is_inside = False  #: Whether the newest part is an item of that field, not the field itself.
        self._next: list[type[BaseModel]] = [root]  #: The models that may hold the next key.
        self._is_mapping = False  #: Whether the next part is a free key of a mapping.

    def enter(self, part: str | int) -> None:
        """Go one part down."""
        if len(self._next) > 1:
            self.siblings = [model for model in self._next if part not in _tags_of(model)]
            self._next = [model for model in self._next if part in _tags_of(model)]
            return
        self.path.append(part)
        if self._is_mapping or not self._next:
            self._is_mapping, self.is_inside = False, True
            return
        self.owner = self._next[0]
        known = self.owner.model_fields.get(str(part))
        if known is not None:
            self.field, self.is_inside = known, False
            self._next = list(_models_in(known.annotation))
            self._is_mapping = get_origin(known.annotation) is dict

    def tags(self) -> list[str]:
        """The families among the models that may stand here."""
        return [tag for model in self._next for tag in _tags_of(model)]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models of a field: itself, those of a union, or those that a mapping holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _tags_of(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("family")
    return get_args(field.annotation) if field else ()


def _literals(field: FieldInfo | None) -> list[str]:
    """The words that a field allows, at any depth of its type."""
    found: list[str] = []

    def collect(annotation: Any) -> None:
        if get_origin(annotation) is Literal:
            found.extend(word for word in get_args(annotation) if isinstance(word, str))
        else:
            for argument in get_args(annotation):
                collect(argument)

    collect(field.annotation if field else None)
    return found


def _allowed(field: FieldInfo | None) -> str:
    if field is not None and field.description is None and (words := _literals(field)):
        return _one_of(words)
    return (field.description if field else None) or "a mapping of keys to values"


def _refusal(value: object, place: _Place) -> str:
    """Why a value is not allowed at a place."""
    words = _literals(place.field)
    is_word_wanted = bool(words) and (place.is_inside or (place.field is not None and place.field.description is None))
    if is_word_wanted and isinstance(value, str):
        return unknown_word(value, words)
    if is_word_wanted:
        return f"must be {_one_of(words)}; got {show(value)}"
    return f"must {'fit' if place.is_inside else 'be'} {_allowed(place.field)}; got {show(value)}"


def unknown_word(value: str, words: Sequence[str]) -> str:
    """A sentence about a word that isn't among those that are allowed."""
    return f"must be {_one_of(words)}; got {value!r}{nearest(value, words)}"


def _one_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


# --- unknown keys -----------------------------------------------------------------------------------------------


def _unknown_key(path: Path, place: _Place, root: type[BaseModel]) -> str:
    key, keys = str(path[-1]), list(place.owner.model_fields)
    families = [tag for model in place.siblings if key in model.model_fields for tag in _tags_of(model)]
    if families:
        *others, last = families
        owners = f"families {', '.join(others)} and {last} have" if others else f"family {last} has"
        return f"only {owners} this key; {_tags_of(place.owner)[0]} has {', '.join(keys)}"
    elsewhere = [known for known in _all_paths(root) if known.rpartition(".")[2] == key]
    hint = nearest(key, keys) or (f'; did you mean "{elsewhere[0]}"?' if elsewhere else "")
    return f"unknown key{hint or ';'} {'Known' if hint else 'known'} here: {', '.join(keys)}"


def _all_paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, field in model.model_fields.items():
        yield f"{prefix}{key}"
        if get_origin(field.annotation) is not dict:
            for below in _models_in(field.annotation):
                yield from _all_paths(below, f"{prefix}{key}.")
