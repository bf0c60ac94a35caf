"""Samples per second and score of each family's small network after a short training.

    python -m benchmarks.families [--data FOLDER] [--bits 4]

Each network is trained by the trainer on one thread for the epochs named beside it, in float and quantized; rates are
samples per CPU second, the score is that of the deployed network on the test split (accuracy, entity F1, or root mean
squared error with that of always telling the mean behind it), bytes are what the packed file weighs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.export.packed import pack
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.modules.lower import lower
from gasearch_workers.training.allocator import keep_freed_memory
from gasearch_workers.training.inference import evaluate
from gasearch_workers.training.resident import make_resident, use_one_thread

from benchmarks.support.families import HOW_TO_GIVE_DATA, Case, available, fit, make, share_of
from benchmarks.support.timing import conditions, cpu_seconds


def main() -> None:
    """Print a line per family and precision."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, help=HOW_TO_GIVE_DATA)
    arguments.add_argument("--bits", type=int, default=4)
    arguments.add_argument("--samples", type=int, default=20_000, help="of each training split, at most")
    arguments.add_argument("--rounds", type=int, default=2, help="trainings, of which the fastest counts")
    options = arguments.parse_args()
    use_one_thread()
    keep_freed_memory()
    print(f"{conditions('torch')}, one thread; at most {options.samples:,} training samples; rates per CPU second")
    print(f"{'family':<22}{'bits':>5}{'samples':>9}{'epochs':>7}{'samples/s':>11}{'bytes':>9}  test score")
    for case, data in available(options.data):
        for bits in (FULL_PRECISION, options.bits):
            print(describe(case, data, bits, options.samples, options.rounds), flush=True)
    if options.data is None:
        print(f"only the built-in data; {HOW_TO_GIVE_DATA}")


def describe(case: Case, data: Dataset, bits: int, samples: int, rounds: int) -> str:
    """Train a case at one precision and say what came of it."""
    resident, share = make_resident(data), share_of(data, samples)
    shown = case.recipe.epochs * round(share * len(data.train))
    seconds = []
    for _ in range(rounds):
        network = make(case, data, bits, bits)
        seconds.append(cpu_seconds(lambda network=network: fit(network, case, resident, share=share)))
    found, size = evaluate(network, resident.test), len(pack(lower(network)))
    score = f"{resident.test.target.primary} {found:.4f}"
    if resident.test.target.is_number:
        score += f" ({float((data.test.y - data.target_mean).std()):.4f})"
    return (
        f"{case.name:<22}{bits:>5}{round(share * len(data.train)):>9,}{case.recipe.epochs:>7}"
        f"{shown / min(seconds):>11,.0f}{size:>9,}  {score}"
    )


if __name__ == "__main__":
    main()
