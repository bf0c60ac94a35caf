"""The question that a search was asked: its objectives and constraints, and the limits that a question adds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal

from gasearch.objectives.constraints import Limit, parse_limit
from gasearch.objectives.fitness import Objective
from gasearch.storage.records import SearchRecord


def objectives_of(record: SearchRecord) -> list[Objective]:
    """The search's objectives, in the spec's order."""
    return [Objective(metric=metric, is_maximized=is_maximized) for metric, is_maximized in record.objectives]


def directions_of(record: SearchRecord) -> dict[str, Literal["max", "min"]]:
    """Which values of each objective are better, in the spec's order."""
    return {metric: "max" if is_maximized else "min" for metric, is_maximized in record.objectives}


def constraints_of(record: SearchRecord) -> list[Limit]:
    """The limits that the search's own spec sets."""
    return parse_limits(json.loads(record.spec_json).get("constraints") or ())


def parse_limits(texts: Iterable[str]) -> list[Limit]:
    """The limits that `--where` gives.

    Raises:
        SpecError: at the first text that is no limit.
    """
    return [parse_limit(text) for text in texts]
