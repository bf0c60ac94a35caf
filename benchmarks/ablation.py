"""What each part of a search adds where networks are really trained, against Optuna's NSGA-II on the same two workers.

    python -m benchmarks.ablation [--methods NAME ...] [--seeds 3] [--evaluations 300] [--epochs 9] [--latency]
                                  [--data FILE.npz] [--data-share 1.0] [--results FILE.jsonl] [--virtual]

CNNs with bits per layer, on the digits or on images of one's own; accuracy against model_bytes, with --latency measured
latency too. All methods share the space, the evaluator (`evaluate` in two Ray workers that stay for the whole
script, warm before the first run), the recipe and the number of evaluations.

    optuna-nsga2[:POPULATION]     NSGAIISampler (its own population is 50), define-by-run, asked as soon as a worker is
                                  free; all trainings go on to their end
    gasearch                      all parts: steady state, surrogate, early stopping, a tenth for replicates, and
                                  `recipe.inherit`, by which a third of the epochs, from the parents' weights, does
    gasearch:no-inheritance       all epochs, from scratch: the defaults of a spec that says nothing
    gasearch:no-surrogate, gasearch:no-early-stopping, gasearch:no-replicates
    gasearch:barrier              waits for whole generations

A run's hypervolume is that of all networks whose training was finished, by the validation accuracy of their first
training; replicates cost their time and bring nothing here. Selection saw these accuracies, for all methods alike. The
scale is common to all runs: from the best to the worst of the front of everything found. Wall time runs from the
first proposal to the last outcome.

Target: the last hypervolume of optuna-nsga2, reached by gasearch within a third of its wall time; the median over all
pairs of a seed of ours and one of Optuna's. With --results each run is appended to the file and never made again by
the same versions of the same code; wall times of runs made under different loads don't compare.

With --virtual the same trainings are made one after another in this process, and each takes the CPU time that it took
on one of two virtual workers, the controller its own: what two cores of one's own would do. For a machine with busy
neighbours, where wall time says nothing.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.metadata
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gasearch_workers.messages import EvaluationResult, Failure, FailureKind, Measurement

from benchmarks.support.loops import make_loop
from benchmarks.support.timing import Targets, conditions
from benchmarks.support.two_workers import WORKERS, RayWorkers, VirtualWorkers, Workers, request_of
from gasearch.jobs.setup import Setup, set_up
from gasearch.objectives.fitness import Fitness, fitness_of
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import Scaling
from gasearch.space.decisions import Space
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_archive

ROOT = Path(__file__).parents[1]
MOST_OF_WALL = 1 / 3
PEER = "optuna-nsga2"

_INHERIT = {"recipe": {"inherit": True}}
#: Ours: what the spec says beside the task; the epochs of "recipe" are a share of the full ones.
OURS: dict[str, dict[str, Any]] = {
    "gasearch": _INHERIT,
    "gasearch:no-inheritance": {},
    "gasearch:no-surrogate": _INHERIT | {"evolution": {"surrogate": False}},
    "gasearch:no-early-stopping": _INHERIT | {"early_stop": False},
    "gasearch:no-replicates": _INHERIT | {"evolution": {"replicates": 0.0}},
    "gasearch:barrier": _INHERIT | {"evolution": {"mode": "generational"}},
}
INHERITING_SHARE = 1 / 3

SPACE = {
    "family": "cnn",
    "layers": [1, 4],
    "width": [8, 16, 24, 32, 48, 64],
    "kernel": [3, 5],
    "kind": ["conv", "separable", "residual"],
    "weight_bits": [2, 3, 4, 6, 8],
    "activation_bits": [4, 8],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a run is made from."""

    method: str
    seed: int
    evaluations: int
    epochs: int
    data: str
    data_share: float
    has_latency: bool
    is_virtual: bool
    versions: str  #: Of Optuna or of our sources, and of the evaluator.


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One evaluation of a run."""

    seconds: float  #: Since the first proposal, when it ended.
    outcome: str  #: "measured", "replicate", or the kind of failure.
    epochs: float  #: That it was trained for.
    wvalues: tuple[float, ...] | None  #: Of a first training that was finished.


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One search."""

    key: Key
    points: tuple[Point, ...]  #: In the order of their ends.
    load: float  #: Of the machine, when it ended.

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.points[-1].seconds

    @property
    def cost(self) -> float:
        """Epochs trained as a share of full trainings."""
        return sum(point.epochs for point in self.points) / (self.key.epochs * len(self.points))

    def count(self, outcome: str) -> int:
        """How many evaluations came to that."""
        return sum(point.outcome == outcome for point in self.points)


