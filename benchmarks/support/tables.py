"""Published tables of trained and measured networks as search problems whose exact front, and regret, are known.

A problem is a space of decisions, a look-up that answers each of its genomes, and a distance from the best that there
is: regret = 1 - hypervolume / hypervolume of the whole table's front. Volumes are taken as each table's
`reference.json` takes them: objectives scaled from the ideal (0) to the nadir (1) of the exact front, reference point
1.1 in each; networks whose error is above the cap may be visited and score nothing.

The names of problems, and of evaluators for a spec's `task.evaluator` ("benchmarks.support.tables:NAME"):

    nasbench201_{cifar10,cifar100}_DEVICE   6 edges of 5 operations, error against latency on one of 13 devices
    nasbench201_cifar10_flops               the same cells, error against multiply-adds
    nasbench_macro                          8 layers of 3 blocks, error against multiply-adds
    accel_nasbench_pool                     28 decisions, error against latency on a ZCU102; each row answers once
    accel_nasbench                          the same, where rows answer again and again

**Accel-NASBench is a pool.** Its 5,123 networks are a random sample of a space of 1e11; most genomes are in no table.
A genome is answered with the row nearest to it: least sum over the decisions of the steps between the options' places,
of equally near ones the first row. A search of a pool doesn't evaluate a row again, so in `accel_nasbench_pool` it is
the nearest row *not yet evaluated in this run*; that treats all methods alike, and every evaluation shows one more row.
What a genome is answered with then depends on what was asked before it. `accel_nasbench` is a function without memory
instead, but one of large plateaus: of 300 evaluations NSGA-II spends 50 on rows that it knows, TPE 230, and regret then
measures how a method deals with plateaus.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import gzip
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gasearch.objectives.fitness import Fitness
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import REFERENCE, Scaling, rank

FOLDER_VARIABLE = "GASEARCH_BENCHMARK_DATA"  #: Names the folder of tables, for evaluators in other processes too.
DEFAULT_FOLDER = Path("data")

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("e01", "e02", "e12", "e03", "e13", "e23")
BLOCKS = ("identity", "kernel3_expansion3", "kernel5_expansion6")

#: Percent; the caps of the tables' reference.json.
ERROR_CAPS = {"cifar10": 20.0, "cifar100": 50.0, "macro": 15.0, "accel": 45.0}

#: What the benchmark runs by itself.
PROBLEMS = (
    "nasbench201_cifar100_1080ti_1",
    "nasbench201_cifar10_silver_4114",
    "nasbench201_cifar10_pixel3",
    "nasbench201_cifar100_samsung_a50",
    "nasbench201_cifar100_titanx_256",
    "nasbench_macro",
    "accel_nasbench_pool",
)

Choices = tuple[Any, ...]  #: One option per decision.


@dataclass(frozen=True, kw_only=True)
class TableProblem:
    """A table of networks to be searched; all objectives are minimized."""

    name: str
    decisions: Mapping[str, tuple[Any, ...]]  #: Options by the decision's name; numbers that ascend are an order.
    objectives: tuple[str, ...]  #: Metrics; `error` in percent is the first.
    error_cap: float  #: Networks with a larger error score nothing.
    networks: tuple[Choices, ...]  #: The table's rows.
    metrics: tuple[Mapping[str, float], ...]  #: What is known of each row; exact counts besides the objectives.
    is_pool: bool = False  #: Whether the rows are only a part of the space; a genome stands for the row nearest to it.
    is_used_up: bool = False  #: Whether a row of a pool answers only once in a run.
    _rows: dict[Choices, int] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for row, network in enumerate(self.networks):
            self._rows.setdefault(network, row)

    @property
    def size(self) -> int:
        """Number of genomes."""
        return math.prod(map(len, self.decisions.values()))

    # --- to be searched ---

    def evaluate(self, choices: Mapping[str, Any]) -> dict[str, float]:
        """The metrics of a genome, given as an option per decision."""
        return dict(self.metrics[self.row(tuple(choices[name] for name in self.decisions))])

    def row(self, network: Choices) -> int:
        """Which row answers a genome.

        Raises:
            KeyError: for a genome that is not in a table of the whole space.
        """
        row = self._rows.get(network)
        if row is None:
            if not self.is_pool:
                raise KeyError(f"{self.name} has no network {network!r}")
            row = self._rows[network] = int(self.steps(network).argmin())
        return row

    def steps(self, network: Choices) -> np.ndarray:
        """(rows,) steps between the places of a genome's options and those of each row, in all."""
        steps: np.ndarray = np.abs(self._matrix - np.array(self._placed(network), dtype=np.int8)).sum(axis=1)
        return steps

    def costs(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """The objectives of an answer, in their order."""
        return tuple(metrics[name] for name in self.objectives)

    # --- to be scored ---

    def regret(self, points: Iterable[Sequence[float]]) -> float:
        """How much of the largest hypervolume the points miss: 0 for the exact front, 1 for nothing that scores.

        Args:
            points: Costs per point, in the order of `objectives`.
        """
        return self.regrets(points)[-1] if (points := list(points)) else 1.0

    def regrets(self, points: Iterable[Sequence[float]]) -> list[float]:
        """The regret after each of the points, in their order."""
        front = ParetoFront()
        curve: list[float] = []
        for number, costs in enumerate(points):
            change = front.add(number, _wvalue(costs)) if costs[0] <= self.error_cap else None
            if change is not None and change.entered:
                curve.append(1.0 - front.hypervolume(self.scaling) / self.largest_hypervolume)
            else:
                curve.append(curve[-1] if curve else 1.0)
        return curve

    @functools.cached_property
    def front(self) -> tuple[tuple[float, ...], ...]:
        """The costs under the cap that no other network's dominate; equal ones once, in the order of the table."""
        costs = np.array([self.costs(metrics) for metrics in self.metrics])
        costs = costs[costs[:, 0] <= self.error_cap]
        return tuple(dict.fromkeys(map(tuple, costs[rank(-costs) == 0].tolist())))

    @functools.cached_property
    def scaling(self) -> Scaling:
        """From the ideal of the exact front to a reference point a little behind its nadir."""
        ideal = tuple(min(column) for column in zip(*self.front, strict=True))
        nadir = tuple(max(column) for column in zip(*self.front, strict=True))
        reference = (best + REFERENCE * (worst - best) for best, worst in zip(ideal, nadir, strict=True))
        return Scaling(ideal=tuple(-cost for cost in ideal), reference=tuple(-cost for cost in reference))

    @functools.cached_property
    def largest_hypervolume(self) -> float:
        """Of the exact front: `hv_norm_max` of the table's reference.json."""
        return self.scaling.hypervolume(-np.array(self.front))

    # --- the pool ---

    @functools.cached_property
    def _places(self) -> tuple[dict[Any, int], ...]:
        """Per decision the place of each option."""
        return tuple({option: place for place, option in enumerate(options)} for options in self.decisions.values())

    @functools.cached_property
    def _matrix(self) -> np.ndarray:
        """(rows, decisions) places of the rows' options."""
        return np.array([self._placed(network) for network in self.networks], dtype=np.int8)

    def _placed(self, network: Choices) -> list[int]:
        return [places[option] for places, option in zip(self._places, network, strict=True)]


class Ledger:
    """Answers one run from a table, and keeps what was asked and which rows answered."""

    def __init__(self, problem: TableProblem) -> None:
        self.problem = problem
        self.asked: list[Choices] = []
        self.rows: list[int] = []

    def answer(self, network: Choices) -> Mapping[str, float]:
        """The metrics of a genome.

        Raises:
            KeyError: for a genome that is not in a table of the whole space.
        """
        row = self._fresh(network) if self.problem.is_used_up else self.problem.row(network)
        self.asked.append(network)
        self.rows.append(row)
        return self.problem.metrics[row]

    def _fresh(self, network: Choices) -> int:
        steps = self.problem.steps(network)
        steps[self.rows] = steps.max() + 1
        return int(steps.argmin())

    @property
    def points(self) -> list[tuple[float, ...]]:
        """The costs of what was asked."""
        return [self.problem.costs(self.problem.metrics[row]) for row in self.rows]

    @property
    def duplicates(self) -> int:
        """Evaluations of genomes that had been asked before."""
        return len(self.asked) - len(set(self.asked))


def _wvalue(costs: Sequence[float]) -> Fitness:
    return Fitness(values=tuple(-cost for cost in costs))


# --- the problems by name ---


def problem(name: str) -> TableProblem:
    """A problem by its name, read from the folder of tables once per process.

    Raises:
        ValueError: if there is none of that name.
        FileNotFoundError: if its table isn't there.
    """
    return _problem(name, folder())


def folder() -> Path:
    """Where the tables lie."""
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)


