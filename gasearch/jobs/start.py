"""Start a search, or go on with one: workers up, lease taken, the loop run, and a state left that says how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gasearch_workers.messages import network_from_json

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.dispatch.in_process import InProcess
from gasearch.errors import GasearchError, Interrupted, LeaseLost, SearchFailed, SpecError, UnknownSearch
from gasearch.jobs.anchors import tuned
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.resume import (
    World,
    compiler_at_start,
    note_changes,
    require_free_name,
    require_nobody_runs,
    require_unfinished,
    spec_to_go_on_with,
)
from gasearch.jobs.search_log import NoticeLog, logged, story_of
from gasearch.jobs.setup import Setup, require_same_data, set_up, with_teacher_outputs, with_workers
from gasearch.jobs.studies import KnownOutcomes, read_study
from gasearch.jobs.weights import make_folder, marked_root, weights_folder
from gasearch.search.budget import EXHAUSTED
from gasearch.search.log import SearchLog
from gasearch.search.loop import SearchLoop, Surroundings
from gasearch.search.ownership import LEASE_S, StopSignal, kept_alive, signals_stop
from gasearch.search.progress import Observer, Several, unheard
from gasearch.settings import database_patience_s
from gasearch.space.encode import encode_network
from gasearch.space.genome import Genome, make_genome
from gasearch.spec.model import SearchSpec
from gasearch.spec.sections import WorkersSpec
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.owner import current_owner
from gasearch.storage.records import (
    EventRecord,
    Lease,
    SearchRecord,
    SearchStatus,
)
from gasearch.storage.sql import open_archive, open_reader, upgrade_if_older


@left_as_found()
def launch(spec: SearchSpec, *, db_url: str, observer: Observer, workers: int | None = None) -> SearchRecord:
    """Run a new search to its end.

    Args:
        spec: Of the search.
        db_url: Where to store it.
        observer: Watches.
        workers: How many; None: as the spec says.

    Raises:
        BadInput: before any work, if the spec, its data or the name can't be used.
        WorkersUnavailable: if the workers don't start; then nothing was stored.
        SearchFailed: if every evaluation failed.
        Interrupted: if the user stopped it; it can be resumed.
        GasearchError: whatever else ends it early.
    """
    observer = Several(observer, NoticeLog())
    setup = set_up(with_workers(spec, workers), observer.on_notice)
    with _opened(spec.name, db_url, observer) as archive:
        require_free_name(archive, spec.name, spec)
        require_starts(archive, spec)
        _read_study(setup)  # what can't be read is refused before anything is stored

        def begin() -> Lease:
            return archive.create_search(setup.new_search(), owner=current_owner(), ttl_s=LEASE_S)

        return _drive(archive, setup, begin, observer)


@left_as_found()
def go_on(
    name: str,
    *,
    db_url: str,
    observer: Observer,
    source: Path | str | Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    evaluations: int | None = None,
    hours: float | None = None,
    workers: int | None = None,
) -> SearchRecord:
    """Go on with a search as if it had never been interrupted, or extend a finished one.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        observer: Watches.
        source: The spec's file or mapping, where it is given again; else the stored spec counts.
        overrides: "key.path=value" each.
        evaluations: The new budget, in all.
        hours: The new wall time, in all.
        workers: How many, this time.

    Raises:
        UnknownSearch: if there is none of that name.
        SpecError: if the spec can't be used, or what it names is missing.
        WrongState: if it is finished and not extended, still runs, or its spec or its data changed.
        SearchFailed, Interrupted, GasearchError: as `launch`.
    """
    observer = Several(observer, NoticeLog())
    upgrade_if_older(db_url, observer.on_notice)
    with closing(open_reader(db_url)) as reader:  # only reads: a mistyped URL must not create a database
        record = reader.search(name)
        counts = reader.counts(record.id)
    require_nobody_runs(record)
    spec, found = spec_to_go_on_with(
        record, source=source, overrides=overrides, evaluations=evaluations, hours=hours, completed=counts.completed
    )
    with _opened(name, db_url, observer) as archive:
        require_unfinished(record, spec, completed=counts.completed, busy_s=counts.busy_seconds)
        compiler = compiler_at_start(archive, record)
        setup = set_up(with_workers(spec, workers), observer.on_notice, compiler)
        require_same_data(record, setup.data)

        def begin() -> Lease:
            lease = archive.claim(name, owner=current_owner(), ttl_s=LEASE_S)
            note_changes(archive, lease, record, spec, found)
            return lease

        return _drive(archive, setup, begin, observer)


@contextmanager
def _opened(name: str, db_url: str, observer: Observer) -> Iterator[Archive]:
    """The store, for the time of a search; what is written of it, and how it breaks off, is logged."""
    with story_of(name), closing(open_archive(db_url, notice=observer.on_notice)) as archive:
        yield logged(archive, name, db_url=db_url)


def _drive(archive: Archive, setup: Setup, begin: Callable[[], Lease], observer: Observer) -> SearchRecord:
    """Start workers, become the owner, run the loop, and leave the search in a state that says how it ended."""
    from threadpoolctl import threadpool_limits  # loading it changes the environment: not before a search is run

    name = setup.spec.name
    if setup.problem.recipe.teacher is not None:  # asking for a device loads torch: seconds that others need not wait
        setup = with_teacher_outputs(setup, device=own_device(setup.spec.workers), notice=observer.on_notice)
    stop = StopSignal()
    archive.be_patient(database_patience_s(), notice=observer.on_notice, is_over=lambda: stop.is_requested)
    is_inheriting = setup.problem.recipe.is_inheriting
    with (
        marked_root() if is_inheriting else nullcontext() as mark,
        closing(make_dispatcher(setup, observer, mark)) as dispatcher,
        signals_stop(stop, observer.on_notice),
    ):
        lease = begin()
        # A surrogate's matrices are small: threads of a linear algebra library cost it twelve times the CPU.
        with (
            threadpool_limits(limits=1),
            _released(archive, lease, name),
            kept_alive(archive, lease, stop, slots=dispatcher.slots),
        ):
            record = archive.search(name)
            world = World(archive, lease, record, observer.on_notice)
            world.note_versions(setup.problem.toolchain)
            world.note_evaluator(setup.evaluator_source)
            world.note_operators(setup.operators_source)
            folder = str(weights_folder(record)) if is_inheriting else None
            if folder is not None:
                world.note_weights(folder)
                make_folder(folder)
            setup = tuned(setup, archive, lease, dispatcher=dispatcher, observer=observer, stop=stop)
            outcomes = _known_outcomes(archive, lease, setup, observer.on_notice)
            known = [*outcomes.genomes, *_known(archive, lease, setup, observer.on_notice)]
            verdict = SearchLoop(
                problem=replace(setup.problem, weights_folder=folder, known=outcomes.metrics),
                budget=setup.budget,
                log=SearchLog(archive, lease),
                engine=setup.engine(known),
                dispatcher=dispatcher,
                surroundings=Surroundings(observer=observer, stop=stop),
            ).run()
        archive.release(lease, state=verdict.state, reason=verdict.reason)
    if verdict.state is SearchStatus.FAILED:
        raise _search_failed(archive, archive.search(name))
    if verdict.state is SearchStatus.STOPPED:
        completed = archive.counts(record.id).completed
        raise Interrupted(
            f"{name} stopped ({verdict.reason}) after {completed} of {setup.budget.evaluations} evaluations; "
            f"go on with: gasearch resume {name}"
        )
    return archive.search(name)


_MOST_FAILURES_READ = 100  #: For the causes that are named.


def _search_failed(archive: ArchiveReader, record: SearchRecord) -> SearchFailed:
    """Of which kinds the failures of a search are, the newest one of each, and what to do."""
    newest = archive.failed(record.id, count=_MOST_FAILURES_READ)
    messages = {str(network.failure): f"{network.key}: {network.failure_message}" for network in reversed(newest)}
    failures = archive.counts(record.id).failures
    causes = [f"\n  {count} {kind}, the newest one of {messages.get(kind, '')}" for kind, count in failures.items()]
    if EXHAUSTED in record.reason:
        advice = "run it under another name, with --set name=OTHER"
    else:
        advice = (
            f"try further networks with: gasearch resume {record.name}, or the same ones under another name, with "
            "--set name=OTHER"
        )
    return SearchFailed(f"{record.name} failed: {record.reason}{''.join(causes)}\nmend the cause, then {advice}")


_START = "start"  #: The kind of the event that keeps what a search began with,
_KNOWN = "known_outcomes"  #: and of that which keeps the outcomes that it knew from elsewhere.


def _known_outcomes(archive: Archive, lease: Lease, setup: Setup, notice: Callable[[str], None]) -> KnownOutcomes:
    """The outcomes that the search knows from a study of Optuna; read once, and kept for a resume."""
    if setup.spec.start.optuna is None:
        return KnownOutcomes()
    for event in archive.events(lease.search_id):
        if event.kind == _KNOWN:
            return KnownOutcomes.from_json(event.message, setup.space)
    outcomes = _read_study(setup, notice)
    archive.add_event(lease, EventRecord(kind=_KNOWN, message=outcomes.to_json()))
    return outcomes


def _read_study(setup: Setup, notice: Callable[[str], None] = unheard) -> KnownOutcomes:
    start = setup.spec.start.optuna
    if start is None:
        return KnownOutcomes()
    most, objectives = setup.budget.evaluations, setup.problem.objectives
    return read_study(start, setup.space, most=most, objectives=objectives, notice=notice)


def _known(archive: Archive, lease: Lease, setup: Setup, notice: Callable[[str], None]) -> list[Genome]:
    """The networks of earlier searches' fronts that this space has; read once, and kept for a resume."""
    names = setup.spec.start.searches
    if not names:
        return []
    for event in archive.events(lease.search_id):
        if event.kind == _START:
            return [make_genome(genes, setup.space) for genes in json.loads(event.message)]
    found: dict[str, Genome] = {}
    for name in names:
        front = list(archive.front(archive.search(name).id))
        encoded = [encode_network(network_from_json(network.network_json), setup.space) for network in front]
        known = [genome for genome in encoded if genome is not None]
        fitting = [genome for genome in known if setup.constraints.violation(genome) <= 0]
        found |= {genome.key: genome for genome in fitting if genome.key not in found}
        if not fitting:
            notice(
                f"start.searches: {name} gives nothing to begin with: of the {len(front)} networks on its front "
                f"{len(front) - len(known)} are not in this space, and {len(known)} break its constraints"
            )
    genes = json.dumps([genome.genes for genome in found.values()])
    archive.add_event(lease, EventRecord(kind=_START, message=genes))
    return list(found.values())


