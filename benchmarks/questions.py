"""CPU time and memory of each command that asks, with many evaluations stored; on SQLite and PostgreSQL.

    python -m benchmarks.questions [--evaluations 200000] [--kinds custom ...] [--database sqlite|postgresql|both]
                                   [--optuna 2000] [--stores FOLDER]

Two searches of each kind are stored with the archive's own statements (`support/full_store.py`):

    custom          a custom evaluator's own metrics, two of them objectives, a third limited
    custom-spreads  the same with a spread beside each objective
    trained         layered networks with the standard metrics, curves, expectations; three objectives

Then each command runs in a fresh process, as a user would run it. Figures are the CPU time of that whole process, all
threads, start of Python included, and its peak resident memory; of PostgreSQL's server neither counts. Targets at
200,000 evaluations: 1 s for what a glance asks (list, status, best), 3 s and 300 MB for what weighs all evaluations.

The peer stores as many trials (two objectives, SQLite, written through its storage), and is asked for its Pareto front
and for all trials: `study.best_trials`, `study.get_trials`, against `Search.front` and `Search.evaluations`. The ratio
is of CPU times within fresh processes, imports left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.store import postgresql
from benchmarks.support.full_store import KINDS, fill_store
from benchmarks.support.timing import Targets, conditions

NAMES = ("first", "second")
GLANCE_S, WEIGHING_S, WEIGHING_MB = 1.0, 3.0, 300.0
FULL = 200_000  #: Evaluations for which the targets are.

#: What a limit of each kind excludes about half of the evaluations by.
LIMITS = {"custom": "cost <= 0.8", "custom-spreads": "cost <= 0.8", "trained": "latency_ms <= 0.9"}
#: A metric that is no objective.
OTHERS = {"custom": "watts:min", "custom-spreads": "error_spread:min", "trained": "macro_f1"}

#: Runs a command, and writes what it took where the first argument says.
_GAUGE = """
import atexit, json, sys, time
path, *sys.argv[1:] = sys.argv[1:]
def report():
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    with open(path, "w") as file:
        json.dump({"cpu_s": time.process_time(), "peak_mb": int(peak.split()[1]) / 1024}, file)
atexit.register(report)
from gasearch.__main__ import main
main()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=FULL)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--optuna", type=int, default=2000, metavar="TRIALS", help="of the peer; 0: without it")
    parser.add_argument("--stores", type=Path, metavar="FOLDER", help="keep the SQLite files, use those that are there")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        TASKS[options.task[0]](*options.task[1:])
        return
    print(conditions("sqlalchemy", "numpy", "plotly"), flush=True)
    targets = Targets()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.stores or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for kind in options.kinds:
            if options.database != "postgresql":
                path = folder / f"{kind}-{options.evaluations}.db"
                url = f"sqlite:///{path}"
                if not path.exists():
                    fill(kind, url, options.evaluations)
                measure(f"{kind}, SQLite", kind, url, Path(temporary), options.evaluations, targets)
            if options.database != "sqlite":
                with postgresql(None) as url:
                    fill(kind, url, options.evaluations)
                    measure(f"{kind}, PostgreSQL", kind, url, Path(temporary), options.evaluations, targets)
        if options.optuna:
            compare_with_optuna(Path(temporary), options.optuna)
    targets.check()


def fill(kind: str, url: str, evaluations: int) -> None:
    """Store both searches."""
    for seed, name in enumerate(NAMES):
        fill_store(KINDS[kind], url, name, evaluations=evaluations, seed=seed)


