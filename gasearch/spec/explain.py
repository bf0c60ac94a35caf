"""The problems of a spec, as sentences: key path, what is allowed, what came, the nearest correct key.

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


def nearest(word: object, words: Iterable[object]) -> str:
    """'; did you mean "kernel"?' for the closest of the words; "" when none is close, or it is no word."""
    known = [other for other in words if isinstance(other, str)]
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6) if isinstance(word, str) else []
    return f'; did you mean "{close[0]}"?' if close else ""


def advised(complaint: str, hint: str, known: str) -> str:
    """A complaint about a word, the nearest one where there is one, and what is known: "... Known here: a, b".

    Args:
        complaint: Without a full stop.
        hint: Of `nearest`.
        known: A sentence that begins small.
    """
    return f"{complaint}{hint} {known[0].upper()}{known[1:]}" if hint else f"{complaint}; {known}"


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
    place = _Place(root, details["loc"])
    path, field, value, context = place.path, place.field, details["input"], details.get("ctx", {})
    tags = [tag for model in place.models for tag in _tags_of(model)]
    match details["type"]:
        case "problems":
            for problem in context["problems"]:
                yield Problem(path=(*path, *problem.path), text=problem.text)
        case "missing":
            yield Problem(path=path, text=f"is required: {_allowed(field)}")
        case "extra_forbidden":
            yield Problem(path=path, text=_unknown_key(path, place, root))
        case "union_tag_not_found":
            yield Problem(path=(*path, "family"), text=f"is required: one of {', '.join(tags)}")
        case "union_tag_invalid":
            yield Problem(path=(*path, "family"), text=unknown_word(context["tag"], tags))
        # the field itself bounds its length so; else it is of one length, which its description says
        case "too_long" if any(getattr(rule, "max_length", 0) == context["max_length"] for rule in _rules(field)):
            yield Problem(path=path, text=_too_many(path, context["max_length"], value))
        case "string_pattern_mismatch" if isinstance(value, str) and len(value) > MOST_CHARACTERS:
            yield Problem(path=path, text=f"at most {MOST_CHARACTERS:,} characters; got {len(value):,}")
        case "value_error":
            yield Problem(path=path, text=f"{context['error']}; got {show(value)}")
        case _ if value is None:
            alternative = "" if field is None or field.is_required() else ", or leave the key out"
            yield Problem(path=path, text=f"is empty; give {_allowed(field)}{alternative}")
        case _:
            yield Problem(path=path, text=_refusal(value, place))


def _rules(field: FieldInfo | None) -> list[Any]:
    return field.metadata if field else []


def _too_many(path: Path, most: int, value: object) -> str:
    """For example "at most 64 constraints; got 65"."""
    name = str(path[-1])
    came = f"; got {len(value):,}" if isinstance(value, list | tuple | dict) else ""
    return f"at most {most:,} {name if name.endswith('s') else 'entries'}{came}"


class _Place:
    """The place of an error: its location, followed through the models."""

    def __init__(self, root: type[BaseModel], location: Sequence[str | int]) -> None:
        self.path: Path = ()
        self.owner = root  #: The model that holds the newest key.
        self.siblings: list[type[BaseModel]] = []  #: The other models that could stand in its place.
        self.field: FieldInfo | None = None  #: Of the newest key that is known.
        self.is_inside = False  #: Whether the newest part is an item of that field, not the field itself.
        self.models: list[type[BaseModel]] = [root]  #: Those that may hold the next key.
        is_mapping = False
        for part in location:  # of a union the tag is in the location, but not in the spec
            if len(self.models) > 1:
                self.siblings = [model for model in self.models if part not in _tags_of(model)]
                self.models = [model for model in self.models if part in _tags_of(model)]
            elif is_mapping or isinstance(part, int):
                self.path, self.is_inside, is_mapping = (*self.path, part), True, False
            elif self.models:
                self.path, self.owner = (*self.path, part), self.models[0]
                if (known := self.owner.model_fields.get(part)) is not None:
                    self.field, self.is_inside, self.models = known, False, _models_in(known)
                    is_mapping = get_origin(known.annotation) is dict


def _parts_of(annotation: Any) -> Iterator[Any]:
    """A type and those that it is made of, at any depth."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from _parts_of(argument)


def _models_in(field: FieldInfo) -> list[type[BaseModel]]:
    """The models of a field: itself, those of a union, or those that a mapping holds."""
    return [part for part in _parts_of(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def _tags_of(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("family")
    return get_args(field.annotation) if field else ()


def _words_of(field: FieldInfo | None) -> list[str]:
    """The words that a field allows, at any depth of its type."""
    literals = (part for part in _parts_of(field.annotation if field else None) if get_origin(part) is Literal)
    return [word for literal in literals for word in get_args(literal) if isinstance(word, str)]


def _allowed(field: FieldInfo | None) -> str:
    if field is not None and field.description is None and (words := _words_of(field)):
        return _one_of(words)
    return (field.description if field else None) or "a mapping of keys to values"


def _refusal(value: object, place: _Place) -> str:
    """The reason why a value is not allowed at a place."""
    words = _words_of(place.field)
    if words and (place.is_inside or (place.field is not None and place.field.description is None)):
        return unknown_word(value, words)
    return f"must {'fit' if place.is_inside else 'be'} {_allowed(place.field)}; got {show(value)}"


def unknown_word(value: object, words: Sequence[str]) -> str:
    """A sentence about a word, or what came instead of one, that isn't among those that are allowed."""
    came = repr(value) if isinstance(value, str) else show(value)
    return f"must be {_one_of(words)}; got {came}{nearest(value, words)}"


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
    return advised("unknown key", hint, f"known here: {', '.join(keys)}")


def _all_paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, field in model.model_fields.items():
        yield f"{prefix}{key}"
        if get_origin(field.annotation) is not dict:
            for below in _models_in(field):
                yield from _all_paths(below, f"{prefix}{key}.")
