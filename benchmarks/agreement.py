"""ONNX Runtime against the network as it was trained: the same answers on a whole test split, for every family.

    python -m benchmarks.agreement [--data FOLDER] [--bits 1 2 4 8] [--seed 1] [--full-range]

Each family's small network is trained briefly at each precision (activations of as many bits as the weights, at least
2), lowered, exported and run by ONNX Runtime on the whole test split, beside the fake-quantized torch module in
evaluation mode. Of classes and tags the table gives the share of equal argmaxes (of a tagger over the tokens that are
no padding), of numbers the largest and the mean difference as a share of the target's deviation; and of all the primary
score of both, which may differ by 0.2 points (of numbers: 0.2 % of the deviation).
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.modules.build import Network
from gasearch_workers.modules.lower import lower
from gasearch_workers.training.inference import outputs_of
from gasearch_workers.training.resident import make_resident, use_one_thread
from gasearch_workers.training.score import IGNORED

from benchmarks.support.families import HOW_TO_GIVE_DATA, Case, available, fit, make, share_of
from benchmarks.support.timing import Targets, conditions

Make = Callable[[int, int], Network]
"""A case's untrained network, by the bits of its weights and activations."""

BITS = (1, 2, 3, 4, 5, 6, 7, 8, 32)
LEAST_AGREEMENT = 0.99
MOST_POINTS = 0.2  #: Of the primary score, in hundredths; of numbers, of the target's deviation.


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the two give on a test split."""

    torch_score: float
    onnx_score: float
    agreement: float | None  #: Share of equal argmaxes; None for numbers.
    largest: float | None  #: Difference of two predictions, in deviations of the target; None for classes.
    mean: float | None
    points: float  #: Between the scores, in hundredths; of numbers, of the target's deviation.


def main() -> None:
    """Print the table; fail where the two part."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, help=HOW_TO_GIVE_DATA)
    arguments.add_argument("--bits", type=int, nargs="+", default=BITS)
    arguments.add_argument("--samples", type=int, default=4_000, help="of each training split, at most")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--full-range", action="store_true", help="8-bit weights on 8-bit activations beyond 64")
    options = arguments.parse_args()
    use_one_thread()
    print(f"{conditions('torch', 'onnxruntime')}; at most {options.samples:,} training samples, whole test splits")
    print(f"{'family':<22}{'bits':>5}{'tested':>8}{'score, torch':>14}{'ONNX':>9}{'points':>8}  answers")
    targets = Targets()
    for case, data in available(options.data):
        how = functools.partial(make, case, data, seed=options.seed, is_full_range=options.full_range)
        compare_case(case, data, how, options.bits, options.samples, targets)
    if options.data is None:
        print(f"only the built-in data; {HOW_TO_GIVE_DATA}")
    targets.check()


def compare_case(case: Case, data: Dataset, how: Make, all_bits: Sequence[int], samples: int, targets: Targets) -> None:
    """A line per precision."""
    for bits in all_bits:
        found = compare(case, data, how, bits, samples)
        if found.agreement is None:
            answers = f"differ by {found.largest:.4f} of the deviation at most, {found.mean:.5f} on average"
        else:
            answers = f"{found.agreement:.4f} equal"
            targets.at_least(f"{case.name}, {bits} bits: agreement", found.agreement, LEAST_AGREEMENT)
        targets.at_most(f"{case.name}, {bits} bits: points between the scores", found.points, MOST_POINTS)
        print(
            f"{case.name:<22}{bits:>5}{len(data.test):>8,}{found.torch_score:>14.4f}{found.onnx_score:>9.4f}"
            f"{found.points:>8.3f}  {answers}",
            flush=True,
        )


def compare(case: Case, data: Dataset, how: Make, bits: int, samples: int) -> Comparison:
    """Train, export, run both."""
    resident = make_resident(data)
    network = how(bits, max(bits, 2))
    fit(network, case, resident, share=share_of(data, samples))
    target = resident.test.target
    expected = outputs_of(network, resident.test)
    found = run_onnx(to_onnx(lower(network)).SerializeToString(), data.test.x)
    scores = [target.primary_score(outputs, data.test.y) for outputs in (expected, found)]
    if target.is_number:
        differences = np.abs(found - expected) / data.target_deviation
        return Comparison(
            torch_score=scores[0],
            onnx_score=scores[1],
            agreement=None,
            largest=float(differences.max()),
            mean=float(differences.mean()),
            points=100 * abs(scores[0] - scores[1]) / data.target_deviation,
        )
    is_counted = data.test.y != IGNORED  # padding of a tagger; of classes, all
    is_equal = found.argmax(axis=-1) == expected.argmax(axis=-1)
    return Comparison(
        torch_score=scores[0],
        onnx_score=scores[1],
        agreement=float(is_equal[is_counted].mean()),
        largest=None,
        mean=None,
        points=100 * abs(scores[0] - scores[1]),
    )


if __name__ == "__main__":
    main()
