"""The sections on the device that a network is for: what it can compute, and how it measures a network itself."""

from __future__ import annotations

import re
from typing import Annotated

from gasearch_workers.network.operators import FUSED, OPERATORS, SYNONYMS
from pydantic import AfterValidator, BeforeValidator, Field

from gasearch.spec import fields
from gasearch.spec.explain import Problem, nearest, problems_error, show
from gasearch.spec.fields import Section


def _operator(name: object) -> object:
    if name in OPERATORS:
        return name
    word = re.sub(r"[^a-z]", "", name.lower()) if isinstance(name, str) else ""
    if word in FUSED:
        hint = "; it is part of the operator before it: leave it out"
    else:
        hint = f'; did you mean "{SYNONYMS[word]}"?' if word in SYNONYMS else nearest(name, OPERATORS)
    text = f"must be one of {', '.join(OPERATORS)}; got {show(name)}{hint}"
    raise problems_error([Problem(path=(), text=text)])


def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(fields.distinct(names), key=OPERATORS.index))


class TargetSpec(Section):
    """What the device can compute: networks that need more are never proposed."""

    operators: (
        Annotated[
            tuple[Annotated[str, BeforeValidator(_operator)], ...],
            BeforeValidator(fields.as_list),
            AfterValidator(_in_order),
        ]
        | None
    ) = Field(default=None, description=f"a list of {', '.join(OPERATORS)}")  #: None: all.
