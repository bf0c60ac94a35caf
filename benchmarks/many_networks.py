"""Ways to train many small networks faster than one by one on a CPU, each against the plain trainer.

    python -m benchmarks.many_networks [--data ../data/mnist.npz] [--compile]

The first table's ways train the same number of networks of one shape on the same samples for as many epochs. CPU
time, ways taking turns; images per CPU second over all networks, the median ratio to the plain trainer over the rounds,
and the mean test accuracy of the networks of the last round. A way pays where it is at least 1.3 times as fast and not
a point less accurate.

- stacked: all networks in one set of tensors, one batch for all: torch.bmm for MLPs (at 3 bits, too), grouped
  convolutions for CNNs
- shared batches: batches gathered and normalized once, then shown to each network in turn
- batch 512: batches four times as large, the rate doubled
- bfloat16: autocast
- compiled: torch.compile of each network's forward and backward pass, with a warm cache; behind --compile, because the
  compilation (shown apart) takes minutes

The second table's ways train networks of several widths, less than plainly; beside the CPU time stands what that costs:
the rank correlation (Spearman's) of their accuracies with those of the full trainings, and the best network's accuracy.

- third: a third of the epochs
- halving: a third of the epochs, then the full training for the better half alone
- inherited: a third of the epochs from the overlapping weights of the trained network of the next width
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from gasearch_workers.data import load_dataset
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Fidelity, Layer, Recipe
from gasearch_workers.modules.build import Network, build
from gasearch_workers.modules.inheritance import inherit
from gasearch_workers.network.plan import plan
from gasearch_workers.training.allocator import keep_freed_memory
from gasearch_workers.training.inference import evaluate
from gasearch_workers.training.resident import ResidentSplit, make_resident, use_one_thread
from gasearch_workers.training.train import train
from torch import nn

from benchmarks.support.networks import cnn, image_blueprint, mlp
from benchmarks.support.stacked import SharedBatches, stack_networks, stacked_accuracies, train_stacked
from benchmarks.support.timing import alternate, conditions, ratio

RECIPE = Recipe(batch_size=128, learning_rate=0.003)
LARGE_BATCH = dataclasses.replace(RECIPE, batch_size=512, learning_rate=0.006)
BFLOAT16 = dataclasses.replace(RECIPE, precision="bfloat16")
WIDTHS = {"mlp": (64, 64), "cnn": (16, 32, 64)}
SEVERAL = {
    "mlp": tuple((width, width) for width in (8, 12, 16, 24, 32, 48, 64, 96)),
    "cnn": tuple((width, 2 * width, 4 * width) for width in (2, 3, 4, 6, 8, 10, 12, 16)),
}
PAYS = 1.3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all ways share."""

    data: Dataset
    train: ResidentSplit
    test: ResidentSplit
    epochs: int
    networks: int
    rounds: int

    @property
    def images(self) -> int:
        """Images shown to all networks together by a full training."""
        return self.networks * self.epochs * len(self.train)

    def build(self, layers: tuple[Layer, ...], seed: int) -> Network:
        """A fresh network."""
        steps = plan(image_blueprint(layers, self.data.input_shape, self.data.outputs))
        return build(steps, fit_input(self.data.train.x, input_bits=steps.input_bits), seed=seed)


