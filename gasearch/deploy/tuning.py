"""Tuning the training recipes of networks on the search's own workers; trials are kept in the search's database."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from gasearch_workers.messages import EvaluationRequest, EvaluationResult, Failure, Fidelity, Recipe

from gasearch.deploy.stored import (
    layered_setup,
    measured_network,
    primary_metric,
    request_from_scratch,
    require_same_search,
)
from gasearch.deploy.trainings import run_trainings
from gasearch.errors import BadInput, Interrupted
from gasearch.evolution.recipes import LEAST_TRIALS, RecipeSpace, importances, propose
from gasearch.jobs.caller import left_as_found
from gasearch.search.ownership import StopSignal
from gasearch.search.progress import Observer
from gasearch.search.recipe_trials import OF_ONE, best_recipe, recipe_text, trial_of, tried
from gasearch.settings import database_patience_s
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.records import SearchRecord, TuningTrial
from gasearch.storage.sql import open_archive, open_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedNetwork:
    """What is known of the recipes of one network."""

    key: str
    metric: str  #: By which they are compared.
    trials: tuple[TuningTrial, ...]  #: All of them, by number.
    best: TuningTrial | None  #: Of equal ones the earliest; None where none succeeded.
    #: How much each parameter mattered for being among the best, as shares of 1, the greatest first; None: not known,
    importances: dict[str, float] | None
    importances_note: str  #: and why.


@left_as_found()
def tune_networks(
    name: str, keys: Sequence[str], *, trials: int, db_url: str, observer: Observer, workers: int | None = None
) -> list[TunedNetwork]:
    """Try recipes for networks of a search, and store each; an interruption loses none that is finished.

    The first trial of a network is the search's own recipe as it is, also outside the tuned ranges: the one to beat.

    Args:
        name: Of the search.
        keys: Of the networks, or a beginning of each.
        trials: How many further recipes to try for each.
        db_url: Where the search is stored.
        observer: Watches.
        workers: How many; None: as the spec says.

    Raises:
        UnknownSearch: if there is no such search or network.
        BadInput: for no key, a network without a measurement, a custom space, no epochs, or data that have changed.
        Interrupted: with the command that goes on.
        GasearchError: if it can't go on.
    """
    if not keys:
        raise BadInput("tune wants the key of at least one network")
    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        networks = {one.key: one for one in (measured_network(reader, record, key) for key in keys)}
        setup = layered_setup(reader, record, "tune", observer)
    if not setup.spec.recipe.epochs:
        raise BadInput(f"{name} trains for no epoch, so that no recipe makes a difference: tune a search that trains")
    stop, metric = StopSignal(), primary_metric(record)
    with closing(open_archive(db_url, notice=observer.on_notice)) as archive:
        archive.be_patient(database_patience_s(), notice=observer.on_notice, is_over=lambda: stop.is_requested)
        tunings = {
            key: NetworkTuning(
                replace(request_from_scratch(setup, network), memory_limit_bytes=setup.problem.memory_limit_bytes),
                space=_space(record),
                earlier=archive.trials(record.id, key),
                trials=trials,
                seed=setup.spec.seed,
                metric=metric,
            )
            for key, network in networks.items()
        }

        def store(request: EvaluationRequest, result: EvaluationResult) -> None:
            trial = tunings[request.key].finished(request, result)
            require_same_search(archive, record)
            trial = _stored(archive, record, trial)
            value = trial.message if trial.value is None else f"{metric} {trial.value:.4f}"
            of = f" of {trial.key}" if len(tunings) > 1 else ""
            observer.on_notice(f"trial {trial.number}{of}: {value}")

        try:
            run_trainings(
                setup,
                _in_turn(list(tunings.values())),
                again=shlex.join(["gasearch", "tune", name, *networks, *_given(workers)]),
                observer=observer,
                on_result=store,
                workers=workers,
                stop=stop,
            )
        except Interrupted as error:
            left = max(one.left for one in tunings.values())
            raise Interrupted(f"{error} --trials {left}") from error
        return [tuned_network(archive, record, key) for key in networks]


def _given(workers: int | None) -> list[str]:
    """The option that was given, for the command that goes on."""
    return [] if workers is None else ["--workers", str(workers)]


def _stored(archive: Archive, record: SearchRecord, trial: TuningTrial) -> TuningTrial:
    """Store a trial: under the next number that is free where another `tune` has taken its own meanwhile."""
    while True:
        archive.add_trial(record.id, trial)
        known = [one for one in archive.trials(record.id, trial.key) if one.study == OF_ONE]
        if trial in known:
            return trial
        trial = replace(trial, number=1 + max(one.number for one in known))


def tuned_network(reader: ArchiveReader, record: SearchRecord, key: str) -> TunedNetwork:
    """What the store has of the recipes of one network.

    Args:
        reader: Of the store.
        record: Of the search, of a layered space.
        key: Of the network, the whole of it.
    """
    space, metric = _space(record), primary_metric(record)
    found = sorted(
        (one for one in reader.trials(record.id, key) if one.study == OF_ONE), key=lambda trial: trial.number
    )
    best = best_recipe(found, metric)
    shares = importances(space, [tried(trial, metric) for trial in found])
    count = sum(trial.value is not None for trial in found)
    too_few = f"importances take {LEAST_TRIALS} trials that succeeded; there are {count}"
    alike = "too many trials reached the same, so that the best can't be told from the others"
    return TunedNetwork(
        key=key,
        metric=metric,
        trials=tuple(found),
        best=None if best is None else next(one for one in found if one.recipe_json == recipe_text(best[0])),
        importances=shares,
        importances_note="" if shares is not None else too_few if count < LEAST_TRIALS else alike,
    )


def _space(record: SearchRecord) -> RecipeSpace:
    """What is tuned of a search's recipe."""
    data = json.loads(record.data_json)
    return RecipeSpace.of(SearchSpec.from_json(record.spec_json).recipe.to_recipe(), data["kind"], data["input_kind"])


