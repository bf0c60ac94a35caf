"""How soon a long search goes on after an interruption, and how much memory that takes; against Optuna.

    python -m benchmarks.resume [--evaluations 100000] [--cases ...] [--optuna 2000] [--real 2000] [--stores FOLDER]

For each case a store is made by the real loop and its statements, with cheap proposals and few commits (see
`support/long_search.py`), as a kill would leave it: eight evaluations or a generation in flight. Then `gasearch resume`
runs in a fresh process, with a dispatcher that ends it at the first request.

    flat        a custom space of 17 decisions, two objectives; nothing is known by arithmetic
    layered     CNNs with bits, sparsity, pruning and rank per layer; the model's bytes are known by arithmetic
    stopping    the same with rules for early stopping, by which nine tenths of these made-up trainings end
    generations in generations, not steadily
    200         the population, where it isn't 24
    again       the budget is spent with further trainings of the front's members, and extended

All but the flat ones keep what replicates need. Figures are CPU time of that process from `go_on` to the first request,
all threads (wall time beside it), and its peak resident memory, Ray's library loaded. Targets: 10 s and 600 MB.

The peer loads a study of NSGA-II from SQLite, and asks for a trial; the ratio is of the CPU times per trial and per
evaluation. --real evaluations are also run by the real engine, to show that such a store is read no slower. --stores
keeps the files in a folder, and uses those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.controller import CASES as SEARCHES
from benchmarks.controller import Free
from benchmarks.support.long_search import write_long_search
from benchmarks.support.timing import Targets, conditions
from gasearch.jobs.setup import Setup, set_up
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader

MOST_S, MOST_MB = 10.0, 600.0
DECISIONS, OPTIONS = 17, tuple(range(8))  #: Of the flat space.
NAME = "long"
POPULATION = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of search to resume."""

    search: str  #: One of `benchmarks.controller`.
    is_stopping: bool = False
    mode: str = "steady-state"
    population: int = POPULATION
    is_spent: bool = False


CASES = {
    "flat": Case(search="flat"),
    "flat-stopping-200": Case(search="flat", is_stopping=True, population=200),
    "layered": Case(search="layered"),
    "layered-stopping": Case(search="layered", is_stopping=True),
    "layered-200": Case(search="layered", population=200),
    "layered-again": Case(search="layered", is_spent=True),
    "generations": Case(search="layered", mode="generational"),
    "generations-stopping-200": Case(search="layered", is_stopping=True, mode="generational", population=200),
}


def make_setup(case: Case, evaluations: int) -> Setup:
    """The search as its user would ask for it."""
    content: dict[str, Any] = dict(SEARCHES[case.search].content)
    content["early_stop"] = content.get("early_stop", {"rungs": "auto"}) if case.is_stopping else {"rungs": "off"}
    budget = evaluations if case.is_spent else 2 * evaluations
    return set_up(
        load_spec(
            content
            | {
                "name": NAME,
                "seed": 1,
                "evolution": {"population": case.population, "mode": case.mode},
                "budget": {"evaluations": budget},
                "workers": {"count": 0},
            }
        )
    )


def make_store(case: Case, path: Path, evaluations: int, *, is_real: bool = False) -> None:
    """A store of so many evaluations, from the real engine or from one that hardly thinks."""
    setup = make_setup(case, evaluations)
    evaluate = Free(SEARCHES[case.search].answer).evaluate
    engine = setup.engine() if is_real else None
    write_long_search(setup, f"sqlite:///{path}", evaluations=evaluations, evaluate=evaluate, engine=engine)


# --- in a fresh process -----------------------------------------------------------------------------------------


class FirstRequest:
    """A `Dispatcher` that prints what it took until now, and ends the process, when it is asked to evaluate."""

    slots, free, in_flight = 8, 8, 0

    def __init__(self) -> None:
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def submit(self, request: object) -> None:
        """Print and end."""
        report(self._cpu_s, self._wall_s)

    def close(self) -> None:
        """Nothing is open."""


