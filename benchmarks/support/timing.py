"""CPU time in alternating rounds: what a benchmark compares, and the conditions that it names beside its figures.

CPU time counts what this process computed, whoever else the machine serves; the rounds alternate within one process, so
that a slow spell meets all that is compared; the median forgets the odd round.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Run = Callable[[], object]


def cpu_seconds(run: Run) -> float:
    """CPU time of this process, all threads, for one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def alternate(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each run per round; they take turns, after one round that isn't counted."""
    seconds = [{name: cpu_seconds(run) for name, run in runs.items()} for _ in range(rounds + 1)][1:]
    return {name: [one[name] for one in seconds] for name in runs}


def ratio(above: list[float], below: list[float]) -> float:
    """Median over the rounds of one run's seconds over another's."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def conditions(*packages: str) -> str:
    """The machine, its load and the versions that a figure depends on."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    load = os.getloadavg()[0]
    return f"{cpu_name()}, {os.cpu_count()} cores, load {load:.1f}; Python {platform.python_version()}, {versions}"


def cpu_name() -> str:
    """The processor as the system names it, with its family and model, which tell virtual ones apart."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return f"{fields.get('model name', platform.machine())} (model {fields.get('model', '?')})"


class Targets:
    """Figures held against their targets; all are printed before the first missed one ends the script."""

    def __init__(self) -> None:
        self._missed: list[str] = []

    def at_least(self, what: str, value: float, target: float) -> None:
        """Note a figure that should be high."""
        if not value >= target:
            self._missed.append(f"{what} must be at least {target:g}; got {value:.3f}")

    def at_most(self, what: str, value: float, target: float) -> None:
        """Note a figure that should be low."""
        if not value <= target:
            self._missed.append(f"{what} must be at most {target:g}; got {value:.3f}")

    def check(self) -> None:
        """Exit with status 1 where a target was missed, saying which."""
        if self._missed:
            raise SystemExit("\n".join(self._missed))
