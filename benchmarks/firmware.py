"""What a network's C file takes on microcontrollers, and that it answers there as it is claimed to.

    python -m benchmarks.firmware [DIR] [--data TEST.npz] [--tests N] [--emulated 20]

DIR is an exported folder with the form `c` (`gasearch export NAME KEY -o DIR --formats c`) of a classifier; without
one, a network for the digits of scikit-learn is trained and exported. The C file, compiled for this machine, gives the
test accuracy, which must be that of `model.json` on the whole test split; its outputs must be those of the integer
rule, bit for bit, as must those of the emulated CPUs for the first samples. By every cross compiler that is here: flash
in code and constants, RAM, stack, instructions of one inference, and these per multiply-accumulate.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.evaluation.held_out import held_out
from gasearch_workers.export.artifact import read_artifact
from gasearch_workers.export.c99.integers import run_integers
from gasearch_workers.measure.emulators import emulator
from gasearch_workers.measure.footprint import CPUS, call_on, footprint, link
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import CROSS_COMPILERS, Blueprint, EvaluationRequest, Fidelity, Layer, Recipe, Task
from gasearch_workers.network.costs import costs
from gasearch_workers.runtimes import c99
from numpy.typing import NDArray

from benchmarks.support.timing import Targets, conditions

MOST_TIMES, CODE_BYTES = 1.15, 3072  #: Flash: so many times the packed bytes, and so much code.
MOST_DIFFERENCE = 0.002  #: Between the claimed accuracy and that of the C file: 0.2 points.
EPOCHS = 8
TITLES = ("CPU", "compiler, -Os", "counted by", "flash", "code", "constants", "RAM", "stack", "instructions", "per MAC")


def main() -> None:
    """Print the table; fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", metavar="DIR")
    parser.add_argument("--data", help="test samples, where DIR's data are not built in")
    parser.add_argument("--tests", type=int, help="test samples on this machine; default: all")
    parser.add_argument("--emulated", type=int, default=20, help="test samples on each emulated CPU")
    options = parser.parse_args()
    print(conditions("torch"))
    with tempfile.TemporaryDirectory() as folder:
        directory = options.directory or _digits(Path(folder) / "digits")
        content, targets = read_artifact(directory), Targets()
        test = held_out(directory, content, options.data).split
        network, _ = c99.genuine_source(directory)
        spent = costs(network.plan)
        print(f"network {content['description']['key']}: {spent.model_bytes:,} bytes packed, {spent.macs:,} MACs")
        outputs = run_integers(network, test.x[: options.tests])
        _score(directory, content, outputs, test, targets)
        print(f"\n| {' | '.join(TITLES)} |\n| {' | '.join('---' for _ in TITLES)} |")
        for compiler in CROSS_COMPILERS:
            for cpu in CPUS:
                _measure(directory, cpu, compiler, targets, spent)
                _compare(directory, cpu, compiler, test.x[: options.emulated], outputs, targets)
    targets.check()


def _digits(directory: Path) -> Path:
    """A network of about 4.5 KB for the digits, trained and exported."""
    bits: dict[str, Any] = {"kernel": 3, "weight_bits": 4, "activation_bits": 4}
    layers = (
        Layer(kind="conv", width=16, **bits),
        Layer(kind="residual", width=16, stride=2, **bits | {"weight_bits": 3}),
        Layer(kind="separable", width=32, **bits),
        Layer(kind="linear", width=10, weight_bits=8),
    )
    data, recipe = load_dataset("digits"), Recipe(epochs=EPOCHS, batch_size=32, learning_rate=0.005)
    request = EvaluationRequest(
        key="digits",
        attempt=1,
        network=Blueprint(family="cnn", input_shape=(1, 8, 8), layers=layers),
        recipe=recipe,
        task=Task(dataset="digits"),
        seed=1,
        fidelity=Fidelity(epochs=EPOCHS),
    )
    return export(request, directory, evaluator=Evaluator(data), data=data, claimed={}, formats=["c"])


def _score(directory: Path, content: dict[str, Any], outputs: NDArray[Any], test: Any, targets: Targets) -> None:
    """The accuracy of the C file on this machine, against the claimed one; its outputs against the integer rule's."""
    if c99.version() is None:
        print("no C compiler is here: the accuracy is not measured")
        return
    x, y = test.x[: len(outputs)], test.y[: len(outputs)]
    found = c99.run(directory, x)
    accuracy = float((found.argmax(axis=1) == y).mean())
    claimed = content["description"]["measured"]["test_accuracy"]
    print(f"accuracy of model.c by {c99.version()}: {accuracy:.4f} on {len(x):,} test samples; claimed {claimed:.4f}")
    targets.at_least("share of outputs on this machine that are the integer rule's", _equal(found, outputs), 1.0)
    if len(x) == len(test.x):
        targets.at_most("accuracy: difference from the claim", abs(accuracy - claimed), MOST_DIFFERENCE)


def _measure(directory: Path, cpu: Any, compiler: str, targets: Targets, spent: Any) -> None:
    """A row of the table."""
    found = footprint(directory, cpu, compiler)
    if found.flash_bytes is None or found.code_bytes is None:
        print(f"| {cpu} | {compiler}: {found.absent['flash_bytes']} |{' - |' * (len(TITLES) - 2)}")
        return
    targets.at_most(f"{cpu}, {compiler}: flash", found.flash_bytes, MOST_TIMES * spent.model_bytes + CODE_BYTES)
    counted = (found.ram_bytes, found.stack_bytes, found.instructions)
    numbers = [found.flash_bytes, found.code_bytes, found.flash_bytes - found.code_bytes, *counted]
    per_mac = "-" if found.instructions is None else f"{found.instructions / spent.macs:.1f}"
    cells = [cpu, found.toolchain, found.emulator or "-", *(f"{one:,}" if one else "-" for one in numbers), per_mac]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _compare(
    directory: Path, cpu: Any, compiler: str, x: NDArray[Any], expected: NDArray[Any], targets: Targets
) -> None:
    """Hold what the emulated CPU gives against the integer rule."""
    chain = toolchain(compiler)
    if chain is None or emulator() is None:
        return
    network, files = c99.genuine_source(directory)
    elf = link(files, cpu, chain)
    found = np.array([call_on(network, elf, cpu, sample)[1] for sample in x])
    share = _equal(found, expected[: len(found)])
    targets.at_least(
        f"{cpu}, {compiler}: share of {len(found)} emulated outputs that are the integer rule's", share, 1.0
    )


def _equal(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The share of samples whose outputs are equal, bit for bit."""
    return float((found.view(np.uint32) == expected.view(np.uint32)).all(axis=1).mean())


if __name__ == "__main__":
    main()
