"""How close searches come to the exact front of published tables within a budget, against the usual samplers.

    python -m benchmarks.search_quality [--problems NAME ...] [--methods NAME ...] [--seeds 20] [--evaluations 300]
                                        [--results FILE.jsonl] [--data FOLDER]

Target: ours reaches with half of the evaluations what the best peer reaches with all (median regret over the seeds),
on each problem. Problems and regret: `support/tables.py`; peers: `support/peers.py`. Ours is the product itself:
`gasearch.api.run` with a custom evaluator, a database of its own and nothing set but what the method's name says.

Every evaluation counts, also of a network that was asked before. "ms each" is CPU time per evaluation, everything
included; linear algebra that may use several threads (OMP_NUM_THREADS) spends many times as much. All methods are
seeded, so a run is the same whenever it is made; with --results each is appended to the file and never made again by
the same versions of the same code.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gasearch
from benchmarks.support import peers, tables
from benchmarks.support.timing import Targets, conditions

ROOT = Path(__file__).parents[1]
BUDGETS = (50, 100, 150, 200, 300, 500, 1000)  #: Evaluations after which a table shows the regret.

#: Ours: what the spec's `evolution` says.
OURS: dict[str, dict[str, Any]] = {
    "gasearch": {"surrogate": "full"},  # an answer from a table takes no time, which would bound the surrogate
    "gasearch:short": {},
    "gasearch:no-surrogate": {"surrogate": False},
    "gasearch:generational": {"mode": "generational"},
    "gasearch:nsga2-generational": {"algorithm": "nsga2", "mode": "generational", "surrogate": False},
    "gasearch:nsga3": {"algorithm": "nsga3", "surrogate": False},
    "gasearch:aging": {"algorithm": "aging", "surrogate": False},
    "gasearch:random": {"algorithm": "random", "surrogate": False},
}

#: With their own population, and with ours: at budgets this small it decides more than anything else about an NSGA-II.
PEERS = (
    "random",
    "params",
    "optuna-nsga2",
    "optuna-nsga2:24",
    "pymoo-nsga2",
    "pymoo-nsga2:24",
    "deap-nsga2",
    "deap-nsga2:24",
    "optuna-tpe",
    "optuna-tpe-multivariate",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a dear method gets at most."""

    evaluations: int
    seeds: int


