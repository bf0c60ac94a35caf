"""Why nothing answers a question about a search: which limit excludes all, and what comes nearest."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.objectives.constraints import SPREADS, Limit, total_violation
from gasearch.objectives.units import format_quantity
from gasearch.query.asked import constraints_of
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.measured import Measured, judged_by
from gasearch.storage.records import EvaluatedNetwork


def nearest_miss(reader: ArchiveReader, name: str, limits: Sequence[Limit] = ()) -> str:
    """One sentence on why nothing keeps the limits: which one excludes all, and what comes nearest.

    Of a time with its spread, since that counts against the limit.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        limits: That a network must keep, beside the search's own constraints.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record = reader.search(name)
    every = [*constraints_of(record), *limits]
    measured = Measured.of(reader.outcomes(record.id, judged_by(every)))
    if not len(measured):
        return f"search {name!r} has no measured network yet; see: gasearch status {name}"
    for limit in every:
        having = measured.having([limit.metric])
        if not len(having):
            return f"no network of search {name!r} has a measured {limit.metric}"
        if not len(having.within([limit])):
            nearest = _nearest(reader, record.id, having, [limit])
            return f"no network of search {name!r} has {limit}; the nearest has {_miss(nearest, [limit])}"
    complete = measured.having(limit.metric for limit in every)
    if not every or not len(complete):
        return f"search {name!r} has no network that answers the question"
    nearest = _nearest(reader, record.id, complete, every)
    broken = [limit for limit in every if not limit.is_kept_by(nearest.metrics)]
    together = " and ".join(map(str, every))
    return f"no network of search {name!r} has {together} together; the nearest has {_miss(nearest, broken)}"


def _nearest(reader: ArchiveReader, search_id: int, measured: Measured, limits: Sequence[Limit]) -> EvaluatedNetwork:
    """The network that misses the limits by least."""
    rows = zip(*measured.metrics.values(), strict=True)
    known = [{name: value for name, value in zip(measured.metrics, row, strict=True) if value == value} for row in rows]
    misses = [total_violation(limits, metrics) for metrics in known]
    number = min(zip(misses, measured.numbers.tolist(), strict=True))[1]
    [found] = reader.numbered(search_id, [number])
    return found


def _miss(network: EvaluatedNetwork, limits: Sequence[Limit]) -> str:
    return f"{', '.join(_judged_text(network, limit) for limit in limits)} ({network.key})"


def _judged_text(network: EvaluatedNetwork, limit: Limit) -> str:
    """The value that was put against the limit: "latency_ms 2.1 ms + 0.05 ms of spread"."""
    text = f"{limit.metric} {format_quantity(network.metrics[limit.metric], limit.metric)}"
    spread = SPREADS.get(limit.metric)
    if spread is None or not network.metrics.get(spread):
        return text
    sign = "+" if limit.is_upper else "-"
    return f"{text} {sign} {format_quantity(network.metrics[spread], spread)} of spread"
