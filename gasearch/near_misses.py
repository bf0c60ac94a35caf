"""Why nothing answers a question about a search: which limit excludes all, and what comes nearest."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.limits import SPREADS, Limit, total_violation
from gasearch.query import constraints_of
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork
from gasearch.units import format_quantity


def nearest_miss(reader: ArchiveReader, name: str, limits: Sequence[Limit] = ()) -> str:
    """One sentence on why nothing keeps the limits: which one excludes all, and what comes nearest.

    Of a time with its spread, since that counts against the limit.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record = reader.search(name)
    every = [*constraints_of(record), *limits]
    measured = [network for network in reader.networks(record.id) if network.metrics]
    if not measured:
        return f"search {name!r} has no measured network yet; see: gasearch status {name}"
    for limit in every:
        misses = [(total_violation([limit], n.metrics), n) for n in measured if limit.metric in n.metrics]
        if not misses:
            return f"no network of search {name!r} has a measured {limit.metric}"
        violation, nearest = min(misses, key=lambda pair: (pair[0], pair[1].number))
        if violation > 0:
            return f"no network of search {name!r} has {limit}; the nearest has {_miss(nearest, [limit])}"
    complete = [n for n in measured if all(limit.metric in n.metrics for limit in every)]
    if not every or not complete:
        return f"search {name!r} has no network that answers the question"
    nearest = min(complete, key=lambda n: (total_violation(every, n.metrics), n.number))
    broken = [limit for limit in every if not limit.is_kept_by(nearest.metrics)]
    together = " and ".join(map(str, every))
    return f"no network of search {name!r} has {together} together; the nearest has {_miss(nearest, broken)}"


def _miss(network: EvaluatedNetwork, limits: Sequence[Limit]) -> str:
    return f"{', '.join(_judged_text(network, limit) for limit in limits)} ({network.key})"


def _judged_text(network: EvaluatedNetwork, limit: Limit) -> str:
    """What was put against the limit: "latency_ms 2.1 ms + 0.05 ms of spread"."""
    text = f"{limit.metric} {format_quantity(network.metrics[limit.metric], limit.metric)}"
    spread = SPREADS.get(limit.metric)
    if spread is None or not network.metrics.get(spread):
        return text
    sign = "+" if limit.is_upper else "-"
    return f"{text} {sign} {format_quantity(network.metrics[spread], spread)} of spread"
