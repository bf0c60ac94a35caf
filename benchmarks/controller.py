"""CPU time of the controller per evaluation, with a durable commit for each, against Optuna's NSGA-II on SQLite.

    python benchmarks/controller.py [--evaluations 10000] [--optuna 300]

The evaluator is free, so all that is measured is the controller: proposing, storing (SQLite in WAL mode,
synchronous=FULL, one transaction per outcome), keeping the front, telling. Same space, objectives and population for
both. CPU time of the process, all threads.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
import tempfile
import time
from pathlib import Path

from gasearch.dispatch.in_process import InProcess
from gasearch.evolution.generational import GenerationalEngine
from gasearch.fitness import Objective
from gasearch.ownership import StopSignal
from gasearch.progress import Silent
from gasearch.search import Problem, SearchBudget, SearchLoop
from gasearch.space.decisions import Decision, Space
from gasearch.space.genome import expressed_choices
from gasearch.storage.records import NewSearch
from gasearch.storage.sql import open_archive
from workers.messages import Choices, EvaluationRequest, EvaluationResult, Measurement, Recipe, Task

GENES = 17
OPTIONS = tuple(range(8))


def space() -> Space:
    decisions = tuple(Decision(name=f"x{number}", options=OPTIONS) for number in range(GENES))
    return Space(family="custom", decisions=decisions)


def objectives(values: list[float]) -> tuple[float, float]:
    cost = sum(values)
    error = sum((7 - value) ** 2 * (1 + index % 3) for index, value in enumerate(values))
    return float(error), float(cost)


class Free:
    """An evaluator that costs next to nothing, and notes the CPU time at every 1,000th evaluation."""

    def __init__(self) -> None:
        self.asked = 0
        self.marks: list[float] = []

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """The objectives of the choices."""
        assert isinstance(request.network, Choices)
        if self.asked % 1000 == 0:
            self.marks.append(time.process_time())
        self.asked += 1
        error, cost = objectives([value for _, value in request.network.values])
        return EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="free",
            device="none",
            started_at=0.0,
            finished_at=0.0,
            outcome=Measurement(others=(("cost", cost), ("error", error))),
        )

    def calibrate(self, known):
        """Refuse: nothing is timed."""
        raise NotImplementedError("this search measures no latency")


def run_ours(folder: Path, evaluations: int, population: int) -> list[float]:
    """CPU microseconds per evaluation in each successive thousand."""
    archive = open_archive(f"sqlite:///{folder / 'ours.db'}", notice=lambda message: None)
    genes = space()
    problem = Problem(
        name="free",
        seed=1,
        task=Task(kind=None, evaluator="none:none"),
        recipe=Recipe(),
        objectives=(Objective(metric="error", is_maximized=False), Objective(metric="cost", is_maximized=False)),
        limits=(),
        decode=lambda genome: Choices(values=tuple(expressed_choices(genome.genes, genes).items())),
    )
    new = NewSearch(
        name="free",
        spec_json="{}",
        spec_hash="",
        objectives=(("error", False), ("cost", False)),
        space_fingerprint=genes.fingerprint,
        space_size=float(len(OPTIONS) ** GENES),
        data_json="{}",
        version="benchmark",
    )
    free = Free()
    SearchLoop(
        problem=problem,
        budget=SearchBudget(evaluations=evaluations),
        archive=archive,
        lease=archive.create_search(new, owner="benchmark/0", ttl_s=3600),
        engine=GenerationalEngine(genes, seed=1, population=population),
        dispatcher=InProcess(free),
        observer=Silent(),
        stop=StopSignal(),
    ).run()
    marks = [*free.marks, time.process_time()]
    archive.close()
    return [1e3 * (after - before) for before, after in itertools.pairwise(marks)]


def run_optuna(folder: Path, evaluations: int, population: int) -> float:
    """CPU microseconds per trial, over all of them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'optuna.db'}",
        directions=["minimize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(population_size=population, seed=1),
    )

    def evaluate(trial):
        return objectives([trial.suggest_categorical(f"x{number}", OPTIONS) for number in range(GENES)])

    began = time.process_time()
    study.optimize(evaluate, n_trials=evaluations)
    return 1e6 * (time.process_time() - began) / evaluations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--optuna", type=int, default=300, help="trials of the peer, which is far slower")
    parser.add_argument("--population", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ours = run_ours(Path(name), arguments.evaluations, arguments.population)
        peer = run_optuna(Path(name), arguments.optuna, arguments.population)
    mean = sum(ours) / len(ours)
    print(f"Python {platform.python_version()}, {GENES} genes, population {arguments.population}, SQLite WAL FULL")
    print(f"gasearch, CPU us per evaluation, per thousand: {' '.join(f'{value:.0f}' for value in ours)}")
    print(
        f"gasearch {mean:.0f} us, Optuna NSGA-II {peer:.0f} us over {arguments.optuna} trials: {peer / mean:.0f} times"
    )
    print(f"growth, last thousand over first: {ours[-1] / ours[0]:.2f}")


if __name__ == "__main__":
    sys.exit(main())
