"""The search of `make search` against float networks of the largest allowed size on the same recipe.

    python -m benchmarks.digits [--workers 2]

Runs `examples/digits.yaml` in a database of its own and prints wall time, evaluations, the front's size, and its best
accuracy beside that of float CNNs of the greatest depth, width and kernel, one per kind of block, on the same splits.
The accuracy compared is that on the validation split, which selection saw; that on the test split stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Fidelity, Layer
from gasearch_workers.modules.build import build
from gasearch_workers.network.plan import plan
from gasearch_workers.training.inference import evaluate
from gasearch_workers.training.resident import make_resident
from gasearch_workers.training.train import train

import gasearch
from gasearch.cli.console import watching
from gasearch.deploy.networks import export_network
from gasearch.jobs.setup import Setup, set_up
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.spec.spaces import CnnSpace

SPEC = Path(__file__).parents[1] / "examples" / "digits.yaml"
SEEDS = 3
TARGET_POINTS = 1.0
LEAST_EVALUATIONS, LEAST_FRONT, MOST_SECONDS = 100, 5, 180


def float_accuracies(setup: Setup, kind: str) -> list[tuple[float, float]]:
    """(validation, test) accuracy of the largest float network of one kind, per seed."""
    space, data = setup.spec.space, setup.data
    assert isinstance(space, CnnSpace)
    assert data is not None
    side = data.input_shape[1]
    layers = []
    for number in range(max(space.layers)):
        stride = 2 if side > 4 and (number or side >= 16) else 1
        side = -(-side // stride)
        layers.append(Layer(kind=kind, width=max(space.width), kernel=max(space.kernel), stride=stride))
    head = Layer(kind="linear", width=data.classes)
    steps = plan(Blueprint(family="cnn", input_shape=data.input_shape, layers=(*layers, head)))
    resident, recipe = make_resident(data), setup.problem.recipe
    found = []
    for seed in range(SEEDS):
        network = build(steps, fit_input(data.train.x, input_bits=steps.input_bits), seed=seed)
        train(network, resident.train, recipe, fidelity=Fidelity(epochs=recipe.epochs), seed=seed)
        found.append((evaluate(network, resident.validation), evaluate(network, resident.test)))
    return found


def main() -> int:
    """Run it; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    spec = load_spec(SPEC)
    with tempfile.TemporaryDirectory() as folder:
        db = f"sqlite:///{folder}/digits.db"
        began = time.monotonic()
        with watching() as observer:
            search = gasearch.run(spec, db=db, workers=arguments.workers, observer=observer)
        wall_s = time.monotonic() - began
        front, best, status = search.front(), search.best(), search.status()
        assert best is not None
        out = export_network(spec.name, best.key, Path(folder) / "out", db_url=db, observer=Silent())
        measured = json.loads((out / "model.json").read_text())["description"]["measured"]
    setup = set_up(spec)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        f"{status.told} evaluations, {status.active_seconds:.0f} s of searching, {wall_s:.0f} s with set-up; "
        f"front of {len(front)}"
    )
    print(
        f"best: {best.key}, {best.metrics['model_bytes']:,} bytes, validation {best.metrics['accuracy']:.4f}, "
        f"test (integer graph) {measured['test_accuracy']:.4f}"
    )
    references = []
    for kind in ("conv", "separable", "residual"):
        found = float_accuracies(setup, kind)
        mean, test = (statistics.mean(column) for column in zip(*found, strict=True))
        deviation = statistics.stdev(one for one, _ in found)
        references.append(mean)
        print(f"float, largest, {kind}: validation {mean:.4f} +- {deviation:.4f}, test {test:.4f} ({SEEDS} seeds)")
    behind = 100 * (max(references) - best.metrics["accuracy"])
    print(f"best quantized behind best float: {behind:.2f} points (to reach: at most {TARGET_POINTS})")
    is_reached = behind <= TARGET_POINTS and len(front) >= LEAST_FRONT and status.told >= LEAST_EVALUATIONS
    return 0 if is_reached and status.active_seconds <= MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
