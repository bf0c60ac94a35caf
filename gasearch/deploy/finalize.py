"""Chosen networks trained from scratch at full budget with fresh seeds, on the search's own workers, resumable.

Each training reads the test split once, at its end, where it was trained; what it read is stored with the network.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from gasearch_workers.messages import (
    PRIMARY,
    RETRYABLE,
    EvaluationRequest,
    EvaluationResult,
    Failure,
    FailureKind,
    Fidelity,
    Measurement,
    Recipe,
    network_from_json,
)

from gasearch.deploy.stored import layered_setup, measured_network, primary_metric, require_same_search
from gasearch.deploy.trainings import run_trainings
from gasearch.errors import BadInput, TrainingsFailed
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.setup import Setup
from gasearch.search.ownership import StopSignal
from gasearch.search.progress import Observer
from gasearch.search.recipe_trials import best_recipe, recipe_from_text, recipe_text
from gasearch.settings import database_patience_s
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.records import EvaluatedNetwork, FinalRecord, SearchRecord
from gasearch.storage.sql import open_archive, open_reader

MOST_SEEDS = 100
#: What may end differently when it is tried again: a user's measuring command, too, is mended, or finds its device.
_MENDABLE = RETRYABLE | {FailureKind.USER_ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A training that may be made."""

    network: EvaluatedNetwork
    number: int  #: Of its seed.
    recipe: Recipe
    request: EvaluationRequest

    @property
    def identity(self) -> tuple[str, Recipe, int]:
        """What makes it this training."""
        return self.network.key, self.recipe, self.number


@left_as_found()
def finalize(
    name: str,
    keys: Sequence[str],
    *,
    seeds: int = 3,
    epochs: int | None = None,
    is_tuned: bool = False,
    db_url: str,
    observer: Observer,
    workers: int | None = None,
) -> None:
    """Train networks from scratch on all of the training split, each with several fresh seeds, and store what comes.

    What is stored already isn't trained again, so that a call after an interruption goes on. No weights are inherited,
    and none of the trainings is ended as dominated.

    Args:
        name: Of the search.
        keys: Of the networks, or a beginning of each.
        seeds: How many trainings each network gets in all.
        epochs: Of each training; None: those of the recipe.
        is_tuned: Whether each is trained by the best recipe that was tuned for it instead of the search's.
        db_url: Where the search is stored.
        observer: Takes notices.
        workers: How many; None: as the search's spec says; 0: in this process.

    Raises:
        UnknownSearch: if there is no such search or network.
        BadInput: for no key, a network without a measurement, a custom space, data that have changed, no test split, a
            network without a tuned recipe where that is asked for; before any training.
        Interrupted: if the user stopped it; it names the command that goes on.
        TrainingsFailed: if trainings failed for good; the others are stored.
        GasearchError: if too much fails in a row.
    """
    if not keys:
        raise BadInput("there is no network to finalize: name some by their keys")
    if not 1 <= seeds <= MOST_SEEDS:
        raise BadInput(f"seeds must be from 1 to {MOST_SEEDS}; got {seeds}")
    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        networks = {one.key: one for one in (measured_network(reader, record, key) for key in keys)}
        tuned = {key: _tuned_recipe(reader, record, key) for key in networks} if is_tuned else {}
        calibrations = reader.calibrations(record.id)
        setup = layered_setup(reader, record, "finalize", observer)
    assert setup.data is not None
    if not len(setup.data.test):
        raise BadInput(f"finalize reads the test split, and the data of {name} have none: name one by task.test")
    recipes = {key: _final_recipe(tuned.get(key, setup.problem.recipe), epochs) for key in networks}
    planned = [
        _planned(setup, network, number, recipes[network.key])
        for number in range(seeds)
        for network in networks.values()
    ]
    stop = StopSignal()
    with closing(open_archive(db_url, notice=observer.on_notice)) as archive:
        archive.be_patient(database_patience_s(), notice=observer.on_notice, is_over=lambda: stop.is_requested)
        left = _unfinished(archive, record, planned)
        observer.on_notice(_work_text(len(networks), seeds, planned, left))
        if left:
            run_trainings(
                setup,
                [one.request for one in left],
                again=_again(name, list(networks), seeds, epochs, is_tuned, workers),
                observer=observer,
                on_result=_storing(archive, record, setup, left, observer),
                workers=workers,
                stop=stop,
                calibrations=calibrations if "latency_ms" in setup.problem.measures else None,
                is_measured_by_command=setup.problem.command is not None,
            )
        _require_success(archive, record, planned)


def final_seed(search_seed: int, key: str, number: int) -> int:
    """The seed of a final training: from 2**31 on, where no seed of a search's own trainings lies.

    Args:
        search_seed: Of the search.
        key: Of the network.
        number: Which of its final trainings it is, from 0.
    """
    digest = hashlib.blake2b(f"{search_seed}/{key}/{number}/final".encode(), digest_size=4).digest()
    return int.from_bytes(digest) | 2**31


def _final_recipe(recipe: Recipe, epochs: int | None) -> Recipe:
    return replace(recipe, is_inheriting=False, epochs=recipe.epochs if epochs is None else epochs)


def _tuned_recipe(reader: ArchiveReader, record: SearchRecord, key: str) -> Recipe:
    found = best_recipe(reader.trials(record.id, key), primary_metric(record))
    if found is None:
        raise BadInput(f"no recipe was tuned for network {key}; find one with: gasearch tune {record.name} {key}")
    return found[0]


