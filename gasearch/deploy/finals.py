"""Which of the stored final trainings speak for a network."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.objectives.metrics import usual_direction
from gasearch.storage.records import FinalRecord


def newest_by_key(records: Sequence[FinalRecord]) -> dict[str, list[FinalRecord]]:
    """By network, its trainings by the recipe, epochs among it, that it was finalized by last; by their numbers.

    A recipe by which none has succeeded doesn't count while there is another one.

    Args:
        records: In the order in which they were stored.
    """
    recipes = {one.key: one.recipe_json for one in records}
    recipes |= {one.key: one.recipe_json for one in records if one.failure is None}
    found: dict[str, list[FinalRecord]] = {}
    for one in sorted(records, key=lambda one: one.number):
        if one.recipe_json == recipes[one.key]:
            found.setdefault(one.key, []).append(one)
    return found


def best_of(records: Sequence[FinalRecord], metric: str) -> FinalRecord | None:
    """The training of the best score on the validation split, of equal ones the first; None where none succeeded.

    The test split has no say: its score would no longer be one of samples that nobody chose by.

    Args:
        records: Of one network.
        metric: The primary score of the task.
    """
    sign = -1 if usual_direction(metric) is False else 1
    scored = [one for one in records if one.failure is None and metric in dict(one.metrics)]
    return max(scored, key=lambda one: sign * dict(one.metrics)[metric], default=None)
