"""CPU time of the controller per evaluation with all its parts, against Optuna's samplers on SQLite.

    python -m benchmarks.controller [--cases generational steady surrogate flat layered] [--evaluations 20000]
                                    [--seconds 0] [--optuna 500] [--population 200] [--parts]

Evaluations are free, so all that is measured is the controller: proposing, storing (SQLite in WAL mode,
synchronous=FULL, one transaction for the outcomes that are collected at once), front and hypervolume at each outcome,
completing. Eight evaluations are in flight, and end at once where none takes time; the population is 200, there are no
replicates. By default, in a custom space of 12 decisions with 16 options
each and three objectives:

    generational   without a surrogate
    steady         steady state without a surrogate
    surrogate      steady state with a surrogate, whose effort is bounded by what trainings take: --seconds, as they say

With everything on (rules for early stopping in every request, asking an earlier search of the same context for the
outcome) and trainings that take 2 s by their own word, of which the surrogate may use what it wants:

    flat           a custom space of 17 decisions with 8 options each, two objectives
    layered        CNNs on the shape of the digits with bits, sparsity, pruning and rank per layer; bytes are known
                   by arithmetic, accuracies are not

Figures are CPU time of this process, all threads, without that of the evaluations, over windows of evaluations. Optuna
gets the first of the spaces asked for on SQLite, one trial after another: NSGA-II with the same population, and TPE.
--parts prints where the time goes instead.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gasearch_workers.messages import (
    Blueprint,
    Calibration,
    Choices,
    CurvePoint,
    EvaluationRequest,
    EvaluationResult,
    Measurement,
    Network,
)

from benchmarks.asynchrony import SPACE, measure
from benchmarks.support.simulation import MEAN_S, VirtualClock, VirtualPool, duration_s
from benchmarks.support.timing import Targets, conditions
from gasearch.evolution.advice import SurrogateAdvisor
from gasearch.evolution.breeder import Breeder
from gasearch.evolution.surrogate.surrogate import Surrogate
from gasearch.jobs.setup import Setup, set_up
from gasearch.objectives.frontier import Frontier
from gasearch.search.early_stopping import EarlyStopping, stopped_by
from gasearch.search.log import SearchLog
from gasearch.search.loop import SearchLoop, Surroundings
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_archive
from gasearch.storage.sql_writer import SqlArchive

SLOTS = 8
DECISIONS, OPTIONS = 17, tuple(range(8))  #: Of the flat space.
WINDOW = 500  #: Evaluations that a figure is taken over.
GROWTH = 1.15  #: What the last windows may take, in those up to 1,000 evaluations: the noise of a machine with others.


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of search."""

    content: dict[str, Any]  #: Of its spec.
    answer: Callable[[Network, str], Measurement]
    most_ms: float  #: CPU per evaluation, at most.
    least_ratio: float = 0.0  #: Of Optuna's NSGA-II's CPU to ours, at least.
    seconds: float | None = None  #: What an evaluation takes by its own word; None: what --seconds says.


def flat_objectives(values: Sequence[Any]) -> tuple[float, float]:
    """Error and cost, in conflict."""
    error = sum((7 - value) ** 2 * (1 + index % 3) for index, value in enumerate(values))
    return float(error), float(sum(values))


def short_objectives(values: Sequence[Any]) -> tuple[float, float, float]:
    """Error, cost and delay, in conflict."""
    error = sum((15 - value) ** 2 * (1 + index % 3) for index, value in enumerate(values))
    delay = sum(value * value * (1 + index % 2) for index, value in enumerate(values))
    return float(error), float(sum(values)), float(delay)


def evaluate(choices: dict[str, Any], budget: object, report: object) -> dict[str, float]:
    """The evaluator that the specs of custom spaces name; the benchmark itself answers without it."""
    values = list(choices.values())
    if len(values) == DECISIONS:
        return dict(zip(("error", "cost"), flat_objectives(values), strict=True))
    return dict(zip(("error", "cost", "delay"), short_objectives(values), strict=True))