def __getattr__(name: str) -> Callable[..., dict[str, float]]:
    """The evaluator of the problem of that name."""
    try:
        return _evaluator(name)
    except ValueError as error:
        raise AttributeError(str(error)) from None


@functools.cache
def _evaluator(name: str) -> Callable[..., dict[str, float]]:
    found = problem(name)

    def evaluate(choices: dict[str, Any], budget: object, report: object) -> dict[str, float]:
        network = tuple(choices[decision] for decision in found.decisions)
        ledger = _ledgers[-1] if _ledgers else Ledger(found)
        return dict(ledger.answer(network))

    return evaluate


@contextlib.contextmanager
def answered_by(ledger: Ledger) -> Iterator[None]:
    """Let the evaluators of this process answer from one ledger while it lasts: a run with workers in this process."""
    _ledgers.append(ledger)
    try:
        yield
    finally:
        _ledgers.pop()


_ledgers: list[Ledger] = []


@functools.cache
def _problem(name: str, tables: Path) -> TableProblem:
    family, _, rest = name.partition("_")
    match family, rest:
        case "nasbench201", rest if rest.partition("_")[0] in ("cifar10", "cifar100"):
            dataset, _, device = rest.partition("_")
            return _nasbench201(name, tables / "nasbench201", dataset, device)
        case "nasbench", "macro":
            return _nasbench_macro(name, tables / "nasbench_macro")
        case "accel", "nasbench" | "nasbench_pool":
            return _accel_nasbench(name, tables / "accel_nasbench", is_used_up=rest.endswith("pool"))
    raise ValueError(f"there is no problem {name!r}; there are {', '.join(PROBLEMS)}, and other devices of nasbench201")