#: The Gaussian process takes a quarter of a second per trial at 100 of them, and ever more; it runs where it is named.
LIMITS = {"optuna-gp": Limits(evaluations=100, seeds=5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a run's result is a function of."""

    problem: str
    method: str
    seed: int
    evaluations: int
    versions: str  #: Of the library, or a hash over our own sources.


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one search reached."""

    key: Key
    regrets: tuple[float, ...]  #: After each evaluation, 1..0.
    duplicates: int  #: Evaluations of networks evaluated before.
    cpu_seconds: float


class Results:
    """Runs by their key, in a file of one JSON object per line where there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._runs: dict[Key, Run] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                run = _run_from(line)
                self._runs[run.key] = run

    def get(self, key: Key) -> Run | None:
        """The run, if it was made before."""
        return self._runs.get(key)

    def add(self, run: Run) -> None:
        """Keep a run, in the file too."""
        self._runs[run.key] = run
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(_line_of(run) + "\n")


def _line_of(run: Run) -> str:
    fields = asdict(run)
    return json.dumps(fields.pop("key") | fields)


def _run_from(line: str) -> Run:
    fields = json.loads(line)
    key = Key(**{name: fields.pop(name) for name in Key.__dataclass_fields__})
    return Run(key=key, **fields | {"regrets": tuple(fields["regrets"])})


# --- runs ---


def make(key: Key) -> Run:
    """Make a run."""
    problem = tables.problem(key.problem)
    _ = problem.largest_hypervolume  # found once per problem, and no part of a run's time
    began = time.process_time()
    if key.method in OURS:
        ledger = search(problem, key.seed, key.evaluations, OURS[key.method])
    else:
        ledger = peers.run_peer(key.method, problem, seed=key.seed, evaluations=key.evaluations)
    seconds = time.process_time() - began
    return Run(
        key=key,
        regrets=tuple(round(regret, 6) for regret in problem.regrets(ledger.points)),
        duplicates=ledger.duplicates,
        cpu_seconds=round(seconds, 4),
    )


def search(problem: tables.TableProblem, seed: int, evaluations: int, evolution: Mapping[str, Any]) -> tables.Ledger:
    """Every network that a search of ours has evaluated, in the order of the calls."""
    from gasearch import api

    spec = {
        "name": "quality",
        "seed": seed,
        "task": {"evaluator": f"benchmarks.support.tables:{problem.name}"},
        "space": {
            "family": "custom",
            "decisions": {name: {"choices": list(options)} for name, options in problem.decisions.items()},
        },
        "objectives": dict.fromkeys(problem.objectives, "min"),
        "evolution": dict(evolution),
        "budget": {"evaluations": evaluations},
    }
    ledger = tables.Ledger(problem)
    with tempfile.TemporaryDirectory() as folder, tables.answered_by(ledger):
        api.run(spec, db=f"sqlite:///{folder}/quality.db", workers=0)
    return ledger


def versions(method: str) -> str:
    """What else the result of a method depends on."""
    return f"gasearch {gasearch.__version__} {sources()}" if method in OURS else peers.version(method)


@functools.cache
def sources() -> str:
    """A hash over our own code, so that no run by other code is taken for one by this."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted((ROOT / "gasearch").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def planned(problems: Sequence[str], methods: Sequence[str], seeds: int, evaluations: int) -> Iterator[Key]:
    """Every run, method by method, so that the cheap ones given first are done first."""
    for method, problem in itertools.product(methods, problems):
        limits = LIMITS.get(method, Limits(evaluations=evaluations, seeds=seeds))
        for seed in range(min(seeds, limits.seeds)):
            yield Key(
                problem=problem,
                method=method,
                seed=seed,
                evaluations=min(evaluations, limits.evaluations),
                versions=versions(method),
            )


def collect(keys: Iterable[Key], results: Results) -> list[Run]:
    """The runs, made where they aren't known yet."""
    runs = []
    for key in keys:
        run = results.get(key)
        if run is None:
            run = make(key)
            results.add(run)
        runs.append(run)
    return runs


# --- what is printed ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one method reached on one problem, over its seeds."""

    method: str
    runs: tuple[Run, ...]

    @property
    def evaluations(self) -> int:
        """The budget of each run."""
        return self.runs[0].key.evaluations

    def quartiles(self, evaluations: int) -> tuple[float, float, float]:
        """First quartile, median and third quartile of the regret after so many evaluations, in percent."""
        regrets = [100 * run.regrets[min(evaluations, len(run.regrets)) - 1] for run in self.runs]
        if len(regrets) == 1:
            return (regrets[0],) * 3
        low, middle, high = statistics.quantiles(regrets, n=4, method="inclusive")
        return low, middle, high

    def median(self, evaluations: int) -> float:
        """The median regret after so many evaluations, in percent."""
        return self.quartiles(evaluations)[1]

    def needed(self, regret: float) -> int | None:
        """The first number of evaluations with a median regret of at most that many percent; None where it has none."""
        return next((count for count in range(1, self.evaluations + 1) if self.median(count) <= regret), None)

    def __str__(self) -> str:
        cells = []
        for budget in BUDGETS:
            if budget <= self.evaluations:
                low, middle, high = self.quartiles(budget)
                cells.append(f"{middle:6.2f} ({low:.1f}-{high:.1f})")
        duplicates = statistics.mean(run.duplicates for run in self.runs)
        milliseconds = 1e3 * statistics.median(run.cpu_seconds / run.key.evaluations for run in self.runs)
        rest = f"{len(self.runs):>5} {duplicates:>10.1f} {milliseconds:>10.2f}"
        return f"{self.method:<28}" + "".join(f"{cell:>20}" for cell in cells) + rest


def rows_of(problem: str, runs: Iterable[Run]) -> list[Row]:
    """One row per method, in the order of the runs."""
    mine = [run for run in runs if run.key.problem == problem]
    return [
        Row(method=method, runs=tuple(run for run in mine if run.key.method == method))
        for method in dict.fromkeys(run.key.method for run in mine)
    ]


def show(problem: str, rows: Sequence[Row], evaluations: int) -> None:
    """Print the table of a problem."""
    budgets = [budget for budget in BUDGETS if budget <= evaluations]
    print(f"\n{problem}: regret in percent, median (quartiles) over the seeds")
    heads = "".join(f"{budget:>20}" for budget in budgets)
    print(f"{'evaluations':<28}{heads}{'seeds':>6}{'duplicates':>11}{'ms each':>11}")
    for row in rows:
        print(row)


def judge(problem: str, rows: Sequence[Row], evaluations: int, targets: Targets) -> None:
    """Say for each of ours what it reached with half of the evaluations that the best peer had."""
    rivals = [row for row in rows if row.method not in OURS and row.evaluations == evaluations]
    if not rivals:
        return
    best = min(rivals, key=lambda row: row.median(evaluations))
    aim, half = best.median(evaluations), evaluations // 2
    for row in rows:
        if row.method not in OURS:
            continue
        reached, needed = row.median(half), row.needed(aim)
        verdict = "reached" if reached <= aim else "missed"
        print(
            f"{row.method} at {half}: {reached:.2f} %, best peer ({best.method}) at {evaluations}: {aim:.2f} %: "
            f"{verdict}; it takes {needed or f'more than {evaluations}'} evaluations"
        )
        if row.method == "gasearch":
            targets.at_most(f"{problem}: the regret in percent of gasearch at {half}", reached, aim)


def main() -> None:
    """Run what is missing, print a table per problem, and exit with 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=list(tables.PROBLEMS), metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=["gasearch", *PEERS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--results", type=Path, help="a file of runs: read, and appended to")
    parser.add_argument("--data", type=Path, default=tables.folder(), help="the folder of tables")
    arguments = parser.parse_args()
    os.environ[tables.FOLDER_VARIABLE] = str(arguments.data)
    try:
        for problem in arguments.problems:
            tables.problem(problem)
    except FileNotFoundError as error:
        print(f"the tables of {problem} aren't there ({error.filename}): name their folder by --data")
        return
    except ValueError as error:
        parser.error(str(error))
    methods = [method for method in arguments.methods if is_available(method)]
    keys = planned(arguments.problems, methods, arguments.seeds, arguments.evaluations)
    runs = collect(keys, Results(arguments.results))
    print(conditions("numpy", "optuna", "deap"))
    targets = Targets()
    for problem in arguments.problems:
        rows = rows_of(problem, runs)
        show(problem, rows, arguments.evaluations)
        judge(problem, rows, arguments.evaluations, targets)
    targets.check()


def is_available(method: str) -> bool:
    """Whether a method can run here; says in a sentence why not."""
    library = None if method in OURS else peers.missing(method)
    if library is not None:
        print(f"{method} is left out: {library} isn't installed")
    return library is None


if __name__ == "__main__":
    sys.exit(main())
