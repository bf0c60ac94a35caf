"""A search by the loop that `gasearch run` uses, over workers of a benchmark's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.evolution.engine import Engine
from gasearch.jobs.setup import Setup
from gasearch.search.log import SearchLog
from gasearch.search.loop import SearchLoop, Surroundings
from gasearch.storage.archive import Archive
from gasearch.storage.records import Lease


def make_loop(
    setup: Setup,
    archive: Archive,
    pool: Dispatcher,
    clock: Callable[[], float],
    *,
    engine: Engine | None = None,
    weights_folder: str | None = None,
) -> tuple[SearchLoop, Lease]:
    """A new search in an archive, ready to run; by the setup's own engine unless another one is given."""
    lease = archive.create_search(setup.new_search(), owner="benchmark/0", ttl_s=24 * 3600)
    loop = SearchLoop(
        problem=replace(setup.problem, weights_folder=weights_folder),
        budget=setup.budget,
        log=SearchLog(archive, lease),
        engine=engine or setup.engine(),
        dispatcher=pool,
        surroundings=Surroundings(clock=clock),
    )
    return loop, lease