def _nasbench201(name: str, tables: Path, dataset: str, device: str) -> TableProblem:
    cells = _rows(tables / "architectures.csv.gz")
    accuracies = _rows(tables / "accuracy.csv.gz")
    latencies = _rows(tables / "latency_ms.csv.gz")
    devices = [column for column in latencies[0] if column != "arch_idx"]
    if device not in (*devices, "flops"):
        raise ValueError(f"nasbench201 has no device {device!r}; it has flops, {', '.join(devices)}")
    metrics = [
        {
            "error": 100.0 - float(accuracy[f"{dataset}_test_ep200"]),
            "params": int(cell["params"]),
            "flops": int(cell["flops"]),
        }
        | ({} if device == "flops" else {"latency_ms": float(latency[device])})
        for cell, accuracy, latency in zip(cells, accuracies, latencies, strict=True)
    ]
    return TableProblem(
        name=name,
        decisions=dict.fromkeys(EDGES, OPERATIONS),
        objectives=("error", "flops" if device == "flops" else "latency_ms"),
        error_cap=ERROR_CAPS[dataset],
        networks=tuple(tuple(OPERATIONS[int(cell[edge])] for edge in EDGES) for cell in cells),
        metrics=tuple(metrics),
    )


def _nasbench_macro(name: str, tables: Path) -> TableProblem:
    rows = _rows(tables / "table.csv.gz")
    layers = [f"l{number}" for number in range(8)]
    return TableProblem(
        name=name,
        decisions={f"layer{number}": BLOCKS for number in range(8)},
        objectives=("error", "flops"),
        error_cap=ERROR_CAPS["macro"],
        networks=tuple(tuple(BLOCKS[int(row[layer])] for layer in layers) for row in rows),
        metrics=tuple(
            {"error": 100.0 - float(row["mean_acc"]), "params": int(row["params"]), "flops": int(row["flops"])}
            for row in rows
        ),
    )


def _accel_nasbench(name: str, tables: Path, *, is_used_up: bool) -> TableProblem:
    """Two rows have no latency; of 13 networks that were trained twice the first training counts."""
    columns = [f"block{block}_{part}" for block in range(7) for part in ("e", "k", "l", "se")]
    rows: dict[Choices, Mapping[str, float]] = {}
    for row in _rows(tables / "table.csv.gz"):
        if row["latency_zcu102"]:
            metrics = {
                "error": 100.0 - float(row["val_top1"]),
                "latency_ms": float(row["latency_zcu102"]),
                "params": round(1e6 * float(row["params"])),
                "macs": round(1e6 * float(row["macs"])),
            }
            rows.setdefault(tuple(int(row[column]) for column in columns), metrics)
    options = {column: tuple(sorted({network[place] for network in rows})) for place, column in enumerate(columns)}
    return TableProblem(
        name=name,
        decisions=options,
        objectives=("error", "latency_ms"),
        error_cap=ERROR_CAPS["accel"],
        networks=tuple(rows),
        metrics=tuple(rows.values()),
        is_pool=True,
        is_used_up=is_used_up,
    )


@functools.cache
def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