def main() -> None:
    """Print both tables for both families."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, help="images (.npz); without it the built-in digits")
    arguments.add_argument("--train", type=int, default=4_000, help="training samples at most")
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--networks", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--compile", action="store_true")
    options = arguments.parse_args()
    use_one_thread()
    keep_freed_memory()
    data = load_dataset(str(options.data or "digits"))
    resident = make_resident(data)
    subset = dataclasses.replace(
        resident.train, x=resident.train.x[: options.train], y=resident.train.y[: options.train]
    )
    bench = Bench(
        data=data,
        train=subset,
        test=resident.test,
        epochs=options.epochs,
        networks=options.networks,
        rounds=options.rounds,
    )
    print(
        f"{conditions('torch')}, one thread; {data.name}, {len(subset):,} training samples, {options.epochs} epochs, "
        f"{options.networks} networks, median of {options.rounds} rounds, CPU time"
    )
    for family, bits in (("mlp", 32), ("mlp", 3), ("cnn", 32)):
        compare_equal(family, bits, bench, with_compiled=options.compile and bits == 32)
    for family in ("mlp", "cnn"):
        compare_several(family, bench)


# --- networks of one shape --------------------------------------------------------------------------------------


def compare_equal(family: str, bits: int, bench: Bench, *, with_compiled: bool) -> None:
    """The first table."""
    layers = mlp(bits, WIDTHS["mlp"]) if family == "mlp" else cnn(bits, WIDTHS["cnn"])
    accuracies: dict[str, list[float]] = {}

    def one_by_one(name: str, recipe: Recipe) -> None:
        networks = [bench.build(layers, seed) for seed in range(bench.networks)]
        for seed, network in enumerate(networks):
            train(network, bench.train, recipe, fidelity=Fidelity(epochs=bench.epochs), seed=seed)
        accuracies[name] = [evaluate(network, bench.test) for network in networks]

    def stacked() -> None:
        stack = stack_networks([bench.build(layers, seed) for seed in range(bench.networks)])
        train_stacked(stack, bench.train, RECIPE, epochs=bench.epochs, networks=bench.networks)
        accuracies["stacked"] = stacked_accuracies(stack, bench.test)

    def shared() -> None:
        networks = [bench.build(layers, seed) for seed in range(bench.networks)]
        SharedBatches(networks, RECIPE).train(bench.train, epochs=bench.epochs)
        accuracies["shared batches"] = [evaluate(network, bench.test) for network in networks]

    runs: dict[str, Callable[[], object]] = {
        "plain": lambda: one_by_one("plain", RECIPE),
        "stacked": stacked,
        "shared batches": shared,
        "batch 512": lambda: one_by_one("batch 512", LARGE_BATCH),
        "bfloat16": lambda: one_by_one("bfloat16", BFLOAT16),
    }
    if with_compiled:
        compile_s, runs["compiled"] = compiled_way(bench, layers, accuracies)
        print(f"{family}, compiled: {compile_s:.0f} s of wall time to compile, not counted below")
    seconds = alternate(runs, bench.rounds)
    print(
        f"{f'{family} of ' + '-'.join(map(str, WIDTHS[family])) + f', {bits} bits':<25}"
        f"{'images/s':>10}{'x plain':>9}{'accuracy':>10}  pays"
    )
    plain = statistics.mean(accuracies["plain"])
    for name in runs:
        rate, times = bench.images / statistics.median(seconds[name]), ratio(seconds["plain"], seconds[name])
        accuracy = statistics.mean(accuracies[name])
        pays = "yes" if times >= PAYS and accuracy >= plain - 0.01 else "no"
        print(f"  {name:<23}{rate:>10,.0f}{times:>9.2f}{accuracy:>10.4f}  {'-' if name == 'plain' else pays}")


def compiled_way(
    bench: Bench, layers: tuple[Layer, ...], accuracies: dict[str, list[float]]
) -> tuple[float, Callable[[], None]]:
    """Wall seconds until the compiled step is warm, and the way of training with it."""
    # Normalization counts its batches; as a constant the count would be compiled anew each time, up to torch's limit.
    torch._dynamo.config.allow_unspec_int_on_nn_module = True
    network = bench.build(layers, 0)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    fast = torch.compile(network, dynamic=False)

    def run() -> None:
        found = []
        for seed in range(bench.networks):
            network.load_state_dict(bench.build(layers, seed).state_dict() if seed else start)
            train(fast, bench.train, RECIPE, fidelity=Fidelity(epochs=bench.epochs), seed=seed)
            found.append(evaluate(network, bench.test))
        accuracies["compiled"] = found

    started = time.perf_counter()
    train(fast, bench.train, RECIPE, fidelity=Fidelity(epochs=1), seed=0)
    return time.perf_counter() - started, run


# --- networks of several shapes ---------------------------------------------------------------------------------


def compare_several(family: str, bench: Bench) -> None:
    """The second table."""
    shapes = [mlp(32, widths) if family == "mlp" else cnn(32, widths) for widths in SEVERAL[family]]
    full, third = bench.epochs, max(1, bench.epochs // 3)
    accuracies: dict[str, list[float]] = {}
    trained: list[Mapping[str, torch.Tensor]] = []

    def fit(number: int, epochs: int, parent: Mapping[str, torch.Tensor] | None = None) -> tuple[float, nn.Module]:
        network = bench.build(shapes[number], number)
        if parent is not None:
            inherit(network, parent)
        train(network, bench.train, RECIPE, fidelity=Fidelity(epochs=epochs), seed=number)
        return evaluate(network, bench.test), network

    def plain() -> None:
        results = [fit(number, full) for number in range(len(shapes))]
        accuracies["plain"] = [accuracy for accuracy, _ in results]
        trained[:] = [network.state_dict() for _, network in results]

    def short() -> None:
        accuracies["third"] = [fit(number, third)[0] for number in range(len(shapes))]

    def halving() -> None:
        found = [fit(number, third)[0] for number in range(len(shapes))]
        for number in sorted(range(len(shapes)), key=lambda number: -found[number])[: len(shapes) // 2]:
            found[number] = fit(number, full)[0]
        accuracies["halving"] = found

    def inherited() -> None:
        parents = [*trained[1:], trained[-2]]
        accuracies["inherited"] = [fit(number, third, parent)[0] for number, parent in enumerate(parents)]

    runs = {"plain": plain, "third": short, "halving": halving, "inherited": inherited}
    seconds = alternate(runs, bench.rounds)
    print(f"{f'{family}, {len(shapes)} widths':<22}{'CPU s':>10}{'x plain':>9}{'ranking':>10}{'best':>9}{'mean':>9}")
    for name in runs:
        times, used = ratio(seconds["plain"], seconds[name]), statistics.median(seconds[name])
        found, order = accuracies[name], rank_correlation(accuracies[name], accuracies["plain"])
        print(f"  {name:<23}{used:>10.2f}{times:>9.2f}{order:>10.2f}{max(found):>9.4f}{statistics.mean(found):>9.4f}")


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's: 1 where both order the networks alike."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