# --- runs -------------------------------------------------------------------------------------------------------


def make_setup(key: Key) -> Setup:
    """What a method searches, as its user would ask for it."""
    extra = OURS.get(key.method, {})
    recipe = {"epochs": key.epochs, "batch_size": 64, "learning_rate": 0.005, "data_share": key.data_share}
    if extra.get("recipe", {}).get("inherit"):
        recipe["epochs"] = max(1, round(INHERITING_SHARE * key.epochs))
    objectives = {"accuracy": "max", "model_bytes": "min"} | ({"latency_ms": "min"} if key.has_latency else {})
    content = {
        "name": "ablation",
        "seed": key.seed,
        "task": {"dataset": key.data},
        "space": SPACE,
        "objectives": objectives,
        "budget": {"evaluations": key.evaluations},
    }
    return set_up(load_spec(content | extra | {"recipe": recipe | extra.get("recipe", {})}))


def make(key: Key, workers: Workers) -> Run:
    """Make a run on idle workers."""
    setup = make_setup(key)
    with tempfile.TemporaryDirectory() as folder:
        if key.method in OURS:
            points = search(setup, workers, Path(folder))
        else:
            points = ask_optuna(setup, workers, population=int(key.method.partition(":")[2] or 50))
    ordered = sorted(points, key=lambda point: point.seconds)
    return Run(key=key, points=tuple(ordered), load=round(os.getloadavg()[0], 1))


def search(setup: Setup, workers: Workers, folder: Path) -> list[Point]:
    """A search of ours in a database of its own, by the loop that `gasearch run` uses."""
    weights = folder / "weights"
    weights.mkdir()
    with closing(open_archive(f"sqlite:///{folder}/search.db", notice=lambda message: None)) as archive:
        pool, clock = workers.ready()
        began = clock()
        is_inheriting = setup.problem.recipe.is_inheriting
        loop, lease = make_loop(setup, archive, pool, clock, weights_folder=str(weights) if is_inheriting else None)
        loop.run()
        records = archive.evaluations(lease.search_id)
        return [point_of(record.result, setup, began, is_replicate=record.replicate > 0) for record in records]


def ask_optuna(setup: Setup, workers: Workers, *, population: int) -> list[Point]:
    """Optuna's NSGA-II; a study in memory, so that nothing but its sampler takes time."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objectives, evaluations = setup.problem.objectives, setup.budget.evaluations
    study = optuna.create_study(
        directions=["maximize"] * len(objectives),
        sampler=optuna.samplers.NSGAIISampler(population_size=population, seed=setup.spec.seed),
    )
    pool, clock = workers.ready()
    calibration = pool.calibrate(()) if setup.problem.measures else None
    began = clock()
    running: dict[int, optuna.Trial] = {}
    points: list[Point] = []
    while len(points) < evaluations:
        while pool.free > 0 and len(points) + len(running) < evaluations:
            trial = study.ask()
            genome = make_genome(decide(trial, setup.space), setup.space)
            running[trial.number] = trial
            pool.submit(request_of(genome, trial.number, setup, calibration))
        for result in pool.collect(1.0):
            trial = running.pop(result.attempt - 1)
            points.append(point_of(result, setup, began))
            wvalues = points[-1].wvalues
            study.tell(trial, wvalues, state=None if wvalues else optuna.trial.TrialState.FAIL)
    return points


def decide(trial: Any, space: Space) -> list[int]:
    """Genes by asking a trial for each decision that matters, the depth first; 0 for those that don't."""
    genes: list[int] = []
    expressed: list[bool] = []
    for number, (decision, needs) in enumerate(zip(space.decisions, space.needs, strict=True)):
        expressed.append(all(expressed[earlier] and genes[earlier] in options for earlier, options in needs))
        if not expressed[-1]:
            genes.append(0)
        elif number == space.depth:
            fewest, most = int(decision.options[0]), int(decision.options[-1])
            genes.append(trial.suggest_int(decision.name, fewest, most) - fewest)
        else:
            genes.append(decision.options.index(trial.suggest_categorical(decision.name, decision.options)))
    return genes