def measure(title: str, kind: str, url: str, folder: Path, evaluations: int, targets: Targets) -> None:
    """Print what each command took."""
    first, second = NAMES
    glances = {
        "list": ["list"],
        "status": ["status", first],
        "status --watch": ["status", first, "--watch"],
        "best": ["best", first],
        "front": ["front", first],
        "best --by, unknown": ["best", first, "--by", "nothing"],
    }
    weighings = {
        "best --by, no objective": ["best", first, "--by", OTHERS[kind]],
        "best --where": ["best", first, "--where", LIMITS[kind]],
        "front --where": ["front", first, "--where", LIMITS[kind]],
        "plot": ["plot", first, "-o", str(folder / "plot.html")],
        "compare": ["compare", first, second],
    }
    for name, command in (glances | weighings).items():
        cpu_s, peak_mb = run(command, url, folder)
        print(f"{title}, {evaluations}: {name:24} {cpu_s:6.2f} s of CPU time, {peak_mb:4.0f} MB", flush=True)
        if evaluations == FULL:
            targets.at_most(f"{title}: CPU s of {name}", cpu_s, GLANCE_S if name in glances else WEIGHING_S)
            targets.at_most(f"{title}: peak MB of {name}", peak_mb, WEIGHING_MB)


def run(command: list[str], url: str, folder: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of a command in a fresh process."""
    gauge = folder / "gauge.json"
    arguments = [sys.executable, "-c", _GAUGE, str(gauge), *command]
    done = subprocess.run(arguments, env={**os.environ, "GASEARCH_DB": url}, capture_output=True, text=True)
    if done.returncode not in (0, 2):  # 2: an unknown metric
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr}")
    figures = json.loads(gauge.read_text())
    return figures["cpu_s"], figures["peak_mb"]


# --- the peer ---------------------------------------------------------------------------------------------------


def compare_with_optuna(folder: Path, trials: int) -> None:
    """Print CPU times of the peer and of ours for the same questions."""
    ours, theirs = folder / "ours.db", folder / "optuna.db"
    fill_store(KINDS["custom"], f"sqlite:///{ours}", NAMES[0], evaluations=trials)
    in_fresh_process("make-study", theirs, trials)
    for what, peer in (("front", "best_trials"), ("evaluations", "get_trials")):
        own_s = in_fresh_process("ask-search", ours, what)
        peer_s = in_fresh_process("ask-study", theirs, peer)
        print(
            f"{trials} evaluations: Search.{what} {own_s:.3f} s, Optuna's {peer} {peer_s:.3f} s of CPU time: "
            f"{peer_s / own_s:.0f} times ours",
            flush=True,
        )


def in_fresh_process(task: str, *arguments: object) -> float:
    """Run one of the tasks below; the CPU seconds that it printed."""
    command = [sys.executable, "-m", "benchmarks.questions", "--task", task, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


@contextmanager
def timed() -> Iterator[None]:
    """Print the CPU time of what is inside."""
    before = time.process_time()
    yield
    print(time.process_time() - before)


def make_study(path: str, trials: str) -> None:
    """A study of so many trials with two objectives."""
    import random

    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name=NAMES[0], storage=f"sqlite:///{path}", directions=["minimize", "minimize"])
    rng = random.Random(0)
    space = {f"x{place}": optuna.distributions.IntDistribution(0, 7) for place in range(12)}
    with timed():
        for _ in range(int(trials)):
            share, excess = rng.random(), rng.expovariate(2.0)
            values = [(1.0 - share) ** 2 + excess, share**2 + excess]
            params = {name: rng.randrange(8) for name in space}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, values=values))


def ask_study(path: str, what: str) -> None:
    """Optuna's front, or all of its trials."""
    import optuna

    with timed():
        study = optuna.load_study(study_name=NAMES[0], storage=f"sqlite:///{path}")
        assert study.best_trials if what == "best_trials" else study.get_trials()


def ask_search(path: str, what: str) -> None:
    """Our front, or all networks."""
    from gasearch.api import Search

    with timed():
        search = Search(NAMES[0], db=f"sqlite:///{path}")
        assert search.front() if what == "front" else search.evaluations()


TASKS = {"make-study": make_study, "ask-study": ask_study, "ask-search": ask_search}


if __name__ == "__main__":
    main()
