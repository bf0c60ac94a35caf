"""How busy workers are kept without a barrier, and how much sooner that leads to the same front; in virtual time.

    python -m benchmarks.asynchrony [--workers 8 64] [--seeds 3] [--evaluations-per-worker 50]

The real loop with the real engines on a SQLite file, and `support/simulation.py` in place of workers: evaluations take
log-normal times (mean 2 s, sigma 1.0), outcomes come from a formula over the network's operations. CNNs on the digits'
shape, every layer with its own precision, sparsity, pruning and rank, so that many genes make the same network.

    steady-state, generational   ours; defaults but for replicates (0) and early stopping (off: durations are given)
    deap                         plain DEAP, NSGA-II as its example writes it: a generation, a barrier, the next one

Population 40, equal evaluations for all. Utilisation is busy time over workers x virtual time from the very start:
until the last evaluation began (*fed*), and until the last outcome (*whole*), which has the tail that no policy can
fill. *With the controller's time* is steady state again, on a clock that also runs with the CPU time that the
controller takes, proposals by the surrogate and commits included.

Targets: steady state is fed to 0.95, with the controller's time too; no network is evaluated twice; every child builds
another network than its parents. Equal are networks with equal plans, before pruning and after it.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from gasearch_workers.messages import Blueprint, Calibration, EvaluationRequest, EvaluationResult, Measurement
from gasearch_workers.network.costs import costs
from gasearch_workers.network.plan import plan

from benchmarks.support.loops import make_loop
from benchmarks.support.simulation import (
    MEAN_S,
    SIGMA,
    Job,
    Utilisation,
    VirtualClock,
    VirtualPool,
    duration_s,
    in_turn,
    utilisation,
)
from benchmarks.support.timing import Targets, conditions
from gasearch.jobs.setup import Setup, set_up
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import Scaling
from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.genome import Genome, make_genome
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_archive

POPULATION = 40
LEAST_FED = 0.95
SPACE = {
    "family": "cnn",
    "layers": [1, 4],
    "width": [8, 16, 24, 32, 48, 64],
    "kernel": [3, 5],
    "kind": ["conv", "separable", "residual"],
    "weight_bits": [2, 3, 4, 6, 8],
    "activation_bits": [4, 8],
    "sparsity": [0.0, 0.25, 0.5],
    "pruning": ["structured", "unstructured"],
    "rank": [0.25, 0.5, 1.0],
}


def make_setup(*, mode: str, seed: int, evaluations: int, **evolution: Any) -> Setup:
    """A search as its user would ask for it."""
    return set_up(
        load_spec(
            {
                "name": "asynchrony",
                "seed": seed,
                "task": {"dataset": "digits"},
                "space": SPACE,
                "objectives": {"accuracy": "max", "model_bytes": "min"},
                "evolution": {"mode": mode, "population": POPULATION, "replicates": 0.0} | evolution,
                "early_stop": False,
                "budget": {"evaluations": evaluations},
            }
        )
    )


# --- what networks come to --------------------------------------------------------------------------------------


def measure(network: Blueprint, key: str) -> Measurement:
    """A made-up training: more operations and more bits help, ever less; the key decides the luck."""
    found = costs(plan(network))
    luck = random.Random(key).gauss(0.0, 0.005)
    coarse = sum(layer.weight_bits == 2 for layer in network.layers) / len(network.layers)
    accuracy = 0.99 - 0.5 / math.sqrt(1.0 + found.bops / 1e6) - 0.03 * coarse + luck
    return Measurement(accuracy=min(1.0, max(0.0, accuracy)), model_bytes=found.model_bytes)


def wvalues(measured: Measurement) -> tuple[float, float]:
    """Greater is better."""
    assert measured.accuracy is not None
    return measured.accuracy, -float(measured.model_bytes or 0)


class Simulated:
    """Evaluations that take log-normal times."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """The made-up training of a request."""
        assert isinstance(request.network, Blueprint)
        return EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="simulated",
            device="none",
            started_at=0.0,
            finished_at=duration_s(self._seed, request.key),
            outcome=measure(request.network, request.key),
        )

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """Refuse: nothing is timed."""
        raise NotImplementedError("simulated workers measure no latency")


def built(genome: Genome, space: Space) -> tuple[Any, ...]:
    """All that a worker builds from a genome; equal for genomes that make the same network."""
    network = decode(genome, space)
    assert isinstance(network, Blueprint)
    return plan(network, is_pruned=False), plan(network)


# --- runs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One search in virtual time."""

    jobs: tuple[Job, ...]
    points: Mapping[str, tuple[float, float]]  #: The wvalues of each network, by its key.
    used: Utilisation
    duplicates: int  #: Evaluations of networks that were evaluated before.
    children: int
    changed: int  #: Of these, the ones that build another network than each of their parents.

    @property
    def seconds(self) -> float:
        """Until the last outcome."""
        return max(job.finished_at for job in self.jobs)

    def arrivals(self) -> list[tuple[float, Fitness]]:
        """What became known when, in the order of time."""
        ended = sorted(self.jobs, key=lambda job: job.finished_at)
        return [(job.finished_at, Fitness(values=self.points[job.key])) for job in ended]