def _in_turn(tunings: Sequence[NetworkTuning]) -> Iterator[EvaluationRequest]:
    """One trial of each network after another, so that each learns from more of its own."""
    while any(one.is_wanting for one in tunings):
        for one in tunings:
            if one.is_wanting:
                yield one.ask()


class NetworkTuning:
    """The recipes that are tried for one network; several may be under way."""

    def __init__(
        self,
        request: EvaluationRequest,
        *,
        space: RecipeSpace,
        earlier: Sequence[TuningTrial],
        trials: int,
        seed: int,
        metric: str,
    ) -> None:
        """Nothing is under way yet.

        Args:
            request: The network, with the search's own recipe.
            space: What of that is tuned.
            earlier: What was tried before.
            trials: How many further recipes to try.
            seed: Of the search.
            metric: The task's primary score.
        """
        self._request, self._space, self._seed, self._metric = request, space, seed, metric
        self._known = [one for one in earlier if one.study == OF_ONE]
        self._tried = [tried(trial, metric) for trial in self._known]
        taken = {one.number for one in self._known}
        free = [number for number in range(len(taken) + trials + 1) if number not in taken]
        self._numbers = free[:trials]  # one that was in flight at an interruption is asked again
        self._flying: dict[int, Recipe] = {}
        self._refused = math.inf  # the least batch size at which arithmetic has refused the network
        own = recipe_text(request.recipe)
        self._is_own_tried = any(trial.recipe_json == own for trial in self._known)

    @property
    def is_wanting(self) -> bool:
        """Whether a further recipe may be asked for."""
        return bool(self._numbers)

    @property
    def left(self) -> int:
        """How many trials aren't finished."""
        return len(self._numbers) + len(self._flying)

    def ask(self) -> EvaluationRequest:
        """The next trial: the search's own recipe where that was never tried as it is, else one that is proposed."""
        number = self._numbers.pop(0)
        recipe = self._request.recipe
        if self._is_own_tried:
            recipe = propose(
                self._space,
                self._request.recipe,
                tried=self._tried,
                pending=list(self._flying.values()),
                seed=self._seed,
                number=number,
                below=self._refused,
            )
        self._is_own_tried = True
        self._flying[number] = recipe
        return replace(
            self._request,
            recipe=recipe,
            attempt=number + 1,
            fidelity=Fidelity(epochs=recipe.epochs),
            measures=frozenset(),
        )

    def finished(self, request: EvaluationRequest, result: EvaluationResult) -> TuningTrial:
        """Learn from what came of a trial; returns what is to be stored of it."""
        number = request.attempt - 1
        recipe = self._flying.pop(number)
        if isinstance(result.outcome, Failure) and result.outcome.is_certain:
            self._refused = min(self._refused, recipe.batch_size)
        trial = trial_of(self._request.key, OF_ONE, number, recipe=recipe, result=result, metric=self._metric)
        self._tried.append(tried(trial, self._metric))
        return trial
