"""A search of 60 evaluations on MNIST under 64 KB, and the quantized test accuracy of its best network.

    python -m benchmarks.mnist mnist.npz [--workers 2]

The test split is read once, by `export`, for the network that the validation split chose; its accuracy is that of the
written integer graph, run by ONNX Runtime. Prints the wall time of the search.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import gasearch
from gasearch.cli.console import watching
from gasearch.deploy.networks import export_network
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec

SPEC = Path(__file__).with_name("mnist.yaml")
TARGET = 0.98


def main() -> int:
    """Run it; exit status 1 if the accuracy isn't reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", type=Path, nargs="?", help="MNIST as an .npz file with x_train, y_train, x_test, y_test"
    )
    parser.add_argument("--workers", type=int)
    parser.add_argument("--evaluations", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.data is None:
        print("MNIST is not part of this project: give its .npz file as an argument; nothing was run")
        return 0
    spec = load_spec(SPEC, [f"task.dataset={arguments.data.resolve()}", f"budget.evaluations={arguments.evaluations}"])
    with tempfile.TemporaryDirectory() as folder:
        db = f"sqlite:///{folder}/mnist.db"
        began = time.monotonic()
        with watching() as observer:
            search = gasearch.run(spec, db=db, workers=arguments.workers, observer=observer)
        wall_s = time.monotonic() - began
        best = search.best()
        assert best is not None
        out = export_network("mnist", best.key, Path(folder) / "out", db_url=db, observer=Silent())
        measured = json.loads((out / "model.json").read_text())["description"]["measured"]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{arguments.evaluations} evaluations in {wall_s:.0f} s of wall time, set-up included")
    print(f"best by validation: {best.key}, {best.metrics['model_bytes']:,} bytes, {best.metrics['accuracy']:.4f}")
    print(f"quantized test accuracy of its graph: {measured['test_accuracy']:.4f} (to reach: {TARGET})")
    return 0 if measured["test_accuracy"] >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
