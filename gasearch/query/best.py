"""The best networks of a search: of its front by a metric, or the front's best bargains.

A network that breaks one of the search's own constraints is never "best".
"""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.errors import BadInput
from gasearch.objectives.constraints import Limit
from gasearch.query.answers import FrontPoint
from gasearch.query.asked import objectives_of
from gasearch.query.front import front_points
from gasearch.storage.archive import ArchiveReader


def best_points(
    reader: ArchiveReader,
    name: str,
    *,
    by: str | None = None,
    limits: Sequence[Limit] = (),
    knee: bool = False,
    count: int = 1,
) -> list[FrontPoint]:
    """The best members by a metric of the front within limits, asked of all evaluations; or (`knee`) its best bargains.

    What another network within the limits dominates is never named, spreads included, also where it has the best value
    of a metric that is no objective, or one that is tied.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        by: The metric that ranks; see `ranking`.
        limits: That a network must keep, beside the search's own constraints.
        knee: Asks for the best bargains.
        count: The most networks to give.

    Returns:
        At most `count` networks, best first; none if nothing keeps the limits (`nearest_miss` then says why).

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if a metric is unknown or has no better direction, or both `by` and `knee` are given.
    """
    if knee and by is not None:
        raise BadInput(f"the knee weighs all objectives, so it can't be asked by {by!r}: leave one of the two out")
    points = front_points(reader, name, limits, by)
    if knee:
        from gasearch.query.knee import knee_order  # NumPy takes longer to load than all the rest

        objectives = objectives_of(reader.search(name))
        points = [points[place] for place in knee_order([point.metrics for point in points], objectives)]
    return points[:count]
