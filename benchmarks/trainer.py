"""Images per CPU second of our trainer against a bare hand-written loop, and the price of fake quantization.

    python benchmarks/trainer.py

Both loops train the same network on the same resident data. They take turns within one process; each ratio is the
median over the rounds of (loop's CPU seconds / trainer's CPU seconds), which a busy neighbour moves little. The images
are random: speed doesn't depend on them.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from workers.build import Network, build
from workers.data.normalize import fit_input
from workers.messages import Blueprint, Fidelity, Layer, Recipe
from workers.plan import plan
from workers.train import ResidentSplit, train, use_one_thread

TARGET = 0.85
RECIPE = Recipe(batch_size=128)


def main() -> None:
    """Print each ratio with its conditions; fail below the target."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--images", type=int, default=3_200)
    options = arguments.parse_args()
    use_one_thread()
    data = random_images(options.images)
    print(
        f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} thread, "
        f"{platform.processor() or platform.machine()}; {options.images} images of 1x28x28, batch {RECIPE.batch_size}, "
        f"fused Adam, median of {options.rounds} alternating rounds, CPU time"
    )
    ratios = []
    for name, layers in NETWORKS.items():
        ratio = compare(
            lambda layers=layers: bare_loop(make_network(layers, data), data),
            lambda layers=layers: our_loop(make_network(layers, data), data),
            options.rounds,
        )
        print(f"{name}: trainer / bare loop {ratio[0]:.3f} ({options.images / ratio[1]:,.0f} images/s)")
        ratios.append(ratio[0])
    for bits in (8, 4, 2):
        ratio = compare(
            lambda bits=bits: our_loop(make_network(cnn(bits), data), data),
            lambda: our_loop(make_network(cnn(32), data), data),
            options.rounds,
        )
        print(f"cnn: {bits}-bit step / float step {ratio[0]:.2f}")
    if min(ratios) < TARGET:
        raise SystemExit(f"the trainer must reach {TARGET} of the bare loop's rate; got {min(ratios):.3f}")


def cnn(bits: int) -> tuple[Layer, ...]:
    """Three convolutions of 16, 32 and 64 channels."""
    return tuple(
        Layer(kind="conv", width=width, kernel=3, stride=stride, weight_bits=bits, activation_bits=bits)
        for width, stride in ((16, 1), (32, 2), (64, 2))
    )


def mlp(bits: int) -> tuple[Layer, ...]:
    """Two dense layers of 64."""
    return (Layer(kind="linear", width=64, weight_bits=bits, activation_bits=bits),) * 2


NETWORKS = {"cnn, 4 bits": cnn(4), "cnn, float": cnn(32), "mlp, 4 bits": mlp(4), "mlp, float": mlp(32)}


def make_network(layers: tuple[Layer, ...], data: ResidentSplit) -> Network:
    """A fresh network with those layers and ten outputs."""
    head = Layer(kind="linear", width=10, weight_bits=layers[0].weight_bits)
    steps = plan(Blueprint(family="cnn", input_shape=(1, 28, 28), layers=(*layers, head)))
    return build(steps, fit_input(data.x.numpy(), input_bits=steps.input_bits), seed=0)


def our_loop(network: Network, data: ResidentSplit) -> None:
    """One epoch by the trainer."""
    train(network, data, RECIPE, fidelity=Fidelity(epochs=1), seed=0)


def bare_loop(network: Network, data: ResidentSplit) -> None:
    """One epoch as one would write it by hand, with the same schedule and nothing that guards it."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate, fused=True)
    batches = torch.randperm(len(data)).split(RECIPE.batch_size)
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.5 * RECIPE.learning_rate * (1 + math.cos(math.pi * step / len(batches)))
        loss = F.cross_entropy(network(data.x[batch]), data.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def compare(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Medians over the rounds, after one that isn't counted: (first's / second's CPU seconds, second's)."""
    seconds = [(cpu_seconds(first), cpu_seconds(second)) for _ in range(rounds + 1)][1:]
    return statistics.median(a / b for a, b in seconds), statistics.median(b for _, b in seconds)


def cpu_seconds(run: Callable[[], None]) -> float:
    """CPU time of this process for one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def random_images(count: int) -> ResidentSplit:
    """Random bytes with random labels."""
    rng = np.random.default_rng(0)
    return ResidentSplit(
        x=torch.from_numpy(rng.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)),
        y=torch.from_numpy(rng.integers(0, 10, count)),
    )


if __name__ == "__main__":
    main()