def _planned(setup: Setup, network: EvaluatedNetwork, number: int, recipe: Recipe) -> _Planned:
    problem = setup.problem
    request = EvaluationRequest(
        key=network.key,
        attempt=1,
        network=network_from_json(network.network_json),
        recipe=recipe,
        task=problem.task,
        seed=final_seed(setup.spec.seed, network.key, number),
        fidelity=Fidelity(epochs=recipe.epochs),
        measures=problem.measures,
        command=problem.command,
        cpu=problem.cpu,
        toolchain=problem.compiler,
        time_limit_s=_time_limit(setup, recipe),
        memory_limit_bytes=problem.memory_limit_bytes,
        disk_limit_bytes=problem.disk_limit_bytes,
        is_final=True,
    )
    return _Planned(network=network, number=number, recipe=recipe, request=request)


def _time_limit(setup: Setup, recipe: Recipe) -> float | None:
    """The search's limit, longer by as much as the training is."""
    limit = setup.problem.time_limit_s
    searched = setup.problem.fidelity or Fidelity(epochs=setup.problem.recipe.epochs)
    return None if limit is None else limit * max(1.0, recipe.epochs / (searched.epochs * searched.data_share))


def _unfinished(archive: Archive, record: SearchRecord, planned: Sequence[_Planned]) -> list[_Planned]:
    """Those that aren't stored, and those that failed and may end differently next time."""
    done = {
        _identity(one)
        for one in archive.finals(record.id)
        if one.failure is None or FailureKind(one.failure) not in _MENDABLE
    }
    return [one for one in planned if one.identity not in done]


def _identity(stored: FinalRecord) -> tuple[str, Recipe, int]:
    return stored.key, recipe_from_text(stored.recipe_json), stored.number


def _work_text(networks: int, seeds: int, planned: Sequence[_Planned], left: Sequence[_Planned]) -> str:
    """What is to be done: "3 networks x 3 seeds = 9 trainings of 30 epochs; 4 of them are done already"."""
    some = f"{_counted(networks, 'network')} x {_counted(seeds, 'seed')}"
    epochs = sorted({one.recipe.epochs for one in planned})
    lengths = f"{epochs[0]} to {_counted(epochs[-1], 'epoch')}" if epochs[1:] else _counted(epochs[0], "epoch")
    text = f"{some} = {_counted(len(planned), 'training')} of {lengths}"
    done = len(planned) - len(left)
    return f"{text}; {done if left else 'all'} of them are done already" if done else text


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _again(name: str, keys: Sequence[str], seeds: int, epochs: int | None, is_tuned: bool, workers: int | None) -> str:
    """The command that goes on."""
    options = [("--seeds", seeds), ("--epochs", epochs), ("--workers", workers)]
    given = [part for option, value in options if value is not None for part in (option, str(value))]
    return shlex.join(["gasearch", "finalize", name, *keys, *given, *(["--tuned"] if is_tuned else [])])


def _storing(
    archive: Archive, record: SearchRecord, setup: Setup, left: Sequence[_Planned], observer: Observer
) -> Callable[[EvaluationRequest, EvaluationResult], None]:
    """A function that stores each training that is finished, and says so."""
    by_seed = {(one.request.key, one.request.seed): one for one in left}
    assert setup.data is not None
    metric, finished = PRIMARY[setup.data.kind], 0

    def store(request: EvaluationRequest, result: EvaluationResult) -> None:
        nonlocal finished
        one = by_seed[request.key, request.seed]
        stored = _record(one, result)
        require_same_search(archive, record)
        archive.add_final(record.id, stored, None if result.final is None or stored.failure else result.final.packed)
        finished += 1
        text = _outcome_text(stored, metric)
        observer.on_notice(f"{finished} of {len(left)}: {one.network.key}, seed {one.number}: {text}")

    return store


def _record(one: _Planned, result: EvaluationResult) -> FinalRecord:
    failure, message = None, ""
    metrics: tuple[tuple[str, float], ...] = ()
    test: tuple[tuple[str, float], ...] = ()
    match result.outcome:
        case Failure(kind=kind, message=said):
            failure, message = str(kind), said
        case Measurement() as measurement:
            assert result.final is not None, "its request asked for the final form"
            metrics, test = _metrics(measurement, one.network), result.final.test
    return FinalRecord(
        key=one.network.key,
        number=one.number,
        seed=one.request.seed,
        epochs=one.recipe.epochs,
        recipe_json=recipe_text(one.recipe),
        failure=failure,
        message=message,
        metrics=metrics,
        test=test,
        worker=result.worker,
        device=result.device,
        versions=result.versions,
        seconds=result.duration_s,
    )


def _metrics(measurement: Measurement, network: EvaluatedNetwork) -> tuple[tuple[str, float], ...]:
    """What was measured; a latency only where it is one of the device that the search's latencies are of."""
    if measurement.latency_device != network.latency_device:
        measurement = replace(measurement, latency_ms=None, latency_spread_ms=None, latency_device=None)
    return tuple(measurement.metrics().items())


def _outcome_text(stored: FinalRecord, metric: str) -> str:
    if stored.failure is not None:
        return f"{stored.failure}: {stored.message}"
    return f"{metric} {dict(stored.metrics)[metric]:.4f}, on the test split {dict(stored.test)[metric]:.4f}"


def _require_success(archive: Archive, record: SearchRecord, planned: Sequence[_Planned]) -> None:
    wanted = {one.identity for one in planned}
    stored = [one for one in archive.finals(record.id) if _identity(one) in wanted]
    failed = [one for one in stored if one.failure is not None]
    if failed:
        first = failed[0]
        raise TrainingsFailed(
            f"{len(failed)} of {len(planned)} trainings failed: {first.key} with seed {first.number}: {first.failure}: "
            f"{first.message}; the others are stored, see: gasearch front {record.name} --final"
        )
