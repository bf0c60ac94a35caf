"""Entities as tags spell them: the schemes in use, told from the tags themselves, and the entities in rows of tags.

Every scheme says of a token whether an entity begins with it, goes on, ends, or is that token alone. So all are read as
one: a tag is its role (B, I, E, S, or O for no entity) and the type of its entity. Where an entity begins and ends is
decided as CoNLL's conlleval does, which also reads sequences that no scheme allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.labels import shown

#: The letters of each scheme, in either case, and their roles. Tags of one type alone may be the letters themselves.
LETTERS: Final = {
    "bio": {"B": "B", "I": "I"},  # IOB2 and IOB1
    "bioes": {"B": "B", "I": "I", "E": "E", "S": "S"},  # IOBES, BIES, IOE
    "bilou": {"B": "B", "I": "I", "L": "E", "U": "S"},  # BIOLU
    "bmes": {"B": "B", "M": "I", "E": "E", "S": "S"},
    "bmewo": {"B": "B", "M": "I", "E": "E", "W": "S"},
}
TYPES: Final = "types"  #: The scheme without roles: a tag is the type of its token, a run of it an entity.
OUTSIDE: Final = ("O", "o")  #: Tags of tokens that belong to no entity.
UNTYPED: Final = "entity"  #: The type of entities whose tags name none.

#: The letter of a tag and the type of its entity: before the type, or behind it.
_PREFIX = re.compile(r"(?P<role>[A-Za-z])[-_:./|](?P<kind>.+)")
_SUFFIX = re.compile(r"(?P<kind>.+)[-_:./|](?P<role>[A-Za-z])")
_NAME = re.compile(r"[^\W\d_][^()*\[\]<>]*")  #: Of a type, as far as it can be told from a bracket or a number.


class Tag(NamedTuple):
    """The meaning of one tag for its token."""

    role: str  #: B (an entity begins), I (goes on), E (ends), S (is this token alone) or O (there is none).
    kind: str  #: The type of the entity; "" where there is none.


NOTHING: Final = Tag("O", "")


class UnknownTags(ValueError):
    """Tags of which it can't be said what entities they spell; the message says which, and what to do."""


def scheme_of(labels: Iterable[str]) -> str:
    """The scheme that these tags are of.

    Raises:
        UnknownTags: if they are of none, or could be of several that read them differently.
    """
    names = sorted(set(labels) - set(OUTSIDE))
    unknown: list[str] = []
    for form in _FORMS:
        parts = [part for name in names if (part := form(name)) is not None]
        if not names or len(parts) < len(names):
            continue
        letters = {role.upper() for role, _ in parts}
        fitting = [scheme for scheme, known in LETTERS.items() if letters <= known.keys()]
        if fitting and (form is not _letters or letters & {"B", "I"}):
            return fitting[0]
        unknown = unknown or sorted(letters)
    came, schemes = shown(list(map(repr, names))), ", ".join(LETTERS)
    if unknown:
        raise UnknownTags(
            f"expected the tags of one scheme, {schemes}; got {came}, whose letters {', '.join(unknown)} belong to "
            "none of them for sure"
        )
    odd = next((name for name in names if _is_odd(name, names)), None)
    if odd is not None:
        raise UnknownTags(
            f"expected the tags of one scheme, {schemes}, such as 'B-person' and 'O', or the names of types; got "
            f"{odd!r} among {came}"
        )
    if not set(OUTSIDE) & set(labels):
        raise UnknownTags(
            f"expected the tag 'O' of the tokens that belong to no entity; the tags are {came}: of which "
            "scheme are they?"
        )
    return TYPES


def read_tags(labels: Sequence[str], scheme: str | None = None) -> tuple[Tag, ...]:
    """The meaning of each tag, in the order given.

    Args:
        labels: Every tag that is used, each once.
        scheme: One of `data.options.SCHEMES`; None: it is told from the tags.

    Raises:
        UnknownTags: naming the first tag that the scheme doesn't have.
    """
    scheme = scheme or scheme_of(labels)
    if scheme == TYPES:
        return tuple(NOTHING if label in OUTSIDE else Tag("I", label) for label in labels)
    roles, names = LETTERS[scheme], [label for label in labels if label not in OUTSIDE]
    for form in _FORMS:
        parts = {name: form(name) for name in names}
        if all(part is not None and part[0].upper() in roles for part in parts.values()):
            tags = {name: Tag(roles[part[0].upper()], part[1]) for name, part in parts.items() if part is not None}
            return tuple(tags.get(label, NOTHING) for label in labels)
    known = [name for name in names if (part := _prefixes(name) or _letters(name)) and part[0].upper() in roles]
    wrong = next((name for name in names if name not in known), names[0])
    raise UnknownTags(f"expected tags of the scheme {scheme!r}, with the letters {', '.join(roles)}; got {wrong!r}")