def answer_short(network: Network, key: str) -> Measurement:
    """The truth."""
    assert isinstance(network, Choices)
    error, cost, delay = short_objectives([value for _, value in network.values])
    return Measurement(others=(("cost", cost), ("delay", delay), ("error", error)))


def answer_flat(network: Network, key: str) -> Measurement:
    """At each rung a tenth too bad, at the end the truth."""
    assert isinstance(network, Choices)
    error, cost = flat_objectives([value for _, value in network.values])
    point = (("cost", cost), ("error", 1.1 * error + 1.0))
    curve = tuple(CurvePoint(epoch=step, train_loss=None, accuracy=None, metrics=point) for step in (1.0, 3.0))
    return Measurement(others=(("cost", cost), ("error", error)), curve=curve)


def answer_layered(network: Network, key: str) -> Measurement:
    """The made-up training of `asynchrony`, worse at each rung by what chance says."""
    assert isinstance(network, Blueprint)
    measured, rng = measure(network, key), random.Random(f"{key}/rungs")
    curve = []
    for step in (1.0, 3.0):
        early = (measured.accuracy or 0.0) * (1.0 - 0.2 / step) + rng.gauss(0.0, 0.05 / step)
        curve.append(CurvePoint(epoch=step, train_loss=None, accuracy=early, metrics=(("accuracy", early),)))
    return replace(measured, curve=tuple(curve))


def short(most_ms: float, least_ratio: float, **evolution: Any) -> Case:
    """A search of short trainings."""
    return Case(
        content={
            "task": {"evaluator": "benchmarks.controller:evaluate"},
            "space": {
                "family": "custom",
                "decisions": {f"x{number}": {"choices": list(range(16))} for number in range(12)},
            },
            "objectives": {"error": "min", "cost": "min", "delay": "min"},
            "evolution": evolution,
        },
        answer=answer_short,
        most_ms=most_ms,
        least_ratio=least_ratio,
    )


CASES = {
    "generational": short(0.35, 200, mode="generational", surrogate=False),
    "steady": short(0.6, 120, surrogate=False),
    "surrogate": short(5.0, 14),
    "flat": Case(
        content={
            "task": {"evaluator": "benchmarks.controller:evaluate"},
            "space": {
                "family": "custom",
                "decisions": {f"x{number}": {"choices": list(OPTIONS)} for number in range(DECISIONS)},
            },
            "objectives": {"error": "min", "cost": "min"},
            "early_stop": {"rungs": [1, 3]},
            "start": {"reuse": True},
        },
        answer=answer_flat,
        most_ms=10.0,
        seconds=2.0,
    ),
    "layered": Case(
        content={
            "task": {"dataset": "digits"},
            "space": SPACE,
            "objectives": {"accuracy": "max", "model_bytes": "min"},
            "recipe": {"epochs": 9},
            "start": {"reuse": True},
        },
        answer=answer_layered,
        most_ms=10.0,
        seconds=2.0,
    ),
}
SHORT = ("generational", "steady", "surrogate")


# --- ours -------------------------------------------------------------------------------------------------------


class Free:
    """An evaluator whose CPU time isn't counted, and that notes the controller's at the end of every window."""

    def __init__(self, answer: Callable[[Network, str], Measurement], seconds: float = MEAN_S) -> None:
        self.marks: list[float] = []
        self.stopped = 0
        self._answer, self._seconds = answer, seconds
        self._asked = 0
        self._own_s = 0.0

    @property
    def controller_s(self) -> float:
        """CPU time of this process without that of the evaluations."""
        return time.process_time() - self._own_s

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """The outcome, ended early where the request's rule says so."""
        began = time.process_time()
        if self._asked % WINDOW == 0:
            self.marks.append(self.controller_s)
        self._asked += 1
        measured = self._answer(request.network, request.key)
        stopped = None if request.stopping is None else stopped_by(request.stopping, measured)
        self.stopped += stopped is not None
        result = EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="free",
            device="none",
            started_at=0.0,
            finished_at=self._seconds * duration_s(0, request.key) / MEAN_S,
            outcome=stopped or measured,
        )
        self._own_s += time.process_time() - began
        return result

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """Refuse: nothing is timed."""
        raise NotImplementedError("this search measures no latency")


