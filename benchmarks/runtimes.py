"""Every form that a network is written in, run by every runtime that is here, against the network as it was trained.

    python -m benchmarks.runtimes [--data FOLDER] [--bits 2 4 8 32] [--runtimes NAME ...] [--symmetric]

Each family's small network is trained briefly at each precision, lowered, written in every form that can hold it, and
run on the beginning of the test split, beside the fake-quantized torch module in evaluation mode. A cell of the table
has the share of equal argmaxes (of a tagger over the tokens that are no padding; of numbers 1 minus the mean difference
in deviations of the target) and by how many points the primary score differs (of numbers, hundredths of the deviation).
"-": the form can't hold such a network.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.export.exporters import EXPORTERS, GAP, QDQ, QDQ_SYMMETRIC, Exporter
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.runtimes.runtime import RUNTIMES, Runtime
from gasearch_workers.training.inference import outputs_of
from gasearch_workers.training.resident import make_resident, use_one_thread
from gasearch_workers.training.score import IGNORED, Target
from numpy.typing import NDArray

from benchmarks.support.families import HOW_TO_GIVE_DATA, Case, available, fit, make, share_of
from benchmarks.support.timing import Targets, conditions

BITS = (2, 4, 8, 32)
SAMPLES = 16  #: That forms get which come with some.
LEAST_AGREEMENT = 0.99
MOST_POINTS = 0.2  #: Or two samples, where the test split is that small.


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network with what it answers to the beginning of its test split."""

    network: IntegerNetwork
    target: Target
    deviation: float  #: Of the training targets.
    x: NDArray[Any]
    y: NDArray[Any]
    expected: NDArray[Any]

    def cell(self, found: NDArray[Any]) -> tuple[float, float]:
        """(share of equal answers, points); of numbers (1 - mean difference in deviations, points)."""
        here, there = (self.target.primary_score(outputs, self.y) for outputs in (self.expected, found))
        if self.target.is_number:
            return 1 - float(np.abs(found - self.expected).mean()) / self.deviation, 100 * abs(
                here - there
            ) / self.deviation
        is_equal = (found.argmax(axis=-1) == self.expected.argmax(axis=-1))[self.y != IGNORED]
        return float(is_equal.mean()), 100 * abs(here - there)


def main() -> None:
    """Print the table; fail where a runtime answers otherwise."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, help=HOW_TO_GIVE_DATA)
    arguments.add_argument("--bits", type=int, nargs="+", default=BITS)
    arguments.add_argument("--samples", type=int, default=4_000, help="of each training split, at most")
    arguments.add_argument("--tests", type=int, default=1_000, help="of each test split, at most")
    arguments.add_argument("--runtimes", nargs="+", default=RUNTIMES.names())
    arguments.add_argument("--symmetric", action="store_true", help="the form qdq with zero point 0 everywhere")
    options = arguments.parse_args()
    use_one_thread()
    runtimes = [runtime for runtime in map(RUNTIMES.get, options.runtimes) if _is_there(runtime)]
    print(f"{conditions('torch')}; {', '.join(f'{one.name} {one.version()}' for one in runtimes)}")
    print(f"at most {options.samples:,} training and {options.tests:,} test samples\n")
    forms = {
        one.name: QDQ_SYMMETRIC if options.symmetric and one.form == QDQ.name else EXPORTERS.get(one.form)
        for one in runtimes
    }
    columns = ["network", "bits", "score", *(f"{name} ({form.name})" for name, form in forms.items())]
    print(f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |")
    targets = Targets()
    for case, data in available(options.data):
        for bits in options.bits:
            trained = train(case, data, bits, options.samples, options.tests)
            cells = run_all(trained, forms, f"{case.name}, {bits} bits", targets)
            score = trained.target.primary_score(trained.expected, trained.y)
            print(f"| {case.name} | {bits} | {trained.target.primary} {score:.4f} | {' | '.join(cells)} |", flush=True)
    if options.data is None:
        print(f"\nonly the built-in data; {HOW_TO_GIVE_DATA}")
    targets.check()


def train(case: Case, data: Dataset, bits: int, samples: int, tests: int) -> Trained:
    """A case's network at one precision."""
    resident = make_resident(data)
    network = make(case, data, bits, bits)
    fit(network, case, resident, share=share_of(data, samples))
    return Trained(
        network=lower(network),
        target=resident.test.target,
        deviation=data.target_deviation,
        x=data.test.x[:tests],
        y=data.test.y[:tests],
        expected=outputs_of(network, resident.test)[:tests],
    )


def run_all(trained: Trained, forms: Mapping[str, Exporter], what: str, targets: Targets) -> list[str]:
    """A cell for each runtime, named with the form that it runs; it is held against the targets."""
    cells = []
    most = MOST_POINTS if trained.target.is_number else max(MOST_POINTS, 200 / len(trained.x)) + 1e-6
    packed = GAP.write(trained.network, trained.x[:SAMPLES])  # every artifact has it, and C is held against it
    for name, form in forms.items():
        if form.refusal(trained.network.plan):
            cells.append("-")
            continue
        with tempfile.TemporaryDirectory() as folder:
            for file, content in {**packed, **form.write(trained.network, trained.x[:SAMPLES])}.items():
                (Path(folder) / file).write_bytes(content)
            agreement, points = trained.cell(RUNTIMES.get(name).run(Path(folder), trained.x))
        cells.append(f"{agreement:.4f} {points:.2f}")
        targets.at_least(f"{what}, {name}: agreement", agreement, LEAST_AGREEMENT)
        targets.at_most(f"{what}, {name}: points between the scores", points, most)
    return cells


def _is_there(runtime: Runtime) -> bool:
    """Whether it is installed; says so otherwise."""
    if runtime.version() is None:
        print(f"{runtime.name} isn't here: {runtime.needs}")
        return False
    return True


if __name__ == "__main__":
    main()