def point_of(result: EvaluationResult, setup: Setup, began: float, *, is_replicate: bool = False) -> Point:
    """What an outcome counts for."""
    epochs = float(setup.spec.recipe.epochs)
    seconds = round(result.finished_at - began, 3)
    match result.outcome:
        case Failure(kind=kind, curve=curve):
            trained = curve[-1].epoch if kind is FailureKind.STOPPED and curve else epochs
            return Point(seconds=seconds, outcome=kind.value, epochs=trained, wvalues=None)
        case Measurement() if is_replicate:
            return Point(seconds=seconds, outcome="replicate", epochs=epochs, wvalues=None)
        case measured:
            wvalues = fitness_of(measured, setup.problem.objectives, ()).values
            return Point(seconds=seconds, outcome="measured", epochs=epochs, wvalues=wvalues)


# --- keeping them -----------------------------------------------------------------------------------------------


class Results:
    """Runs by their key, in a file of one JSON object per line where there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._runs: dict[Key, Run] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                run = run_from(line)
                self._runs[run.key] = run

    def get_or_make(self, key: Key, make_run: Callable[[], Run]) -> Run:
        """The run, made and kept if it isn't known yet."""
        if key not in self._runs:
            run = self._runs[key] = make_run()
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps(asdict(run)) + "\n")
        return self._runs[key]


def run_from(line: str) -> Run:
    """The run that a line of the file holds."""
    fields = json.loads(line)
    points = [
        Point(**point | {"wvalues": point["wvalues"] and tuple(point["wvalues"])}) for point in fields.pop("points")
    ]
    return Run(key=Key(**fields.pop("key")), points=tuple(points), **fields)


@functools.cache
def versions(method: str) -> str:
    """What else a run is a function of."""
    torch = f"torch {importlib.metadata.version('torch')}"
    if method in OURS:
        return f"{torch} {sources('gasearch', 'workers')}"
    return f"optuna {importlib.metadata.version('optuna')} {torch} {sources('workers')}"


def sources(*packages: str) -> str:
    """A hash over our own code, so that no run by other code is taken for one by this."""
    digest = hashlib.blake2b(digest_size=6)
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


# --- what is printed --------------------------------------------------------------------------------------------

Curve = list[float]  #: The hypervolume after each evaluation.


def common_scaling(runs: Sequence[Run]) -> Scaling:
    """Over the front of all that any run found."""
    front = ParetoFront()
    for number, point in enumerate(point for run in runs for point in run.points):
        if point.wvalues is not None:
            front.add(number, Fitness(values=point.wvalues))
    return Scaling.of([Fitness(values=tuple(values)) for values in front.values.tolist()])


def growth(run: Run, scaling: Scaling) -> Curve:
    """How a run's hypervolume grew."""
    front = ParetoFront()
    curve: Curve = []
    for number, point in enumerate(run.points):
        is_new = point.wvalues is not None and front.add(number, Fitness(values=point.wvalues)).entered
        curve.append(front.hypervolume(scaling) if is_new else curve[-1] if curve else 0.0)
    return curve


def needed(run: Run, curve: Curve, volume: float) -> tuple[float, float]:
    """(evaluations, wall seconds) until a hypervolume was reached; infinite where it never was."""
    for number, here in enumerate(curve):
        if here >= volume:
            return float(number + 1), run.points[number].seconds
    return math.inf, math.inf