def search(setup: Setup, *, slots: int, counts_cpu: bool = False) -> Run:
    """A search of ours."""
    clock = VirtualClock(counts_cpu=counts_cpu)
    pool = VirtualPool(Simulated(setup.spec.seed), slots=slots, clock=clock)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_archive(f"sqlite:///{folder}/search.db", notice=lambda message: None)) as archive,
    ):
        loop, lease = make_loop(setup, archive, pool, clock)
        clock.forgive()  # nothing of what was set up until here
        loop.run()
        candidates = list(archive.candidates(lease.search_id))
        points = {
            candidates[record.candidate].key: wvalues(record.result.outcome)
            for record in archive.evaluations(lease.search_id)
            if isinstance(record.result.outcome, Measurement)
        }
    genomes = [Genome(genes=candidate.genes, key=candidate.key) for candidate in candidates]
    networks = [built(genome, setup.space) for genome in genomes]
    children = [candidate for candidate in candidates if candidate.parents]
    return Run(
        jobs=tuple(pool.jobs),
        points=points,
        used=utilisation(pool.jobs, slots),
        duplicates=len(networks) - len(set(networks)),
        children=len(children),
        changed=sum(all(networks[child.number] != networks[parent] for parent in child.parents) for child in children),
    )


def plain_deap(space: Space, *, seed: int, slots: int, evaluations: int) -> Run:
    """Plain DEAP over the same genes, each generation given to the workers at once; its own time isn't counted."""
    from deap import base, tools

    class WValues(base.Fitness):
        weights = (1.0, 1.0)

    class Individual(list):  # type: ignore[type-arg]
        def __init__(self, genes: Sequence[int]) -> None:
            super().__init__(genes)
            self.fitness = WValues()

    jobs: list[Job] = []
    points: dict[str, tuple[float, float]] = {}
    networks: list[tuple[Any, ...]] = []

    def score(individuals: Sequence[Individual]) -> None:
        genomes = [make_genome(individual, space) for individual in individuals]
        for individual, genome in zip(individuals, genomes, strict=True):
            network = decode(genome, space)
            assert isinstance(network, Blueprint)
            points[genome.key] = individual.fitness.values = wvalues(measure(network, genome.key))
            networks.append(built(genome, space))
        began = max((job.finished_at for job in jobs), default=0.0)
        jobs.extend(in_turn([genome.key for genome in genomes], slots=slots, seed=seed, began=began))

    random.seed(seed)
    top = [size - 1 for size in space.sizes]
    parents = [Individual([random.randint(0, most) for most in top]) for _ in range(POPULATION)]
    score(parents)
    parents = tools.selNSGA2(parents, POPULATION)
    while len(jobs) < evaluations:
        children = [Individual(parent) for parent in tools.selTournamentDCD(parents, POPULATION)]
        for one, other in zip(children[::2], children[1::2], strict=True):
            if random.random() <= 0.9:
                tools.cxTwoPoint(one, other)
            for child in (one, other):
                tools.mutUniformInt(child, low=0, up=top, indpb=1 / len(top))
        score(children[: evaluations - len(jobs)])
        parents = tools.selNSGA2(parents + [child for child in children if child.fitness.valid], POPULATION)
    return Run(
        jobs=tuple(jobs),
        points=points,
        used=utilisation(jobs, slots),
        duplicates=len(networks) - len(set(networks)),
        children=0,
        changed=0,
    )


# --- volumes over time ------------------------------------------------------------------------------------------


def common_scaling(runs: Iterable[Run]) -> Scaling:
    """Over the front of all that any of the runs found."""
    front = ParetoFront()
    for number, (_, fitness) in enumerate(arrival for run in runs for arrival in run.arrivals()):
        front.add(number, fitness)
    return Scaling.of([Fitness(values=tuple(values)) for values in front.values.tolist()])


Curve = list[tuple[float, float]]  #: (virtual seconds, hypervolume) wherever the front changed.


def growth(run: Run, scaling: Scaling) -> Curve:
    """How the hypervolume grew."""
    front = ParetoFront()
    found = [(0.0, 0.0)]
    for number, (when, fitness) in enumerate(run.arrivals()):
        if front.add(number, fitness).entered:
            found.append((when, front.hypervolume(scaling)))
    return found


