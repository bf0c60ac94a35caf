"""The recipe of a search, tuned before it begins: on the smallest, a middle and the largest network of its space.

What is found stands in the log, so that a resume, an export and whatever else trains for the search use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from gasearch_workers.messages import PRIMARY, EvaluationRequest, EvaluationResult, Fidelity, Recipe

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.evolution.recipes import RecipeSpace, Tried, mean_ranks, propose
from gasearch.evolution.rng import derive, pick
from gasearch.jobs.setup import Setup, with_recipe
from gasearch.search.ownership import StopSignal
from gasearch.search.problem import training_seed
from gasearch.search.progress import Observer
from gasearch.search.recipe_trials import OF_ANCHORS, loss_of, recipe_from_text, recipe_text, trial_of
from gasearch.search.trainings import Trainings
from gasearch.space.costs import Extremes
from gasearch.space.genome import Genome, make_genome
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.records import EventRecord, Lease, TuningTrial

FOUND = "recipe"  #: The kind of the event that keeps the recipe found.
SAMPLES = 101  #: Random networks, of which the middle one is an anchor.
_TRIES = 50  #: For each of them, within the constraints.


def anchors(setup: Setup) -> list[Genome]:
    """The smallest, a middle and the largest network by params that the constraints allow; the same for a seed.

    The middle one, and the ends where the space's own break a constraint, are of a random sample; fewer where these
    are the same networks.
    """
    extremes = Extremes(space=setup.space)
    ends = [extremes.smallest("params").genome, extremes.largest("params").genome]
    found = sorted(
        {genome.key: genome for genome in _sample(setup)}.values(),
        key=lambda genome: (setup.costs.of(genome)["params"], genome.key),
    )
    allowed = [one for one in ends if setup.constraints.violation(one) <= 0]
    smallest = ends[0] if ends[0] in allowed or not found else found[0]
    largest = ends[1] if ends[1] in allowed or not found else found[-1]
    middle = found[len(found) // 2] if found else smallest
    return list({genome.key: genome for genome in (smallest, middle, largest)}.values())


def _sample(setup: Setup) -> Iterator[Genome]:
    """Random networks within the constraints."""
    rng = derive(setup.spec.seed, 0, "anchors")
    for _ in range(SAMPLES):
        for _ in range(_TRIES):
            genome = make_genome([pick(rng, size) for size in setup.space.sizes], setup.space)
            if setup.constraints.violation(genome) <= 0:
                yield genome
                break


def with_recipe_found(setup: Setup, archive: ArchiveReader, search_id: int) -> Setup:
    """The setup with the recipe that was tuned before the search began; as it is where none was, or not yet.

    Args:
        setup: Of the search.
        archive: Where it is stored.
        search_id: Its number.
    """
    if setup.spec.recipe.tune is None:
        return setup
    for event in archive.events(search_id):
        if event.kind == FOUND:
            return with_recipe(setup, recipe_from_text(json.dumps(json.loads(event.message)["recipe"])))
    return setup


def tuned(
    setup: Setup, archive: Archive, lease: Lease, *, dispatcher: Dispatcher, observer: Observer, stop: StopSignal
) -> Setup:
    """The setup with a tuned recipe, where its spec wants one: that of the log, else what is found now.

    Args:
        setup: Of the search.
        archive: Keeps trials and the recipe found.
        lease: On the search.
        dispatcher: Trains.
        observer: Takes notices.
        stop: The wish to stop.

    Raises:
        Interrupted: if a stop was wished; a resume goes on.
        GasearchError: if too much fails in a row.
    """
    wanted = setup.spec.recipe.tune
    if wanted is None:
        return setup
    known = with_recipe_found(setup, archive, lease.search_id)
    if known is not setup:
        return known
    tuning = AnchorTuning(setup, archive, lease, trials=wanted.trials, observer=observer)
    trainings = Trainings(dispatcher, again=f"gasearch resume {setup.spec.name}", on_result=tuning.store, stop=stop)
    trainings.run(tuning.requests())
    found = with_recipe(setup, tuning.found)
    archive.set_context(lease, context=found.problem.context)  # before the event: a resume may find nothing to do
    tuning.conclude()
    return found


@dataclass(slots=True)
class _Trial:
    """A recipe, and what came of it on each anchor so far."""

    recipe: Recipe
    trials: dict[str, TuningTrial]


class AnchorTuning:
    """Tries recipes, each on all anchors; what the store has of them is not trained again."""

    def __init__(self, setup: Setup, archive: Archive, lease: Lease, *, trials: int, observer: Observer) -> None:
        """Read what there is.

        Args:
            setup: Of the search, of a layered space.
            archive: Keeps the trials.
            lease: On the search.
            trials: How many recipes to try in all.
            observer: Takes notices.
        """
        assert setup.data is not None
        self._setup, self._archive, self._lease, self._trials = setup, archive, lease, trials
        self._observer = observer
        self._metric = PRIMARY[setup.data.kind]
        self._own = setup.problem.recipe
        self._space = RecipeSpace.of(self._own, setup.data.kind, setup.data.input_kind)
        self._anchors = {genome.key: setup.problem.decode(genome) for genome in anchors(setup)}
        self._known: dict[int, _Trial] = {}
        for key in self._anchors:
            for trial in archive.trials(lease.search_id, key):
                if trial.study == OF_ANCHORS:
                    recipe = recipe_from_text(trial.recipe_json)
                    self._known.setdefault(trial.number, _Trial(recipe, {})).trials[key] = trial
        if self._known:
            observer.on_notice(f"going on with the tuning of the recipe: {len(self._whole)} of {trials} trials done")
        else:
            networks = "network" if len(self._anchors) == 1 else "networks"
            observer.on_notice(
                f"tuning the recipe: {trials} trials on each of {len(self._anchors)} {networks}, "
                f"{trials * len(self._anchors)} trainings before the search"
            )

    def requests(self) -> Iterator[EvaluationRequest]:
        """The trainings that are missing, each recipe proposed when it is asked for; the first is the spec's own."""
        problem = self._setup.problem
        for number in range(self._trials):
            if number not in self._known:
                self._known[number] = _Trial(self._proposed(number), {})
            for key, network in self._anchors.items():
                if key in self._known[number].trials:
                    continue
                yield EvaluationRequest(
                    key=key,
                    attempt=number + 1,
                    network=network,
                    recipe=replace(self._known[number].recipe, is_inheriting=False),
                    task=problem.task,
                    seed=training_seed(problem.seed, key),
                    fidelity=problem.fidelity or Fidelity(epochs=self._own.epochs),
                    time_limit_s=problem.time_limit_s,
                    memory_limit_bytes=problem.memory_limit_bytes,
                    disk_limit_bytes=problem.disk_limit_bytes,
                )

    def store(self, request: EvaluationRequest, result: EvaluationResult) -> None:
        """Keep what came of a recipe on one anchor."""
        number = request.attempt - 1
        known = self._known[number]
        trial = trial_of(request.key, OF_ANCHORS, number, recipe=known.recipe, result=result, metric=self._metric)
        self._archive.add_trial(self._lease.search_id, trial)
        known.trials[request.key] = trial
        if len(known.trials) == len(self._anchors):
            values = [known.trials[key] for key in self._anchors]
            texts = [one.message if one.value is None else f"{one.value:.4f}" for one in values]
            self._observer.on_notice(f"recipe {number + 1} of {self._trials}: {self._metric} {', '.join(texts)}")

    @property
    def found(self) -> Recipe:
        """The recipe of the least mean rank over the anchors, of equal ones the first.

        Where every recipe failed on some anchor, it is the spec's own.
        """
        return self._own if self._best[0] is None else self._known[self._best[1]].recipe

    def conclude(self) -> None:
        """Store the recipe found, and say what it changes."""
        rank, number = self._best
        before, after = asdict(self._own), asdict(self.found)
        changes = {name: value for name, value in after.items() if value != before[name]}
        content = {
            "recipe": after,
            "trials": len(self._known),
            "networks": list(self._anchors),
            "mean_rank": rank,
            "own_mean_rank": self._ranks(self._in_order)[0],
        }
        self._archive.add_event(self._lease, EventRecord(kind=FOUND, message=json.dumps(content, sort_keys=True)))
        if rank is None:
            self._observer.on_notice("no recipe trained all of these networks: the search keeps the spec's own")
        elif not changes:
            self._observer.on_notice("the spec's own recipe is the best of them: the search trains by it")
        else:
            text = ", ".join(f"{name} {_shown(value)} (was {_shown(before[name])})" for name, value in changes.items())
            self._observer.on_notice(f"the search trains by recipe {number + 1}: {text}")

    @property
    def _best(self) -> tuple[float | None, int]:
        """The least mean rank, and the number of its trial."""
        ranks = zip(self._ranks(self._in_order), sorted(self._known), strict=True)
        return min(((rank, number) for rank, number in ranks if rank is not None), default=(None, 0))

    @property
    def _whole(self) -> list[_Trial]:
        return [one for one in self._in_order if len(one.trials) == len(self._anchors)]

    @property
    def _in_order(self) -> list[_Trial]:
        """By number, the spec's own recipe first: after a kill they may be known in any order."""
        return [self._known[number] for number in sorted(self._known)]

    def _proposed(self, number: int) -> Recipe:
        if all(recipe_text(one.recipe) != recipe_text(self._own) for one in self._known.values()):
            return self._own
        whole = self._whole
        return propose(
            self._space,
            self._own,
            tried=[Tried(recipe=one.recipe, loss=rank) for one, rank in zip(whole, self._ranks(whole), strict=True)],
            pending=[one.recipe for one in self._in_order if len(one.trials) < len(self._anchors)],
            seed=self._setup.spec.seed,
            number=number,
        )

    def _ranks(self, found: Sequence[_Trial]) -> list[float | None]:
        return mean_ranks(
            [
                [loss_of(one.trials[key], self._metric) if key in one.trials else None for key in self._anchors]
                for one in found
            ]
        )


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
