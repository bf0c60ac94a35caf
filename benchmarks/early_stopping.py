"""What ending trainings early saves, and what it costs: the same networks trained in full, with our rules, and halved.

    python -m benchmarks.early_stopping [--seeds 5] [--networks 60] [--only tables|trainings]

**Tables.** NAS-Bench-201: a training may end at 12 of 200 epochs, where the table has another accuracy; objectives are
error and latency on several devices. A fixed list of random cells is gone through one by one; each is trained by the
rule that the ones before it give. Then a search (NSGA-II, population 20) runs with the rules and without.

**Trainings.** Random CNNs on the handwritten digits, each layer at its own precision, objectives accuracy and
model_bytes. Every one is trained once in full with looks at the rungs of `default_rungs`; several orders of them are
then gone through as above.

Printed are the share of the full cost in epochs, the hypervolume of the front over that of full trainings, the share of
trainings that were stopped, and the realized risk: of these, the share that would have entered the front of that
moment. The peer, halving by score alone, keeps as many at each rung as the rules did, those with the best score: the
same cost by construction. Hypervolumes are scaled from the ideal to the nadir of the front of full trainings, with the
reference point at 1.1.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gasearch_workers.messages import CurvePoint, EvaluationRequest, Fidelity, Measurement, Recipe, Task

from benchmarks.support import tables
from benchmarks.support.timing import Targets, conditions
from gasearch.evolution.engine import Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.partial_genomes import sample
from gasearch.jobs.setup import set_up
from gasearch.objectives.fitness import Fitness, Objective
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import Scaling
from gasearch.search.early_stopping import EarlyStop, EarlyStopping, stopped_by
from gasearch.space.decisions import Decision, Space
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec
from gasearch.spec.sections import default_rungs

RISK = 0.1
PROBLEMS = (
    "nasbench201_cifar10_1080ti_1",
    "nasbench201_cifar10_pixel3",
    "nasbench201_cifar100_gold_6240",
    "nasbench201_cifar100_titanx_256",
)
SHORT, LONG = 12.0, 200.0  #: Epochs.
CELLS, POPULATION = 300, 20
SPEC = Path(__file__).parents[1] / "examples" / "digits.yaml"
EPOCHS, ORDERS = 9, 20
MOST_COST, LEAST_VOLUME = 0.35, 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training that went to its end."""

    outcome: Measurement  #: Its curve has a point with metrics at each rung.
    wvalues: tuple[float, ...]
    known: tuple[float | None, ...]  #: What was known before it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a list of trainings is judged by."""

    objectives: tuple[Objective, ...]  #: The score is the first.
    steps: tuple[float, ...]
    length: float  #: Of a full training, in the unit of the steps.


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Shares of what full trainings cost and reached."""

    cost: float
    volume: float
    stopped: float
    risk: float  #: Share of the stopped ones that would have entered the front of that moment.
    halved_volume: float  #: Of halving by score at the same cost.

    def __str__(self) -> str:
        return (
            f"cost {self.cost:.3f}, hypervolume {self.volume:.4f} (halved by score {self.halved_volume:.4f}), "
            f"stopped {self.stopped:.2f}, realized risk {self.risk:.3f}"
        )


def compare(trainings: Sequence[Training], setting: Setting, seed: int) -> Comparison:
    """Go through the trainings in their order, each by the rule that the ones before it give."""
    loop = Loop(setting, seed)
    for training in trainings:
        loop.take(training)
    full = front_of(trainings)
    scaling = Scaling.of([Fitness(values=tuple(wvalues)) for wvalues in full.values.tolist()])
    volume = full.hypervolume(scaling)
    return Comparison(
        cost=loop.cost / (setting.length * len(trainings)),
        volume=loop.front.hypervolume(scaling) / volume,
        stopped=sum(loop.stopped_at.values()) / len(trainings),
        risk=loop.wrong / max(1, sum(loop.stopped_at.values())),
        halved_volume=front_of(halved(trainings, setting, loop.stopped_at)).hypervolume(scaling) / volume,
    )


class Loop:
    """Trains what it is given, by the rules."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.front = ParetoFront()
        self.cost = 0.0  #: In the unit of the steps.
        self.stopped_at = dict.fromkeys(setting.steps, 0)  #: Trainings.
        self.wrong = 0
        self._length, self._number = setting.length, 0
        settings = EarlyStop(steps=setting.steps, risk=RISK)
        self._model = EarlyStopping(setting.objectives, settings, seed=seed, front=self.front)

    def take(self, training: Training) -> Scored:
        """Train in full or in part; what evolution is told of it."""
        number, fitness = self._number, fitness_of(training)
        self._number += 1
        rule = self._model.rule(number, known=training.known)
        stopped = None if rule is None else stopped_by(rule, training.outcome)
        if stopped is None:
            self.cost += self._length
            self.front.add(number, fitness)
            self._model.note(training.outcome, fitness, number=number)
            return Scored(number=number, fitness=fitness)
        step = stopped.curve[-1].epoch
        self.cost += step
        self.stopped_at[step] += 1
        self.wrong += not covered(self.front, training.wvalues)
        self._model.note(stopped, None, number=number, known=training.known)
        return Scored(number=number, fitness=None, expected=self._model.expected_end(stopped, training.known))