def report(cpu_s: float, wall_s: float) -> None:
    """Print the figures of this process since then, and end it."""
    figures = {"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - wall_s, "peak_mb": peak_mb()}
    print(json.dumps(figures), flush=True)
    os._exit(0)


def peak_mb() -> float:
    """Peak resident memory of this process image: `getrusage` would count the parent's until the exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def resume(path: str, evaluations: int) -> None:
    """Go on with the search until the first request."""
    import ray  # noqa: F401 - what a controller holds besides

    from gasearch.jobs import start
    from gasearch.search.progress import Silent

    first = FirstRequest()
    start.make_dispatcher = lambda setup, observer, mark: first  # type: ignore[assignment,return-value]
    start.go_on(NAME, db_url=f"sqlite:///{path}", observer=Silent(), evaluations=2 * evaluations)


def load_study(path: str, population: int) -> None:
    """Optuna's way: load the study, and ask for a trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=1)
    trial = optuna.load_study(study_name=NAME, storage=f"sqlite:///{path}", sampler=sampler).ask()
    for number in range(DECISIONS):
        trial.suggest_categorical(f"x{number}", OPTIONS)
    report(cpu_s, wall_s)


def in_fresh_process(task: str, *arguments: object) -> dict[str, float]:
    """Run one of the above."""
    command = [sys.executable, "-m", "benchmarks.resume", "--task", task, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


# --- the report -------------------------------------------------------------------------------------------------


def measure(name: str, folder: Path, evaluations: int, targets: Targets) -> float:
    """Print a case's figures; CPU µs per evaluation."""
    case, path = CASES[name], folder / f"{name}-{evaluations}.db"
    if not path.exists():
        make_store(case, path, evaluations)
    with closing(open_reader(f"sqlite:///{path}")) as reader:
        counts = reader.counts(reader.search(NAME).id)
    figures = in_fresh_process("resume", path, evaluations)
    each_us = 1e6 * figures["cpu_s"] / counts.completed
    print(
        f"{name}: {counts.completed} told ({counts.stopped} stopped, {counts.replicates} replicates, front "
        f"{counts.front_size}), {path.stat().st_size / counts.completed:.0f} bytes each; first request after "
        f"{figures['cpu_s']:.1f} s of CPU time ({each_us:.0f} µs each; {figures['wall_s']:.1f} s of wall time), "
        f"{figures['peak_mb']:.0f} MB",
        flush=True,
    )
    targets.at_most(f"{name}: CPU s until the first request", figures["cpu_s"], MOST_S)
    targets.at_most(f"{name}: peak resident MB", figures["peak_mb"], MOST_MB)
    return each_us


def compare_with_real(folder: Path, evaluations: int) -> None:
    """Print what stores of the real engine and of the cheap one take."""
    for name in ("flat", "layered-stopping"):
        seconds = []
        for is_real in (True, False):
            path = folder / f"{name}-real-{is_real}.db"
            make_store(CASES[name], path, evaluations, is_real=is_real)
            seconds.append(in_fresh_process("resume", path, evaluations)["cpu_s"])
        print(
            f"{name}: {evaluations} evaluations of the real engine {seconds[0]:.2f} s of CPU time, of the cheap one "
            f"{seconds[1]:.2f} s",
            flush=True,
        )


def measure_optuna(folder: Path, trials: int) -> float:
    """CPU µs per trial, loading and asking."""
    import optuna

    path = folder / "optuna.db"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name=NAME, storage=f"sqlite:///{path}", directions=["minimize", "minimize"])
    distribution = optuna.distributions.CategoricalDistribution(OPTIONS)
    answer = SEARCHES["flat"].answer
    finished = [made_up_trial(number, distribution, answer) for number in range(trials)]
    study.add_trials(finished)
    return 1e6 * in_fresh_process("load", path, POPULATION)["cpu_s"] / trials


def made_up_trial(number: int, distribution: Any, answer: Callable[..., Any]) -> Any:
    """A finished trial of the flat space."""
    import optuna
    from gasearch_workers.messages import Choices

    values = {f"x{place}": (number * 7919 + place * 104_729) % 97 % len(OPTIONS) for place in range(DECISIONS)}
    outcome = answer(Choices(values=tuple(values.items())), str(number)).metrics()
    return optuna.trial.create_trial(
        params=values, distributions=dict.fromkeys(values, distribution), values=[outcome["error"], outcome["cost"]]
    )


def run_task(task: str, path: str, number: int) -> None:
    """What a fresh process is for."""
    {"resume": resume, "load": load_study}[task](path, number)


def main() -> None:
    """Print a line per case, then Optuna's; fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--optuna", type=int, default=2000, help="trials of the peer, 0: without it")
    parser.add_argument("--real", type=int, default=2000, help="evaluations by the real engine, 0: none")
    parser.add_argument("--stores", type=Path, help="a folder that keeps the stores")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        run_task(arguments.task[0], arguments.task[1], int(arguments.task[2]))
        return
    print(f"{conditions('numpy', 'sqlalchemy', 'optuna')}; one measurement each")
    targets = Targets()
    with tempfile.TemporaryDirectory() as folder:
        stores = arguments.stores or Path(folder)
        each = {name: measure(name, stores, arguments.evaluations, targets) for name in arguments.cases}
        if arguments.real:
            compare_with_real(Path(folder), arguments.real)
        if arguments.optuna:
            each_us = measure_optuna(Path(folder), arguments.optuna)
            against = f": {each_us / each['flat']:.0f} times ours" if "flat" in each else ""
            print(f"Optuna NSGA-II: {each_us:.0f} µs of CPU time per trial over {arguments.optuna} trials{against}")
    targets.check()


if __name__ == "__main__":
    main()
