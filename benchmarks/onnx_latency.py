"""Latency of our int8 graphs over our float32 graphs in ONNX Runtime, at several widths.

    python -m benchmarks.onnx_latency [--batch 1]

Both graphs are of the same CNN (three 3 x 3 convolutions on 3 x 32 x 32 images), exported and opened as the search does
it (`gasearch_workers.export`): one thread that never spins. They take turns in blocks, as the search times networks
(`measure.latency`): per block the fastest call of each, the median ratio over the blocks, and its spread.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.measure.latency import Protocol, inference_call, paired_ratios, sample_input
from gasearch_workers.messages import Fidelity, Recipe
from gasearch_workers.modules.build import build
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.plan import plan
from gasearch_workers.training.resident import use_one_thread
from gasearch_workers.training.train import train

from benchmarks.support.networks import cnn, image_blueprint, random_images
from benchmarks.support.timing import Targets, conditions

SHAPE = (3, 32, 32)
WIDTHS = ((16, 32, 64), (32, 64, 128), (64, 128, 256))
TARGET_WIDTHS, TARGET = (64, 128, 256), 0.6


def main() -> None:
    """Print a line per width; fail where the target is missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--batch", type=int, default=1)
    arguments.add_argument("--blocks", type=int, default=9)
    options = arguments.parse_args()
    use_one_thread()
    print(
        f"{conditions('onnxruntime', 'onnx')}, one thread, batch {options.batch}, {options.blocks} blocks of 60 pairs"
    )
    targets, protocol = Targets(), Protocol(blocks=options.blocks, limit_s=120)
    for widths in WIDTHS:
        sample = np.repeat(sample_input(SHAPE, "uint8"), options.batch, axis=0)
        integer, real = (inference_call(graph(widths, bits), sample) for bits in (8, 32))
        ratios = paired_ratios(integer, real, protocol=protocol, clock=time.perf_counter_ns)
        found = statistics.median(ratios)
        print(
            f"widths {'-'.join(map(str, widths)):>10}: int8 / float32 {found:.2f} +- {statistics.stdev(ratios):.3f} "
            f"(fastest calls {fastest_ms(integer):.3f} ms and {fastest_ms(real):.3f} ms)"
        )
        if widths == TARGET_WIDTHS:
            targets.at_most(f"int8 / float32 at widths {widths}", found, TARGET)
    targets.check()


def graph(widths: tuple[int, ...], bits: int) -> bytes:
    """An exported CNN after a step or two of training, which gives its grids their scales."""
    data = random_images(64, SHAPE)
    steps = plan(image_blueprint(cnn(bits, widths), SHAPE))
    network = build(steps, fit_input(data.x.numpy(), input_bits=steps.input_bits), seed=0)
    train(network, data, Recipe(batch_size=32), fidelity=Fidelity(epochs=1), seed=0)
    with torch.no_grad():
        return to_onnx(lower(network.eval())).SerializeToString()


def fastest_ms(call, calls: int = 50) -> float:
    """The fastest of so many calls."""
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return 1e3 * min(seconds)


if __name__ == "__main__":
    main()