def halved(trainings: Sequence[Training], setting: Setting, stopped_at: dict[float, int]) -> list[Training]:
    """What is left where at each rung so many with the worst score go."""
    left, score = list(trainings), setting.objectives[0]
    for step in setting.steps:
        left.sort(key=lambda one: score.wvalue(metrics_at(one, step)[score.metric]), reverse=True)
        left = left[: len(left) - stopped_at[step]]
    return left


def metrics_at(training: Training, step: float) -> dict[str, float]:
    """What the curve says at a rung."""
    return dict(next(point.metrics for point in training.outcome.curve if point.epoch == step))


def fitness_of(training: Training) -> Fitness:
    """Without limits."""
    return Fitness(values=training.wvalues)


def front_of(trainings: Sequence[Training]) -> ParetoFront:
    """The front of trainings that went to their end."""
    front = ParetoFront()
    for number, training in enumerate(trainings):
        front.add(number, fitness_of(training))
    return front


def covered(front: ParetoFront, wvalues: tuple[float, ...]) -> bool:
    """Whether a member is at least as good in all objectives."""
    return bool(len(front)) and bool((front.values >= wvalues).all(axis=1).any())


# --- tables -----------------------------------------------------------------------------------------------------


class Table:
    """A problem of NAS-Bench-201 whose trainings can be looked at after 12 epochs."""

    def __init__(self, name: str) -> None:
        self.problem = tables.problem(name)
        dataset = name.split("_")[1]
        with gzip.open(tables.folder() / "nasbench201" / "accuracy.csv.gz", "rt", encoding="utf-8", newline="") as file:
            self._short = [100.0 - float(row[f"{dataset}_val_ep12"]) for row in csv.DictReader(file)]
        decisions = [Decision(name=edge, options=options) for edge, options in self.problem.decisions.items()]
        self.space = Space(family="custom", decisions=tuple(decisions))
        objectives = tuple(Objective(metric=metric, is_maximized=False) for metric in self.problem.objectives)
        self.setting = Setting(objectives=objectives, steps=(SHORT,), length=LONG)

    def train(self, row: int) -> Training:
        """The training of a row of the table; it reports its latency with its error."""
        metrics = self.problem.metrics[row]
        costs = self.problem.costs(metrics)
        at_rung = {"error": self._short[row], self.problem.objectives[1]: costs[1]}
        point = CurvePoint(epoch=SHORT, train_loss=None, accuracy=None, metrics=tuple(sorted(at_rung.items())))
        outcome = Measurement(others=tuple(metrics.items()), curve=(point,))
        return Training(outcome=outcome, wvalues=tuple(-cost for cost in costs), known=(None, None))

    def random_trainings(self, seed: int) -> list[Training]:
        """Of random cells."""
        return [self.train(row) for row in random.Random(seed).sample(range(len(self._short)), CELLS)]

    def search(self, seed: int, take: Callable[[Training], Scored]) -> None:
        """NSGA-II, each proposal trained by `take`."""
        engine = GenerationalEngine(self.space, seed=seed, population=POPULATION)
        for _ in range(CELLS):
            candidate = engine.ask()
            assert candidate is not None, "the space has more cells"
            chosen = tuple(
                d.options[gene] for d, gene in zip(self.space.decisions, candidate.genome.genes, strict=True)
            )
            engine.tell(replace(take(self.train(self.problem.row(chosen))), number=candidate.number))


def compare_tables(seeds: int, targets: Targets) -> None:
    """Print a line per problem, first for random cells, then for searches."""
    print(f"NAS-Bench-201, {CELLS} random cells, judged at {SHORT:g} of {LONG:g} epochs; mean of {seeds} seeds")
    found: list[Comparison] = []
    for name in PROBLEMS:
        table = Table(name)
        found.append(mean([compare(table.random_trainings(seed), table.setting, seed) for seed in range(seeds)]))
        print(f"  {name}: {found[-1]}", flush=True)
    overall = mean(found)
    targets.at_most("cost share on tables", overall.cost, MOST_COST)
    targets.at_least("hypervolume share on tables", min(one.volume for one in found), LEAST_VOLUME)
    targets.at_most("realized risk on tables", max(one.risk for one in found), RISK)
    print(f"  all: {overall}")
    print(f"NSGA-II of {CELLS} evaluations with the rules against one without: each its own proposals")
    for name in PROBLEMS:
        print(f"  {name}: {compare_searches(Table(name), seeds)}", flush=True)


