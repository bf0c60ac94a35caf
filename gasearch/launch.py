"""Start a search, or go on with one: workers up, lease taken, the loop run, and a state left that says how it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from threadpoolctl import threadpool_limits

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.dispatch.in_process import InProcess
from gasearch.endings import EXHAUSTED
from gasearch.errors import BadInput, GasearchError, Interrupted, LeaseLost, SpecError, UnknownSearch, WrongState
from gasearch.ownership import LEASE_S, StopSignal, kept_alive, signals_stop
from gasearch.pareto import Scaling
from gasearch.progress import Observer
from gasearch.search import SearchLoop
from gasearch.settings import cache_folder, database_patience_s
from gasearch.setup import Setup, extended, require_same_data, set_up, with_workers
from gasearch.space.encode import encode_network
from gasearch.space.genome import Genome, make_genome
from gasearch.spec.model import SearchSpec, WorkersSpec
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.owner import being_run, current_owner, is_gone
from gasearch.storage.records import (
    EventRecord,
    Lease,
    SearchRecord,
    SearchState,
)
from gasearch.storage.sql import open_archive, open_reader
from gasearch.teaching import taught
from workers.messages import network_from_json


def launch(spec: SearchSpec, *, db_url: str, observer: Observer, workers: int | None = None) -> SearchRecord:
    """Run a new search to its end.

    Raises:
        BadInput: before any work, if the spec, its data or the name can't be used.
        WorkersUnavailable: if the workers don't start; then nothing was stored.
        Interrupted: if the user stopped it; it can be resumed.
        GasearchError: whatever else ends it early.
    """
    setup = set_up(with_workers(spec, workers))
    with closing(open_archive(db_url, notice=observer.on_notice)) as archive:
        _require_free_name(archive, spec.name)
        _require_starts(archive, spec)

        def begin() -> Lease:
            return archive.create_search(setup.new_search(), owner=current_owner(), ttl_s=LEASE_S)

        return _drive(archive, setup, begin, observer)


def go_on(
    name: str,
    *,
    db_url: str,
    observer: Observer,
    evaluations: int | None = None,
    hours: float | None = None,
    workers: int | None = None,
) -> SearchRecord:
    """Go on with a search as if it had never been interrupted, or extend a finished one.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        observer: Watches.
        evaluations: The new budget, in all.
        hours: The new wall time, in all.
        workers: How many, this time.

    Raises:
        UnknownSearch: if there is none of that name.
        WrongState: if it is finished and not extended, still runs, or its data changed.
        Interrupted, GasearchError: as `launch`.
    """
    with closing(open_reader(db_url)) as reader:  # only reads: a mistyped URL must not create a database
        record = reader.search(name)
    _require_nobody_runs(record)
    with closing(open_archive(db_url, notice=observer.on_notice)) as archive:
        spec = extended(SearchSpec.from_json(record.spec_json), evaluations=evaluations, hours=hours)
        _require_unfinished(record, spec, told=archive.counts(record.id).told)
        setup = set_up(with_workers(spec, workers))
        require_same_data(record, setup.data)

        def begin() -> Lease:
            lease = archive.claim(name, owner=current_owner(), ttl_s=LEASE_S)
            if spec.to_json() != record.spec_json:
                archive.update_spec(lease, spec_json=spec.to_json())
                archive.add_event(lease, EventRecord(kind="extended", message=json.dumps(spec.budget.model_dump())))
            return lease

        return _drive(archive, setup, begin, observer)


def _drive(archive: Archive, setup: Setup, begin: Callable[[], Lease], observer: Observer) -> SearchRecord:
    """Start workers, become the owner, run the loop, and leave the search in a state that says how it ended."""
    name = setup.spec.name
    setup = taught(setup, device=_own_device(setup.spec.workers), notice=observer.on_notice)
    stop = StopSignal()
    archive.be_patient(database_patience_s(), notice=observer.on_notice, is_over=lambda: stop.is_requested)
    with closing(_dispatcher(setup, observer)) as dispatcher, signals_stop(stop, observer.on_notice):
        lease = begin()
        # A surrogate's matrices are small: threads of a linear algebra library cost it twelve times the CPU.
        with (
            threadpool_limits(limits=1),
            _released(archive, lease, name),
            kept_alive(archive, lease, stop, slots=dispatcher.slots),
        ):
            record = archive.search(name)
            known = _known(archive, lease, setup)
            verdict = SearchLoop(
                problem=setup.problem,
                budget=setup.budget,
                archive=archive,
                lease=lease,
                engine=setup.engine(known),
                dispatcher=dispatcher,
                observer=observer,
                stop=stop,
                rungs=setup.rungs(),
                scaling=_scaling(record),
                spent_s=record.active_seconds,
                weights_folder=_weights_folder(setup, record),
            ).run()
        archive.release(lease, state=verdict.state, reason=verdict.reason)
    if verdict.state is SearchState.STOPPED:
        told = archive.counts(record.id).told
        raise Interrupted(
            f"{name} stopped ({verdict.reason}) after {told} of {setup.budget.evaluations} evaluations; "
            f"go on with: gasearch resume {name}"
        )
    return archive.search(name)


_START = "start"  #: The kind of the event that keeps what a search began with.


def _known(archive: Archive, lease: Lease, setup: Setup) -> list[Genome]:
    """The networks of earlier searches' fronts that this space has; read once, and kept for a resume."""
    names = setup.spec.start.searches
    if not names:
        return []
    for event in archive.events(lease.search_id):
        if event.kind == _START:
            return [make_genome(genes, setup.space) for genes in json.loads(event.message)]
    found: dict[str, Genome] = {}
    for name in names:
        for network in archive.front(archive.search(name).id):
            genome = encode_network(network_from_json(network.network_json), setup.space)
            if genome is not None and setup.constraints.violation(genome) <= 0:
                found.setdefault(genome.key, genome)
    genes = json.dumps([genome.genes for genome in found.values()])
    archive.add_event(lease, EventRecord(kind=_START, message=genes))
    return list(found.values())


