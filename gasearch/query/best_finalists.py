"""The best of the finalists: `best` among networks that were trained again from scratch, by the means of that."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.query.asked import objectives_of
from gasearch.query.finals import Finalist, direction_of, finalists, require_known
from gasearch.query.front import require_one_order
from gasearch.query.target import Wish, nearest_order
from gasearch.storage.archive import ArchiveReader


def best_finalists(
    reader: ArchiveReader,
    name: str,
    *,
    by: str | None = None,
    limits: Sequence[Limit] = (),
    knee: bool = False,
    target: Sequence[Wish] = (),
    count: int = 1,
) -> list[Finalist]:
    """The first members of the front of finalists, or (`knee`) its best bargains, or what comes nearest to a target.

    Unasked they are ranked by the validation split: the best by "test_accuracy" has a score of samples that it was
    chosen by. Limits and targets take every metric of a `Finalist`.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        by: The metric that ranks, such as "test_accuracy" or "model_bytes:min"; None: the first objective.
        limits: That a finalist must keep, beside the search's own constraints.
        knee: Asks for the best bargains; see `gasearch.query.knee`.
        target: Asks for the nearest to it; see `gasearch.query.target`.
        count: The most to give.

    Returns:
        At most `count`, best first; none where there is no finalist, or none keeps the limits (`why_none` says which).

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if a metric is unknown or has no better direction, or several of `by`, `knee`, `target` are given.
    """
    require_one_order(by, knee=knee, target=target)
    record, found = reader.search(name), finalists(reader, name, limits, by)
    known = {metric for one in found for metric in one.metrics}
    for wish in target:
        require_known(record, wish.metric, known)
    members = [one for one in found if one.is_on_front]
    metrics = [one.metrics for one in members]
    if knee:
        from gasearch.query.knee import knee_order  # NumPy takes longer to load than all the rest

        members = [members[place] for place in knee_order(metrics, objectives_of(record))]
    if target:
        directions = [(wish.metric, direction_of(record, wish.metric)) for wish in target]
        known_ones = [Objective(metric=metric, is_maximized=more) for metric, more in directions if more is not None]
        members = [members[place] for place in nearest_order(metrics, target, known_ones)]
    return members[:count]


def why_none(reader: ArchiveReader, name: str, limits: Sequence[Limit] = ()) -> str:
    """Why no finalist is on the front after it, and what to do.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        limits: That were asked for.
    """
    record = reader.search(name)
    found, objectives = finalists(reader, name, limits), objectives_of(record)
    if json.loads(record.spec_json).get("space", {}).get("family") == "custom":
        return f"networks of a custom evaluator aren't finalized: gasearch doesn't train those of {name!r} itself"
    if not found:
        return f"no network of {name!r} was finalized yet; do so with: gasearch finalize {name} --top 3"
    if not any(one.seeds for one in found):
        return f"no final training of {name!r} has succeeded; try again with: gasearch finalize {name} --top 3"
    if lacking := unmeasured(found, [goal.metric for goal in objectives]):
        return (
            f"no finalist of {name!r} has {', '.join(lacking)}, by which the search judges: finalize where the search "
            "ran, on the device that its measurements are of"
        )
    return f"none of the {len(found)} finalists of {name!r} keeps the {'limits' if limits else 'constraints'}"


def unmeasured(found: Sequence[Finalist], metrics: Sequence[str]) -> list[str]:
    """Those of some metrics that no finalist has, where any was trained."""
    trained = [one for one in found if one.seeds]
    return [name for name in metrics if trained and not any(name in one.metrics for one in trained)]