def compare_searches(table: Table, seeds: int) -> str:
    """Regret against the table's exact front with the rules, without, and without at the same cost."""
    costs, regrets, full, same_cost = [], [], [], []
    for seed in range(seeds):
        loop = Loop(table.setting, seed)
        table.search(seed, loop.take)
        costs.append(loop.cost / (LONG * CELLS))
        regrets.append(
            table.problem.regret([tuple(-wvalue for wvalue in point) for point in loop.front.values.tolist()])
        )
        points: list[tuple[float, ...]] = []

        def train_in_full(training: Training, points: list[tuple[float, ...]] = points) -> Scored:
            points.append(tuple(-wvalue for wvalue in training.wvalues))
            return Scored(number=0, fitness=fitness_of(training))

        table.search(seed, train_in_full)
        curve = table.problem.regrets(points)
        full.append(curve[-1])
        same_cost.append(curve[max(1, round(costs[-1] * CELLS)) - 1])
    share, ours, theirs, early = (statistics.mean(values) for values in (costs, regrets, full, same_cost))
    return f"cost {share:.3f}, regret {ours:.4f}; in full {theirs:.4f}, in full at that cost {early:.4f}"


# --- trainings --------------------------------------------------------------------------------------------------


def digit_trainings(networks: int) -> tuple[list[Training], Setting]:
    """Random networks of the space of `examples/digits.yaml`, each trained once in full with looks at the rungs."""
    from gasearch_workers.evaluation.evaluate import Evaluator

    setup = set_up(load_spec(SPEC))
    assert setup.data is not None
    evaluator = Evaluator(setup.data)
    recipe = Recipe(epochs=EPOCHS, batch_size=64, learning_rate=0.005)
    objectives = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))
    steps = default_rungs(EPOCHS)
    settings = EarlyStop(steps=steps, risk=RISK)
    look = EarlyStopping(objectives, settings, seed=0, front=ParetoFront()).rule(0, known=(None, 0.0))
    found: list[Training] = []
    for number in range(networks):
        genome = make_genome(sample(setup.space, random.Random(number)).genes, setup.space)
        request = EvaluationRequest(
            key=genome.key,
            attempt=1,
            network=decode(genome, setup.space),
            recipe=recipe,
            task=Task(dataset="digits"),
            seed=number,
            fidelity=Fidelity(epochs=EPOCHS),
            stopping=look,
        )
        measured = evaluator.train(request).measurement
        wvalues = (measured.accuracy or 0.0, -float(measured.model_bytes or 0))
        found.append(Training(outcome=measured, wvalues=wvalues, known=(None, wvalues[1])))
    return found, Setting(objectives=objectives, steps=steps, length=float(EPOCHS))


def compare_trainings(networks: int, targets: Targets) -> None:
    """Print the mean over several orders of the same trainings."""
    trainings, setting = digit_trainings(networks)
    rungs = " and ".join(f"{step:g}" for step in setting.steps)
    print(f"{networks} random CNNs on the digits, judged at {rungs} of {EPOCHS} epochs; mean of {ORDERS} orders")
    found = [compare(random.Random(order).sample(trainings, networks), setting, order) for order in range(ORDERS)]
    overall = mean(found)
    print(f"  {overall}")
    targets.at_least("hypervolume share on the digits", overall.volume, LEAST_VOLUME)
    targets.at_most("realized risk on the digits", overall.risk, RISK)


def mean(found: Sequence[Comparison]) -> Comparison:
    """Figure by figure."""
    fields = Comparison.__dataclass_fields__
    return Comparison(**{name: statistics.mean(getattr(one, name) for one in found) for name in fields})


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--only", choices=("tables", "trainings"))
    parser.add_argument("--data", type=Path, help="folder that holds nasbench201; left out where it isn't there")
    arguments = parser.parse_args()
    if arguments.data is not None:
        os.environ[tables.FOLDER_VARIABLE] = str(arguments.data)
    targets = Targets()
    print(conditions("numpy", "torch"), f"stated risk {RISK}", sep="; ")
    if arguments.only != "trainings":
        if (tables.folder() / "nasbench201").exists():
            compare_tables(arguments.seeds, targets)
        else:
            print(f"{tables.folder()} has no nasbench201; the tables are left out")
    if arguments.only != "tables":
        compare_trainings(arguments.networks, targets)
    targets.check()


if __name__ == "__main__":
    main()