def make_setup(case: Case, *, evaluations: int, population: int) -> Setup:
    """A search without replicates."""
    evolution = case.content.get("evolution", {}) | {"population": population, "replicates": 0.0}
    fixed = {"name": "free", "seed": 1, "evolution": evolution, "budget": {"evaluations": evaluations}}
    return set_up(load_spec(case.content | fixed))


def run_ours(case: Case, *, evaluations: int, population: int, seconds: float = 0.0) -> Free:
    """Make a search; the marks are the controller's CPU time at the end of each window, and at the end."""
    setup = make_setup(case, evaluations=evaluations, population=population)
    free, clock = Free(case.answer, seconds if case.seconds is None else case.seconds), VirtualClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_archive(f"sqlite:///{folder}/ours.db", notice=lambda message: None)) as archive,
    ):
        new = setup.new_search()
        if new.context:
            archive.create_search(replace(new, name="earlier"), owner="benchmark/0", ttl_s=24 * 3600)
        SearchLoop(
            problem=setup.problem,
            budget=setup.budget,
            log=SearchLog(archive, archive.create_search(new, owner="benchmark/0", ttl_s=24 * 3600)),
            engine=setup.engine(),
            dispatcher=VirtualPool(free, slots=SLOTS, clock=clock),
            surroundings=Surroundings(clock=clock),
        ).run()
    free.marks.append(free.controller_s)
    return free


def measure_ours(name: str, arguments: argparse.Namespace, targets: Targets) -> float:
    """Print a case's figures; the mean in ms."""
    case, evaluations = CASES[name], arguments.evaluations
    free = run_ours(case, evaluations=evaluations, population=arguments.population, seconds=arguments.seconds)
    counts = [WINDOW] * (len(free.marks) - 2) + [(evaluations - 1) % WINDOW + 1]
    each = [
        1e3 * (after - before) / count
        for (before, after), count in zip(itertools.pairwise(free.marks), counts, strict=True)
    ]
    mean = 1e3 * (free.marks[-1] - free.marks[0]) / evaluations
    print(f"{name}: CPU ms per evaluation, per {WINDOW}: {' '.join(f'{value:.2f}' for value in each)}")
    first, last = statistics.fmean(each[:2]), statistics.median(each[-5:])
    print(
        f"{name}: {each[0]:.2f} ms over the first {counts[0]}, {first:.2f} up to 1,000, {last:.2f} at {evaluations}, "
        f"{mean:.2f} over all; {free.stopped} stopped",
        flush=True,
    )
    targets.at_most(f"{name}: CPU ms per evaluation up to 1,000", first, case.most_ms)
    targets.at_most(f"{name}: CPU ms per evaluation at {evaluations}", last, max(case.most_ms, GROWTH * first))
    targets.at_most(f"{name}: growth of the CPU per evaluation from 1,000 to {evaluations}", last / first, GROWTH)
    return mean


#: What is taken apart by --parts: no one of them calls another.
PARTS: tuple[tuple[type, str], ...] = (
    (Breeder, "brood"),
    (Breeder, "breed"),
    (Surrogate, "fit"),
    (SurrogateAdvisor, "choose"),
    (SurrogateAdvisor, "note"),
    (EarlyStopping, "rule"),
    (EarlyStopping, "note"),
    (EarlyStopping, "expected_end"),
    (Frontier, "note"),
    (SqlArchive, "add_candidates"),
    (SqlArchive, "add_evaluations"),
    (SqlArchive, "reusable"),
)


@contextmanager
def taking_time(seconds: dict[str, float]) -> Iterator[None]:
    """Add up the CPU time of each of the parts while it lasts."""
    originals = [getattr(owner, name) for owner, name in PARTS]
    for (owner, name), original in zip(PARTS, originals, strict=True):
        setattr(owner, name, _timed(original, f"{owner.__name__}.{name}", seconds))
    try:
        yield
    finally:
        for (owner, name), original in zip(PARTS, originals, strict=True):
            setattr(owner, name, original)


