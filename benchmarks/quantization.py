"""Quantization-aware training: what a step costs against float and against brevitas, and how accurate it comes out.

    python -m benchmarks.quantization [--data ../data/mnist.npz]

Time: CPU seconds of one epoch on random images, loops taking turns, the median ratio over the rounds. At 4 bits the
scale follows the largest value (straight-through), at 3 it is learned (LSQ). Accuracy: that of the deployed network on
the test split after equal epochs on equal samples with the same optimizer, schedule and batch size, by ours and by
brevitas (weights per channel, unsigned activations per tensor, scales as brevitas makes them), mean and deviation over
the seeds. The peer must not be needed by the project: without brevitas only our own figures are made.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from gasearch_workers.data import load_dataset
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Fidelity, Recipe
from gasearch_workers.modules.build import build
from gasearch_workers.network.plan import plan
from gasearch_workers.training.allocator import keep_freed_memory
from gasearch_workers.training.inference import evaluate
from gasearch_workers.training.resident import ResidentSplit, make_resident, use_one_thread
from gasearch_workers.training.train import train
from torch import nn

from benchmarks.support.brevitas_networks import quant_cnn, quant_mlp
from benchmarks.support.networks import cnn, image_blueprint, make_network, mlp, random_images
from benchmarks.support.timing import Targets, alternate, conditions, ratio

RECIPE = Recipe(batch_size=128, learning_rate=0.003)
STEP_TARGETS = {4: 1.9, 3: 2.2}
PEER_TARGET = 0.6
POINTS = {4: -1.0, 2: 0.0}  #: Least lead over brevitas in points of accuracy, per bits.
HAS_PEER = importlib.util.find_spec("brevitas") is not None
HOW_TO_GET_IT = (
    "brevitas is not installed here, so nothing is compared with it: make an environment of its own with "
    "`pip install brevitas 'setuptools<81'` beside this project and run the script there"
)


def main() -> None:
    """Print times, then accuracies; fail where a target is missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--images", type=int, default=1_600, help="of the timed epochs")
    arguments.add_argument("--data", type=Path, help="images (.npz) for the accuracies; without it they are left out")
    arguments.add_argument("--train", type=int, default=10_000, help="training samples of the accuracies")
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--seeds", type=int, default=3)
    options = arguments.parse_args()
    use_one_thread()
    keep_freed_memory()
    print(f"{conditions('torch', *(['brevitas'] if HAS_PEER else []))}, {torch.get_num_threads()} thread, CPU time")
    targets = Targets()
    compare_times(random_images(options.images), options.rounds, targets)
    if options.data is None:
        print("accuracies need images: --data FILE.npz; they are left out")
    else:
        compare_accuracies(load_dataset(str(options.data)), options, targets)
    if not HAS_PEER:
        print(HOW_TO_GET_IT)
    targets.check()


# --- time -------------------------------------------------------------------------------------------------------


def compare_times(data: ResidentSplit, rounds: int, targets: Targets) -> None:
    """The price of quantization per step, ours against float and against brevitas."""
    for name, layers in (("cnn", cnn), ("mlp", mlp)):
        runs: dict[str, Callable[[], object]] = {
            f"{bits}": lambda bits=bits, layers=layers: our_epoch(make_network(layers(bits), data), data)
            for bits in (32, 4, 3)
        }
        if HAS_PEER:
            runs["brevitas"] = lambda name=name: peer_epochs(make_peer(name, 4), data, epochs=1, seed=0)
        seconds = alternate(runs, rounds)
        for bits, kind in ((4, "straight-through, 4 bits"), (3, "LSQ, 3 bits")):
            found = ratio(seconds[str(bits)], seconds["32"])
            print(f"{name}: {kind}: our step / float step {found:.2f}")
            if name == "cnn":
                targets.at_most(f"{name}: {kind}: step / float step", found, STEP_TARGETS[bits])
        if HAS_PEER:
            # Brevitas computes alike at any number of bits; ours is dearest where the scale is learned.
            found = max(ratio(seconds[bits], seconds["brevitas"]) for bits in ("4", "3"))
            of_float = ratio(seconds["brevitas"], seconds["32"])
            print(f"{name}: our dearest step / brevitas's {found:.2f} (brevitas's / our float step {of_float:.2f})")
            targets.at_most(f"{name}: our step / brevitas's step", found, PEER_TARGET)


def our_epoch(network: nn.Module, data: ResidentSplit) -> None:
    """One epoch by the trainer."""
    train(network, data, RECIPE, fidelity=Fidelity(epochs=1), seed=0)


def make_peer(family: str, bits: int) -> nn.Module:
    """The same network of brevitas's layers."""
    return quant_cnn(bits) if family == "cnn" else quant_mlp(bits)


def peer_epochs(network: nn.Module, data: ResidentSplit, *, epochs: int, seed: int) -> None:
    """The trainer's loop in short, for any module on resident data: fused Adam, cosine."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate, fused=True)
    order = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(data) // RECIPE.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    network.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(data), generator=order).split(RECIPE.batch_size):
            loss = F.cross_entropy(network(data.x[batch]), data.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


# --- accuracy ---------------------------------------------------------------------------------------------------


def compare_accuracies(data: Dataset, options: argparse.Namespace, targets: Targets) -> None:
    """Test accuracy of the CNN at 4 and 2 bits, by ours and by the peer."""
    resident = make_resident(data)
    subset = ResidentSplit(x=resident.train.x[: options.train], y=resident.train.y[: options.train])
    fidelity = Fidelity(epochs=options.epochs)
    print(
        f"test accuracy on {data.name}, cnn of widths 16-32-64, {len(subset):,} training samples, {options.epochs} "
        f"epochs, {options.seeds} seeds: mean +- deviation"
    )
    for bits in (32, 4, 2):
        ours, theirs = [], []
        for seed in range(options.seeds):
            steps = plan(image_blueprint(cnn(bits), data.input_shape, data.classes))
            network = build(steps, fit_input(data.train.x, input_bits=steps.input_bits), seed=seed)
            train(network, subset, RECIPE, fidelity=fidelity, seed=seed)
            ours.append(evaluate(network, resident.test))
            if HAS_PEER and bits != 32:
                torch.manual_seed(seed)
                peer = quant_cnn(bits, channels=data.input_shape[0], outputs=data.classes)
                peer_epochs(peer, subset, epochs=options.epochs, seed=seed)
                theirs.append(peer_accuracy(peer, resident.test))
        print(f"{bits:>2} bits: ours {spread(ours)}" + (f", brevitas {spread(theirs)}" if theirs else ""))
        if theirs:
            lead = 100 * (statistics.mean(ours) - statistics.mean(theirs))
            targets.at_least(f"{bits} bits: points ahead of brevitas", lead, POINTS[bits])


@torch.no_grad()
def peer_accuracy(network: nn.Module, split: ResidentSplit) -> float:
    """Share of the samples that the network gets right in evaluation mode."""
    network.eval()
    found = torch.cat([network(x).argmax(dim=1) for x in split.x.split(256)])
    return float((found == split.y).double().mean())


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} +- {deviation:.4f}"


if __name__ == "__main__":
    main()