def _scaling(record: SearchRecord) -> Scaling | None:
    """The scaling of the hypervolume, where it is fixed already."""
    if record.reference_ideal is None or record.reference_point is None:
        return None
    return Scaling(ideal=record.reference_ideal, reference=record.reference_point)


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
            archive.release(lease, state=SearchState.STOPPED, reason="interrupted" if is_interrupt else reason)
        if is_interrupt:
            raise Interrupted(
                f"{name} stopped at once; what was in flight runs again; go on with: gasearch resume {name}"
            ) from error
        raise


def _dispatcher(setup: Setup, observer: Observer) -> Dispatcher:
    """Ray workers, or this process where the spec asks for none."""
    workers = setup.spec.workers
    if workers.count == 0 and setup.data is None:
        from workers.custom import CustomEvaluator

        return InProcess(CustomEvaluator())
    if workers.count == 0:
        from workers.evaluate import Evaluator

        assert setup.data is not None
        return InProcess(Evaluator(setup.data, device=_own_device(workers)))
    from gasearch.dispatch.ray_cluster import PoolSize
    from gasearch.dispatch.reviving import RevivingPool

    return RevivingPool(
        size=PoolSize(
            count=None if workers.count == "auto" else workers.count,
            cpus=workers.cpus,
            gpus=None if workers.gpus == "auto" else workers.gpus,
        ),
        data=setup.data,
        measures_latency="latency_ms" in setup.problem.measures,
        address=workers.address,
        notice=observer.on_notice,
    )


def _weights_folder(setup: Setup, record: SearchRecord) -> str | None:
    """Where the search keeps trained weights for the children: a folder of its own; None where none are inherited.

    Other searches never read them, so what a search finds doesn't depend on what ran before it.
    """
    if not setup.problem.recipe.is_inheriting:
        return None
    identity = f"{record.spec_hash}/{record.data_json}/{record.name}/{record.created_at.isoformat()}"
    folder = cache_folder() / "weights" / hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"inherited weights need a folder, and {folder} can't be made: {error.strerror}; name another one by "
            "GASEARCH_CACHE"
        ) from error
    return str(folder)


def _own_device(workers: WorkersSpec) -> str:
    """Where this process trains: on a GPU if the spec wants one, or if there is one and the spec leaves it open."""
    from workers.evaluate import has_gpu

    if workers.gpus == "auto":
        return "cuda" if has_gpu() else "cpu"
    return "cuda" if workers.gpus else "cpu"


def _require_free_name(archive: ArchiveReader, name: str) -> None:
    with suppress(UnknownSearch):
        record = archive.search(name)
        raise WrongState(
            f"there is a search named {name!r} already ({record.state.value}): go on with `gasearch resume {name}`, or "
            f"give this one another name with --set name=OTHER"
        )


def _require_starts(archive: ArchiveReader, spec: SearchSpec) -> None:
    """Refuse earlier searches that aren't there, before any work."""
    for number, name in enumerate(spec.start.searches):
        try:
            archive.search(name)
        except UnknownSearch as error:
            raise SpecError(f"start.searches[{number}]: {error}") from error


def _require_nobody_runs(record: SearchRecord) -> None:
    """Refuse now what the lease would refuse once the workers have started."""
    if record.owner is not None and record.is_owned and not is_gone(record.owner):
        raise WrongState(being_run(record.name, record.owner))


def _require_unfinished(record: SearchRecord, spec: SearchSpec, *, told: int) -> None:
    budget = spec.budget
    if told > budget.evaluations:
        raise BadInput(f"search {record.name!r} has {told} evaluations already; --evaluations is the new budget in all")
    is_told = told >= budget.evaluations
    is_late = budget.hours is not None and record.active_seconds >= 3600 * budget.hours
    if record.state is not SearchState.FINISHED or not (is_told or is_late or spec.to_json() == record.spec_json):
        return
    more = [f"--evaluations {2 * budget.evaluations}"] if is_told else []
    more += [f"--hours {2 * budget.hours:g}"] if is_late and budget.hours is not None else []
    if more:
        advice = f"extend it with: gasearch resume {record.name} {' '.join(more)}"
    elif EXHAUSTED in record.reason:
        advice = "widen the space in a new one"
    else:
        advice = f"begin a new one with its front, by start.searches: [{record.name}]"
    raise WrongState(f"search {record.name!r} is finished: {record.reason}; {advice}")