def _timed(method: Callable[..., Any], label: str, seconds: dict[str, float]) -> Callable[..., Any]:
    @functools.wraps(method)
    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return method(*arguments, **options)
        finally:
            seconds[label] = seconds.get(label, 0.0) + time.process_time() - began

    return timed


def show_parts(name: str, arguments: argparse.Namespace) -> None:
    """Print the CPU time of each part per evaluation, the dearest first."""
    seconds: dict[str, float] = {}
    with taking_time(seconds):
        free = run_ours(
            CASES[name],
            evaluations=arguments.evaluations,
            population=arguments.population,
            seconds=arguments.seconds,
        )
    whole = free.marks[-1] - free.marks[0]
    seconds["all the rest"] = whole - sum(seconds.values())
    print(f"{name}: {1e3 * whole / arguments.evaluations:.2f} ms per evaluation over {arguments.evaluations}")
    for label, part in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"  {label:<30}{1e3 * part / arguments.evaluations:>8.2f} ms{part / whole:>6.0%}")


# --- Optuna -----------------------------------------------------------------------------------------------------


def run_optuna(folder: Path, kind: str, name: str, *, trials: int, population: int) -> float:
    """CPU milliseconds per trial in a case's custom space, over all of them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {
        "NSGA-II": lambda: optuna.samplers.NSGAIISampler(population_size=population, seed=1),
        "TPE": lambda: optuna.samplers.TPESampler(seed=1),
    }
    objectives = flat_objectives if name == "flat" else short_objectives
    decisions = {name: decision["choices"] for name, decision in CASES[name].content["space"]["decisions"].items()}
    study = optuna.create_study(
        storage=f"sqlite:///{folder / f'{kind}.db'}",
        directions=["minimize"] * len(CASES[name].content["objectives"]),
        sampler=samplers[kind](),
    )

    def objective(trial: Any) -> tuple[float, ...]:
        return objectives([trial.suggest_categorical(*decision) for decision in decisions.items()])

    began = time.process_time()
    study.optimize(objective, n_trials=trials)
    return 1e3 * (time.process_time() - began) / trials


def compare(means: Mapping[str, float], arguments: argparse.Namespace, targets: Targets) -> None:
    """Print what Optuna takes in the first of the custom spaces, in our means over the cases in the same space."""
    name = next((name for name in means if name != "layered"), None)
    if name is None or not arguments.optuna:
        return
    ours = {other: mean for other, mean in means.items() if (other in SHORT) == (name in SHORT) and other != "layered"}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("NSGA-II", "TPE"):
            ms = run_optuna(Path(folder), kind, name, trials=arguments.optuna, population=arguments.population)
            ratios = ", ".join(f"{ms / mean:.1f} times {other}" for other, mean in ours.items())
            print(f"Optuna {kind}: {ms:.2f} ms per trial over {arguments.optuna} trials: {ratios}", flush=True)
            for other, mean in ours.items() if kind == "NSGA-II" else ():
                targets.at_least(f"{other}: Optuna's CPU in ours", ms / mean, CASES[other].least_ratio)


def main() -> None:
    """Print the figures of each case, then Optuna's; fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0.0, help="what an evaluation takes by its own word, mean")
    parser.add_argument("--optuna", type=int, default=500, help="trials of the peer, which is far slower")
    parser.add_argument("--population", type=int, default=200)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(SHORT))
    parser.add_argument("--parts", action="store_true", help="print where the time goes instead")
    arguments = parser.parse_args()
    print(f"{conditions('numpy', 'sqlalchemy', 'optuna')}; population {arguments.population}")
    if arguments.parts:
        for name in arguments.cases:
            show_parts(name, arguments)
        return
    targets = Targets()
    means = {name: measure_ours(name, arguments, targets) for name in arguments.cases}
    compare(means, arguments, targets)
    targets.check()


if __name__ == "__main__":
    sys.exit(main())