def sort_tags(labels: Iterable[str], scheme: str) -> tuple[str, ...]:
    """Different tags of a scheme other than `TYPES`, in an order that is the same however the same tags are spelt."""
    different = tuple(set(labels))
    spelt = dict(zip(different, read_tags(different, scheme), strict=True))
    return tuple(sorted(different, key=lambda label: ("-".join(spelt[label]).rstrip("-"), label)))


def entities(tags: NDArray[Any], parts: Sequence[Tag]) -> set[tuple[int, int, int]]:
    """Every entity as (place of its first token, of its last one, number of its type); places count over all rows.

    Args:
        tags: (count, length), indices of `parts`; what is none of them is no entity.
        parts: What the tags say; types are numbered as `types_of` orders them.
    """
    types = types_of(parts)
    tags = np.where((tags >= 0) & (tags < len(parts)), tags, len(parts))
    prefixes = np.array([part.role for part in parts] + ["O"])[tags]  # (count, length) of one letter each
    kinds = np.array([types.index(part.kind) if part.kind else -1 for part in parts] + [-1])[tags]
    # A column of "O" at both ends keeps the rows apart.
    prefixes = np.pad(prefixes, ((0, 0), (1, 1)), constant_values="O").reshape(-1)
    kinds = np.pad(kinds, ((0, 0), (1, 1)), constant_values=-1).reshape(-1)
    before, here = prefixes[:-1], prefixes[1:]
    is_cut = np.isin(before, ("O", "E", "S")) | np.isin(here, ("B", "S", "O")) | (kinds[:-1] != kinds[1:])
    firsts = np.flatnonzero(is_cut & (here != "O")) + 1
    lasts = np.flatnonzero(is_cut & (before != "O"))
    return set(zip(firsts.tolist(), lasts.tolist(), kinds[firsts].tolist(), strict=True))


def types_of(parts: Iterable[Tag]) -> tuple[str, ...]:
    """The types of entities, by alphabet."""
    return tuple(sorted({part.kind for part in parts if part.kind}))


def _letters(tag: str) -> tuple[str, str] | None:
    return (tag, UNTYPED) if len(tag) == 1 and _is_role(tag) else None


def _prefixes(tag: str) -> tuple[str, str] | None:
    return (found["role"], found["kind"]) if (found := _PREFIX.fullmatch(tag)) else None


def _suffixes(tag: str) -> tuple[str, str] | None:
    return (found["role"], found["kind"]) if (found := _SUFFIX.fullmatch(tag)) else None


def _is_role(letter: str) -> bool:
    return any(letter.upper() in known for known in LETTERS.values())


def _is_odd(name: str, names: Sequence[str]) -> bool:
    """Tell whether what should be a type is a number, a bracket, or a tag of a scheme, or of another spelling."""
    has_role = any(part and _is_role(part[0]) for part in (form(name) for form in _FORMS))
    return has_role or not _NAME.fullmatch(name) or _is_compound(names)


def _is_compound(names: Sequence[str]) -> bool:
    """Tell whether each name is one of a few words and a type that others of these words come with too: BEG-x, IN-x."""
    parts = [re.split(r"[-_:./|]", name, maxsplit=1) for name in names]
    if any(len(part) != 2 for part in parts):
        return False
    for place in (0, 1):
        words: dict[str, set[str]] = {}
        for part in parts:
            words.setdefault(part[1 - place], set()).add(part[place])
        if all(len(found) > 1 for found in words.values()) and len({part[place] for part in parts}) <= 5:
            return True
    return False


#: How a tag may be written: as a letter alone, or with a type behind or before it.
_FORMS: Final = (_letters, _prefixes, _suffixes)