def reached_at(curve: Curve, volume: float) -> float:
    """When a run's hypervolume was that large first; infinite where it never was."""
    return next((when for when, here in curve if here >= volume), math.inf)


# --- what is printed --------------------------------------------------------------------------------------------


OWN_TIME = "with the controller's time"


def make_runs(slots: int, seeds: int, evaluations: int) -> dict[str, list[Run]]:
    """A run per seed of each method."""
    runs: dict[str, list[Run]] = {"steady-state": [], "generational": [], "deap": [], OWN_TIME: []}
    for seed in range(seeds):
        for mode in ("steady-state", "generational"):
            runs[mode].append(search(make_setup(mode=mode, seed=seed, evaluations=evaluations), slots=slots))
        setup = make_setup(mode="steady-state", seed=seed, evaluations=evaluations)
        runs["deap"].append(plain_deap(setup.space, seed=seed, slots=slots, evaluations=evaluations))
        runs[OWN_TIME].append(search(setup, slots=slots, counts_cpu=True))
    return runs


def show(slots: int, runs: Mapping[str, Sequence[Run]], targets: Targets) -> None:
    """Print what was reached with one number of workers."""
    scaling = common_scaling(run for found in runs.values() for run in found)
    curves = {name: [growth(run, scaling) for run in found] for name, found in runs.items()}
    print(f"\n{slots} workers, {len(runs['deap'][0].jobs)} evaluations, {len(runs['deap'])} seeds: median (least)")
    for name, found in runs.items():
        print(f"  {name:<27} {line(found, [curve[-1][1] for curve in curves[name]])}")
    for name in ("steady-state", OWN_TIME):
        fed = statistics.median(run.used.fed for run in runs[name])
        targets.at_least(f"{name}: share that {slots} workers are fed", fed, LEAST_FED)
    for name in ("generational", "deap"):
        print(f"  steady state against {name}: {sooner(curves['steady-state'], curves[name], runs[name])}")
    ours = [run for name, found in runs.items() if name != "deap" for run in found]
    children, changed = sum(run.children for run in ours), sum(run.changed for run in ours)
    print(f"  of {children} children of ours {changed} build another network than their parents")
    targets.at_most(f"networks evaluated twice with {slots} workers", sum(run.duplicates for run in ours), 0)
    targets.at_least(f"share of children that differ with {slots} workers", changed / children, 1.0)


def line(runs: Sequence[Run], volumes: Sequence[float]) -> str:
    """The figures of one method."""
    fed, whole = [run.used.fed for run in runs], [run.used.whole for run in runs]
    return (
        f"fed {statistics.median(fed):.3f} ({min(fed):.3f}), whole {statistics.median(whole):.3f} ({min(whole):.3f}), "
        f"{statistics.median(run.seconds for run in runs):.0f} s, hypervolume {statistics.median(volumes):.4f} "
        f"({min(volumes):.4f}), evaluated twice {sum(run.duplicates for run in runs)}"
    )


def sooner(ours: Sequence[Curve], theirs: Sequence[Curve], runs: Sequence[Run]) -> str:
    """How much earlier than another method ended its last hypervolume was reached, over all pairs of seeds."""
    factors = [
        run.seconds / reached_at(curve, other[-1][1]) for curve in ours for run, other in zip(runs, theirs, strict=True)
    ]
    never = sum(factor == 0.0 for factor in factors)
    return (
        f"its last hypervolume {statistics.median(factors):.2f} times sooner (median of {len(factors)} pairs of seeds; "
        f"never in {never})"
    )


def redundancy(space: Space, samples: int = 2000) -> float:
    """Share of random genomes that another choice of compression already made: what there is to be avoided."""
    rng = random.Random(0)
    drawn = [[rng.randrange(size) for size in space.sizes] for _ in range(samples)]
    return sum(space.conditioned(genes) != space.marked(genes) for genes in drawn) / samples


def main() -> None:
    """Print the tables; fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations-per-worker", type=int, default=50)
    arguments = parser.parse_args()
    print(f"{conditions('numpy', 'deap')}; durations log-normal, mean {MEAN_S:g} s, sigma {SIGMA:g}")
    space = make_setup(mode="steady-state", seed=0, evaluations=1).space
    print(f"{redundancy(space):.0%} of random genomes have a choice of compression that another one equals")
    targets = Targets()
    for slots in arguments.workers:
        show(slots, make_runs(slots, arguments.seeds, slots * arguments.evaluations_per_worker), targets)
    targets.check()


if __name__ == "__main__":
    sys.exit(main())