def show(runs: dict[str, list[Run]], targets: Targets) -> None:
    """A line per method, and the target."""
    scaling = common_scaling([run for found in runs.values() for run in found])
    curves = {method: [growth(run, scaling) for run in found] for method, found in runs.items()}
    print(
        f"{'':<30}{'hypervolume (range)':>24}{'wall s':>8}{'cost':>6}{'stopped':>8}{'again':>6}{'failed':>7}"
        f"{'to ' + PEER + chr(39) + 's last: evaluations':>38}{'wall s':>8}{'share':>7}{'load':>6}"
    )
    for method, found in runs.items():
        last = [curve[-1] for curve in curves[method]]
        volumes = f"{statistics.median(last):.4f} ({min(last):.4f}-{max(last):.4f})"
        middle = [statistics.median(run.count(what) for run in found) for what in ("stopped", "replicate", "measured")]
        failed = len(found[0].points) - sum(middle)
        print(
            f"{method:<30}{volumes:>24}{statistics.median(run.seconds for run in found):>8.1f}"
            f"{statistics.median(run.cost for run in found):>6.2f}{middle[0]:>8.0f}{middle[1]:>6.0f}{failed:>7.0f}",
            end="",
        )
        if PEER not in runs:
            print()
            continue
        pairs = [
            (*needed(run, curve, other_curve[-1]), other.seconds)
            for run, curve in zip(found, curves[method], strict=True)
            for other, other_curve in zip(runs[PEER], curves[PEER], strict=True)
        ]
        share = statistics.median(seconds / wall for _, seconds, wall in pairs)
        print(
            f"{statistics.median(pair[0] for pair in pairs):>38.1f}{statistics.median(pair[1] for pair in pairs):>8.1f}"
            f"{share:>7.2f}{statistics.median(run.load for run in found):>6.1f}"
        )
        if method == "gasearch":
            targets.at_most(f"share of {PEER}'s wall time to its last hypervolume", share, MOST_OF_WALL)


def main() -> None:
    """Run what is missing, print a line per method, and exit with 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=[PEER, f"{PEER}:24", *OURS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--latency", action="store_true", help="measured latency as a third objective")
    parser.add_argument("--data", default="digits", help="images as an .npz file; the digits where it isn't given")
    parser.add_argument("--data-share", type=float, default=1.0, help="share of the training split")
    parser.add_argument("--virtual", action="store_true", help="CPU time in place of wall time; for a busy machine")
    parser.add_argument("--results", type=Path, help="a file of runs: read, and appended to")
    arguments = parser.parse_args()
    for method in arguments.methods:
        if method not in OURS and method.partition(":")[0] != PEER:
            parser.error(f"there is no method {method!r}; there are {PEER}, {PEER}:POPULATION, {', '.join(OURS)}")
    results = Results(arguments.results)
    keys = [  # method after method for each seed, so that a slow spell of the machine meets all of them
        Key(
            method=method,
            seed=seed,
            evaluations=arguments.evaluations,
            epochs=arguments.epochs,
            data=arguments.data,
            data_share=arguments.data_share,
            has_latency=arguments.latency,
            is_virtual=arguments.virtual,
            versions=versions(method),
        )
        for seed in range(arguments.seeds)
        for method in arguments.methods
    ]
    print(
        f"{conditions('torch', 'ray', 'optuna')}; {WORKERS} workers, {arguments.epochs} epochs, {arguments.data}; "
        f"{'virtual time' if arguments.virtual else 'wall time'}"
    )
    runs: dict[str, list[Run]] = {method: [] for method in arguments.methods}
    with closing((VirtualWorkers if arguments.virtual else RayWorkers)(make_setup(keys[0]))) as workers:
        for key in keys:
            run = results.get_or_make(key, functools.partial(make, key, workers))
            runs[key.method].append(run)
            print(f"  {key.method}, seed {key.seed}: {run.seconds:.1f} s, load {run.load}", flush=True)
    targets = Targets()
    show(runs, targets)
    targets.check()


if __name__ == "__main__":
    sys.exit(main())
