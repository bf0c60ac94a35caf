"""Wall time of the commands that answer at once, against Optuna's command line asking the same of as many trials.

    python -m benchmarks.startup

Median of 7 fresh processes each, on a SQLite search of 300 evaluations; and what of torch, Ray and SciPy they loaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
TARGET_S = 0.7
SPEC = """
name: table
task: {evaluator: "lookup_table:evaluate"}
space:
  family: custom
  decisions:
    entries: {choices: [4, 8, 16, 32, 64, 128, 256]}
    value_bits: {choices: [4, 6, 8, 10, 12, 16]}
    uses_symmetry: {choices: [false, true]}
    lookup: {choices: [nearest, linear]}
    slope_bits: {choices: [4, 6, 8, 12], when: {lookup: linear}}
objectives: {error: min, table_bytes: min}
budget: {evaluations: 300}
workers: {count: 0}
"""
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]


def median_s(command: list[str], folder: Path) -> float:
    """Median wall seconds of a command."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def loaded(arguments: list[str], folder: Path) -> list[str]:
    """Which of the heavy libraries a command imports."""
    code = (
        "import sys\nfrom gasearch.cli import call\n"
        f"call({arguments!r})\n"
        "print([name for name in ('torch', 'ray', 'scipy') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)
    return list(filter(None, done.stderr.strip().splitlines()[-1].strip("[]").split(", ")))


def make_peer(folder: Path) -> None:
    """An Optuna study of 300 trials in SQLite."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'peer.db'}", study_name="table", directions=["minimize", "minimize"]
    )
    distribution = {"x": optuna.distributions.FloatDistribution(0, 1)}
    study.add_trials(
        [
            optuna.create_trial(params={"x": n / 300}, distributions=distribution, values=[n, 300 - n])
            for n in range(300)
        ]
    )


def main() -> int:
    """Run it; exit status 1 if a target is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "table.yaml").write_text(SPEC)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "examples")}
        subprocess.run(
            [BIN / "gasearch", "run", "table.yaml"], cwd=folder, env=environment, check=True, capture_output=True
        )
        make_peer(folder)
        peer = median_s(
            [str(BIN / "optuna"), "best-trials", "--storage", "sqlite:///peer.db", "--study-name", "table"], folder
        )
        missed = False
        for arguments in (["best", "table", "--where", "table_bytes <= 64"], ["--help"]):
            seconds = median_s([str(BIN / "gasearch"), *arguments], folder)
            heavy = loaded(arguments, folder)
            missed |= seconds > TARGET_S or bool(heavy)
            print(
                f"gasearch {arguments[0]}: {seconds:.2f} s (to reach: {TARGET_S}), {peer / seconds:.1f} times quicker "
                f"than `optuna best-trials` ({peer:.2f} s); loads {heavy or 'none of torch, Ray, SciPy'}"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
