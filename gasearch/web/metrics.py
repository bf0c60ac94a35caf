"""The service's figures for Prometheus: requests by route, and how far the searches are."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.types import Scope

from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import SearchStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts requests. The values of its labels are bounded: a route's pattern, never a path that somebody sent."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "gasearch_http_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "gasearch_http_request_seconds", "From the request to the end of its answer.", ["route"],
            buckets=_BUCKETS_S, registry=self._registry,
        )  # fmt: skip

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            scope: Of the request.
            status: Of the answer.
            seconds: From the request to the end of the answer.
        """
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, reader: ArchiveReader) -> bytes:
        """All figures, those of the database as it is now, in the text format of Prometheus."""
        of_database = CollectorRegistry()
        of_database.register(_Searches(reader))
        return generate_latest(self._registry) + generate_latest(of_database)


class _Searches(Collector):
    """Searches and their evaluations by the search's state: sums that the reader remembers, not rows."""

    def __init__(self, reader: ArchiveReader) -> None:
        self._reader = reader

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: registering must not ask the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures as they are now."""
        searches, evaluations, failures = Tally[str](), Tally[str](), Tally[str]()
        for record in self._reader.searches():
            counts = self._reader.counts(record.id)
            searches[record.state] += 1
            evaluations[record.state] += counts.completed
            failures[record.state] += sum(counts.failures.values())
        for name, text, found in (
            ("gasearch_searches", "Searches.", searches),
            ("gasearch_evaluations", "Evaluations with a final outcome.", evaluations),
            ("gasearch_failed_evaluations", "Those of them that failed.", failures),
        ):
            family = GaugeMetricFamily(name, text, labels=["state"])
            for state in SearchStatus:
                family.add_metric([str(state)], found[state])
            yield family
