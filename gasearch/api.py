"""gasearch from Python: run a search, and ask a stored one. The package's own names lead here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from gasearch import comparison, lineage, query
from gasearch.failures import Cause, failures
from gasearch.launch import go_on, launch
from gasearch.progress import Observer, Silent
from gasearch.settings import database_url
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork
from gasearch.storage.sql import open_reader

Answer = TypeVar("Answer")


class Search:
    """A stored search, to be asked at any time, also while it runs elsewhere. Every answer is read afresh."""

    def __init__(self, name: str, *, db: str | None = None) -> None:
        """Open it.

        Raises:
            UnknownSearch: if there is none of that name.
        """
        self.name = name
        self._db_url = database_url(db)
        self.status()

    def status(self) -> query.SearchSummary:
        """How far it is."""
        return self._ask(lambda reader: query.search_summary(reader, self.name))

    def front(self, *where: str) -> list[query.FrontPoint]:
        """The Pareto front, within limits such as "latency_ms <= 2"."""
        return self._ask(lambda reader: query.front_points(reader, self.name, query.parse_limits(where)))

    def best(
        self, by: str | None = None, *, where: Sequence[str] | str = (), knee: bool = False
    ) -> query.FrontPoint | None:
        """The best network within the limits; None where they exclude all."""
        limits = query.parse_limits([where] if isinstance(where, str) else where)
        found = self._ask(lambda reader: query.best(reader, self.name, by=by, limits=limits, knee=knee))
        return found[0] if found else None

    def why(self, key: str, *, depth: int = lineage.DEPTH) -> lineage.Explanation:
        """How a network came about, and why it is on the front or not; named by its key or a beginning of it."""
        return self._ask(lambda reader: lineage.why(reader, self.name, key, depth=depth))

    def operators(self) -> list[lineage.OperatorStats]:
        """Which operators paid so far, greatest gain first."""
        return self._ask(lambda reader: lineage.operators(reader, self.name))

    def failures(self) -> list[Cause]:
        """What failed, by cause, the most frequent first, with an example's traceback and last output."""
        return self._ask(lambda reader: failures(reader, self.name, is_full=True))

    def evaluations(self) -> list[EvaluatedNetwork]:
        """Every network with a final outcome, in the order of arrival."""
        return self._ask(lambda reader: list(reader.networks(reader.search(self.name).id)))

    def resume(
        self, *, evaluations: int | None = None, hours: float | None = None, overrides: Sequence[str] = ()
    ) -> Search:
        """Go on, or extend (by "budget.stalled=200" as well); returns when it is finished."""
        go_on(
            self.name,
            db_url=self._db_url,
            observer=Silent(),
            evaluations=evaluations,
            hours=hours,
            overrides=overrides,
        )
        return self

    def _ask(self, question: Callable[[ArchiveReader], Answer]) -> Answer:
        with closing(open_reader(self._db_url)) as reader:
            return question(reader)


def run(
    spec: SearchSpec | Mapping[str, Any] | Path | str,
    *,
    db: str | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
) -> Search:
    """Run a new search to its end: from a path, a mapping with the keys of a spec file, or a `SearchSpec`."""
    loaded = spec if isinstance(spec, SearchSpec) else load_spec(spec)
    launch(loaded, db_url=database_url(db), observer=observer or Silent(), workers=workers)
    return Search(loaded.name, db=db)


def compare(*names: str, db: str | None = None) -> comparison.Comparison:
    """Put the fronts of searches with the same objectives side by side, in one scaling; see `Comparison`.

    Raises:
        UnknownSearch: if there is no search of such a name.
        BadInput: if they can't be compared.
    """
    with closing(open_reader(database_url(db))) as reader:
        return comparison.compare(reader, names)
