"""What choosing size and precision together buys: mixed bits against 8 bits and float at the same budget of bytes.

    python -m benchmarks.precision_budgets [--data mnist.npz] [--evaluations 60] [--epochs 20] [--seeds 1 2 3]

Three searches of each seed, with the same numbers of networks: one may choose the bits of each layer, the peers may not
(8 bits everywhere; float everywhere). Under each budget the validation split chooses each search's best network. It is
trained again from scratch three times; the scores are those of the quantized networks on the test split, which each of
these trainings reads once. Prints the gain over the better peer, with its deviation over the seeds of the searches.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import gasearch
from benchmarks.support.timing import conditions
from gasearch.objectives.units import format_quantity

BITS = {
    "mixed": {"weight_bits": [2, 3, 4, 6, 8], "activation_bits": [4, 8]},
    "8 bits": {"weight_bits": [8], "activation_bits": [8]},
    "float": {"weight_bits": [32], "activation_bits": [32]},
}
BUDGETS = (2048, 4096, 8192, 16384, 32768)  #: Bytes of the packed file.
FINAL_SEEDS = 3


def main() -> None:
    """Run the searches and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default="digits", help="a data set of images, as `task.dataset` names it")
    arguments.add_argument("--evaluations", type=int, default=60)
    arguments.add_argument("--epochs", type=int, default=20, help="of each final training")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="in bytes")
    options = arguments.parse_args()
    print(f"{conditions('torch')}; {options.data}, {options.evaluations} networks a search, seeds {options.seeds}")
    with tempfile.TemporaryDirectory() as folder:
        found = {
            (kind, seed): tests_under(options, kind, seed, Path(folder)) for seed in options.seeds for kind in BITS
        }
    for budget in options.budgets:
        print(describe(budget, {kind: [found[kind, seed].get(budget) for seed in options.seeds] for kind in BITS}))


def tests_under(options: argparse.Namespace, kind: str, seed: int, folder: Path) -> dict[int, float]:
    """The test accuracy under each budget: the mean over the final trainings of what one search chose."""
    name = f"{kind.replace(' ', '-')}-{seed}"
    search = gasearch.run(spec(options, kind, seed, name), db=folder / f"{name}.db")
    chosen = {}
    for budget in options.budgets:
        best = search.best(where=f"model_bytes <= {budget}", by="accuracy")
        if best is not None:
            chosen[budget] = best.key
    search.finalize(*dict.fromkeys(chosen.values()), seeds=FINAL_SEEDS, epochs=options.epochs)
    tests = {finalist.key: finalist.metrics["test_accuracy"] for finalist in search.finals()}
    return {budget: tests[key] for budget, key in chosen.items()}


def spec(options: argparse.Namespace, kind: str, seed: int, name: str) -> dict[str, Any]:
    """The same space for all, but for the bits."""
    return {
        "name": name,
        "seed": seed,
        "task": {"dataset": options.data},
        "space": {
            "family": "cnn",
            "layers": [1, 4],
            "width": [2, 4, 6, 8, 12, 16, 24, 32],
            "kernel": [3, 5],
            "kind": ["conv", "separable", "residual"],
            **BITS[kind],
        },
        "objectives": {"accuracy": "max", "model_bytes": "min"},
        "constraints": [f"model_bytes <= {max(options.budgets)}"],
        "recipe": {"epochs": 3, "batch_size": 64, "learning_rate": 0.005},
        "evolution": {"population": 16},
        "budget": {"evaluations": options.evaluations},
        "workers": {"count": 0},
    }


def describe(budget: int, tests: dict[str, list[float | None]]) -> str:
    """A line of the table; a search that found no network within the budget has no score."""
    means = {kind: statistics.mean(known) for kind, values in tests.items() if (known := [v for v in values if v])}
    texts = [f"{kind} {means[kind]:.4f}" if kind in means else f"{kind} none" for kind in tests]
    pairs = zip(*tests.values(), strict=True)  # of each seed: mixed, 8 bits, float
    gains = [mixed - max(peers) for mixed, *others in pairs if mixed and (peers := [v for v in others if v])]
    gain = "no peer fits" if not gains else f"gain {100 * statistics.mean(gains):+.2f}"
    if len(gains) > 1:
        gain += f" ± {100 * statistics.stdev(gains):.2f}"
    return f"{format_quantity(budget, 'model_bytes'):>8}: {', '.join(texts)}; {gain} points of test accuracy"


if __name__ == "__main__":
    main()