@contextmanager
def _released(archive: Archive, lease: Lease, name: str) -> Iterator[None]:
    """Leave the search resumable, with the reason, whatever goes wrong; a lost lease is somebody else's by now."""
    try:
        yield
    except LeaseLost:
        raise
    except BaseException as error:
        reason = str(error) if isinstance(error, GasearchError) else type(error).__name__
        is_interrupt = isinstance(error, KeyboardInterrupt)
        with suppress(GasearchError):
            archive.release(lease, state=SearchStatus.STOPPED, reason="interrupted" if is_interrupt else reason)
        if is_interrupt:
            raise Interrupted(
                f"{name} stopped at once; what was in flight runs again; go on with: gasearch resume {name}"
            ) from error
        raise


def make_dispatcher(setup: Setup, observer: Observer, mark: str | None) -> Dispatcher:
    """Ray workers, or this process where the spec asks for none.

    Args:
        setup: Of the search.
        observer: Takes what the user should know.
        mark: A file in the folder that all nodes must share; None: they share none.
    """
    workers = setup.spec.workers
    if workers.count == 0 and setup.data is None:
        from gasearch_workers.evaluation.custom import CustomEvaluator

        return InProcess(CustomEvaluator())
    if workers.count == 0:
        from gasearch_workers.evaluation.evaluate import Evaluator

        assert setup.data is not None
        return InProcess(Evaluator(setup.data, device=own_device(workers)))
    from gasearch.dispatch.ray_cluster import PoolSize
    from gasearch.dispatch.reviving import RevivingPool

    return RevivingPool(
        size=PoolSize(
            count=None if workers.count == "auto" else workers.count,
            cpus=workers.cpus,
            gpus=None if workers.gpus == "auto" else workers.gpus,
        ),
        data=setup.data,
        has_meter="latency_ms" in setup.problem.measures or setup.problem.command is not None,
        address=workers.address,
        notice=observer.on_notice,
        environment=workers.environment,
        shares_memory=workers.memory_limit == "auto",
        evaluator=setup.problem.task.evaluator,
        shared_mark=mark,
    )


def own_device(workers: WorkersSpec) -> str:
    """Where this process trains: on a GPU if the spec wants one, or if there is one and the spec leaves it open."""
    from gasearch_workers.evaluation.evaluate import has_gpu

    if workers.gpus == "auto":
        return "cuda" if has_gpu() else "cpu"
    return "cuda" if workers.gpus else "cpu"


def require_starts(archive: ArchiveReader, spec: SearchSpec) -> None:
    """Refuse earlier searches that aren't there, before any work.

    Raises:
        SpecError: naming the first of them.
    """
    for number, name in enumerate(spec.start.searches):
        try:
            archive.search(name)
        except UnknownSearch as error:
            raise SpecError(f"start.searches[{number}]: {error}") from error
