"""What choosing size and precision together buys: mixed bits against 8 bits and float at the same budget of bytes.

    python -m benchmarks.precision_budgets [--data mnist.npz] [--samples 12000] [--evaluations 60] [--epochs 20]
        [--seeds 1 2 3] [--folder stores]

Three searches of each seed, with the same numbers of networks: one may choose the bits of each layer, the peers may not
(8 bits everywhere; float everywhere). Under each budget the validation split chooses each search's best network. It is
trained again from scratch three times; the scores are those of the quantized networks on the test split, which each of
these trainings reads once. Prints the gain over the better peer, with its deviation over the seeds of the searches, and
by how much the search's value was better than that of the test split. With `--folder`, what was searched and trained
there is not made again: seeds may run in processes of their own, and a last call with all seeds prints the table.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import gasearch
from benchmarks.support.timing import conditions
from gasearch.objectives.units import format_quantity
from gasearch.query.finals import Finalist

BITS = {
    "mixed": {"weight_bits": [2, 3, 4, 6, 8], "activation_bits": [4, 8]},
    "8 bits": {"weight_bits": [8], "activation_bits": [8]},
    "float": {"weight_bits": [32], "activation_bits": [32]},
}
BUDGETS = (2048, 4096, 8192, 16384, 32768)  #: Bytes of the packed file.
NAMES = ("x_train", "y_train", "x_test", "y_test")  #: Of the arrays in a file of images.


def main() -> None:
    """Run the searches and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default="digits", help="a data set of images, as `task.dataset` names it")
    arguments.add_argument(
        "--samples", type=int, help="the first so many training images of an .npz file; default: all"
    )
    arguments.add_argument("--evaluations", type=int, default=60)
    arguments.add_argument("--epochs", type=int, default=20, help="of each final training")
    arguments.add_argument("--final-seeds", type=int, default=3, help="trainings of each chosen network")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the searches")
    arguments.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="in bytes")
    arguments.add_argument("--folder", type=Path, help="keeps the searches; one that is there is gone on with")
    options = arguments.parse_args()
    print(f"{conditions('torch')}; {options.data}, {options.samples or 'all'} training images,", end=" ")
    print(
        f"{options.evaluations} networks a search, finals of {options.epochs} epochs, seeds {options.seeds}", flush=True
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        data = first_samples(options.data, options.samples, folder) if options.samples else options.data
        found = {
            (kind, seed): finalists_under(options, data, kind, seed, folder) for seed in options.seeds for kind in BITS
        }
    for budget in options.budgets:
        chosen = {kind: [found[kind, seed].get(budget) for seed in options.seeds] for kind in BITS}
        tests = {
            kind: [None if one is None else one.metrics["test_accuracy"] for one in ones]
            for kind, ones in chosen.items()
        }
        print(describe(budget, tests))
    drops = [100 * one.metrics["test_accuracy_drop"] for under in found.values() for one in set_of(under)]
    print(
        f"search's value less the test split's, {len(drops)} finalists: mean {statistics.mean(drops):+.2f} points,",
        end=" ",
    )
    print(f"median {statistics.median(drops):+.2f}, worst {max(drops):+.2f}")


def first_samples(data: str, samples: int, folder: Path) -> str:
    """A file of the first training images, and of the whole test split."""
    file = folder / f"{Path(data).stem}-{samples}.npz"
    if not file.exists():
        arrays = np.load(data)
        parts = {name: arrays[name][:samples] if name.endswith("_train") else arrays[name] for name in NAMES}
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".npz", delete=False) as whole:
            np.savez(whole, **parts)
        Path(whole.name).replace(file)
    return str(file.resolve())


def finalists_under(options: argparse.Namespace, data: str, kind: str, seed: int, folder: Path) -> dict[int, Finalist]:
    """What one search has under each budget, after its final trainings."""
    name = f"{Path(data).stem}-{kind.replace(' ', '-')}-{options.evaluations}-{seed}"
    db = folder / f"{name}.db"
    if db.exists():
        search = gasearch.open(name, db=db)
        if search.status().state != "finished":
            search.resume()
    else:
        search = gasearch.run(spec(options, data, kind, seed, name), db=db)
    chosen = {}
    for budget in options.budgets:
        best = search.best(where=f"model_bytes <= {budget}", by="accuracy")
        if best is not None:
            chosen[budget] = best.key
    finals = search.finalize(*dict.fromkeys(chosen.values()), seeds=options.final_seeds, epochs=options.epochs)
    print(f"{name}: {len(finals)} finalists", flush=True)
    finalists = {one.key: one for one in finals}
    return {budget: finalists[key] for budget, key in chosen.items()}


def set_of(under: dict[int, Finalist]) -> list[Finalist]:
    """Each finalist once, though it may be the best under several budgets."""
    return list({one.key: one for one in under.values()}.values())


def spec(options: argparse.Namespace, data: str, kind: str, seed: int, name: str) -> dict[str, Any]:
    """The same space for all, but for the bits."""
    return {
        "name": name,
        "seed": seed,
        "task": {"dataset": data},
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
