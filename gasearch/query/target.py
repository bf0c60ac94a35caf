"""The network that comes nearest to what somebody would like: "accuracy=0.98,model_bytes=4KB".

The distance is Euclid's, each metric's difference divided by its extent over the front (see `gasearch.query.weighing`).
What is better than the target is as good as the target: only what misses it counts. Of networks that reach all of it
the one comes first that exceeds it by least, where either direction counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

from gasearch.errors import BadInput
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import usual_direction
from gasearch.objectives.units import format_quantity, parse_quantity
from gasearch.query.weighing import Scale

DIGITS = 9  #: Of distances that are compared.
#: As the command line has it, or a value for each metric: a number in its native unit, or a text with a unit.
Target = str | Mapping[str, float | str]
_PART = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\S.*?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A value that somebody would like a metric to have."""

    metric: str
    value: float  #: In the metric's native unit.

    def __str__(self) -> str:
        """The wish as people write it."""
        return f"{self.metric}={format_quantity(self.value, self.metric).replace(' ', '')}"


def parse_target(text: str) -> list[Wish]:
    """Read "metric=value unit", with commas between several.

    Raises:
        BadInput: for anything else, or a metric that stands there twice.
        SpecError: for a value that the metric can't have.
    """
    wishes: dict[str, Wish] = {}
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise BadInput(f'a target reads like "accuracy=0.98,model_bytes=4KB"; got {part.strip()!r} in {text!r}')
        metric, value = found.groups()
        if metric in wishes:
            raise BadInput(f"a target names each metric once; {metric} stands twice in {text!r}")
        wishes[metric] = Wish(metric=metric, value=parse_quantity(value, metric=metric))
    return list(wishes.values())


def wishes_of(target: Target) -> list[Wish]:
    """The wishes of a target, as a text or as values.

    Raises:
        BadInput: if it can't be read, or names no metric.
        SpecError: for a value that the metric can't have.
    """
    if isinstance(target, str):
        return parse_target(target)
    if not target:
        raise BadInput('a target names at least one metric, such as {"accuracy": 0.98}; got {}')
    return [Wish(metric=metric, value=parse_quantity(str(value), metric=metric)) for metric, value in target.items()]


def nearest_order(
    metrics: Sequence[Mapping[str, float]], wishes: Sequence[Wish], objectives: Sequence[Objective]
) -> list[int]:
    """The places of a front's members, the nearest to the target first; those without one of its metrics are left out.

    Args:
        metrics: Of each member, in native units.
        wishes: The target.
        objectives: Of the search: their directions stand before the metrics' usual ones.
    """
    places = [place for place, one in enumerate(metrics) if all(wish.metric in one for wish in wishes)]
    is_maximized = {one.metric: one.is_maximized for one in objectives}
    misses: list[list[float]] = [[] for _ in places]
    differences: list[list[float]] = [[] for _ in places]
    for wish in wishes:
        direction = is_maximized.get(wish.metric, usual_direction(wish.metric))
        values = [metrics[place][wish.metric] for place in places]
        scale = Scale.of(values, is_maximized=direction)
        for value, missed, different in zip(values, misses, differences, strict=True):
            by = scale.difference(value, wish.value)
            missed.append(by if direction is None else min(by, 0.0) if direction else max(by, 0.0))
            different.append(by)
    order = [
        (round(hypot(*missed), DIGITS), round(hypot(*different), DIGITS), place)
        for missed, different, place in zip(misses, differences, places, strict=True)
    ]
    return [place for _, _, place in sorted(order)]
