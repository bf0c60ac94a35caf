"""How steady are latencies: the mean of wall times against the paired protocol, calm and with busy neighbours.

    python benchmarks/latency.py [--repeats 20] [--neighbours 1] [--networks 6]

Prints, for a small quantized CNN, the coefficient of variation (standard deviation / mean) over repeated measurements
by each estimator, and the ratio of what it reads when disturbed to what it reads when calm. The estimators take turns
and get the same number of calls. Neighbours work in bursts of up to a second, so that no two measurements are disturbed
alike.

Then the same for several networks, each at least 20 % slower than the one before when calm, by the protocol alone: the
greatest coefficient of variation of one network, and Spearman's rank correlation between the orders that any two
repeats put them in, mean and least. Wanted is at most 0.05, and at least 0.95.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parents[1]))

from gasearch_workers.deploy.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.deploy.onnx_graph import to_onnx
from gasearch_workers.measure.latency import Protocol, calibrate, inference_call, measure_latency, sample_input
from gasearch_workers.measure.reference_model import reference_model
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.plan import plan
from gasearch_workers.network.steps import Step

SHAPE = (1, 28, 28)
APART = 1.2  #: Ratio between the calm latencies of neighbours in the ranking.
WIDTHS = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192)  #: To choose the ranked ones from.
NEIGHBOUR = """
import random, time, numpy
a = numpy.ones((512, 512), numpy.float32)
while True:
    end = time.monotonic() + random.random()
    while time.monotonic() < end:
        a @ a
    time.sleep(random.random())
"""


def main() -> None:
    """Measure calm, then disturbed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--networks", type=int, default=6, help="how many to rank")
    options = parser.parse_args()
    compare_estimators(options)
    rank_networks(options)


def compare_estimators(options: argparse.Namespace) -> None:
    """One network by every estimator."""
    estimators = make_estimators()
    calm = repeat(estimators, options.repeats)
    with neighbours(options.neighbours):
        busy = repeat(estimators, options.repeats)
    print(f"{platform.machine()}, ONNX Runtime {onnxruntime.__version__}, {options.repeats} repeats, ", end="")
    print(f"{options.neighbours} neighbour(s)")
    print(f"{'estimator':<18}{'ms, calm':>10}{'variation':>11}{'ms, busy':>10}{'variation':>11}{'busy/calm':>11}")
    for name in estimators:
        means = statistics.mean(calm[name]), statistics.mean(busy[name])
        spreads = variation(calm[name]), variation(busy[name])
        print(f"{name:<18}{means[0]:>10.4f}{spreads[0]:>11.4f}{means[1]:>10.4f}{spreads[1]:>11.4f}", end="")
        print(f"{means[1] / means[0]:>11.3f}")


def rank_networks(options: argparse.Namespace) -> None:
    """Several networks by the protocol that the search uses."""
    meters = networks_apart(options.networks)
    calm = repeat(meters, options.repeats)
    with neighbours(options.neighbours):
        busy = repeat(meters, options.repeats)
    latencies = ", ".join(f"{statistics.median(calm[name]):.4f}" for name in meters)
    print(f"\n{len(meters)} networks of {latencies} ms, {options.repeats} repeats")
    print(f"{'':<18}{'variation: median':>18}{'greatest':>10}{'rank correlation: mean':>24}{'least':>8}")
    for title, found in (("calm", calm), ("busy", busy)):
        spreads = [variation(found[name]) for name in meters]
        orders = itertools.combinations(zip(*found.values(), strict=True), 2)
        ranks = [rank_correlation(one, other) for one, other in orders]
        print(f"{title:<18}{statistics.median(spreads):>18.4f}{max(spreads):>10.4f}", end="")
        print(f"{statistics.mean(ranks):>24.4f}{min(ranks):>8.3f}")


def networks_apart(count: int) -> dict[str, Callable[[], float]]:
    """Meters of at most that many networks, each at least `APART` times as slow as the one before, measured calm."""
    calibration, chosen, last = calibrate(), dict[str, Callable[[], float]](), 0.0
    for width in WIDTHS:
        model = to_onnx(candidate(width)).SerializeToString()

        def measure(model: bytes = model) -> float:
            return measure_latency(model, shape=SHAPE, dtype="uint8", calibration=calibration).latency_ms

        latency = statistics.median(measure() for _ in range(3))
        if latency >= APART * last and len(chosen) < count:
            chosen[f"width {width}"], last = measure, latency
    return chosen


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's: the correlation of the ranks."""
    ranks = np.argsort(np.argsort([one, other], axis=1), axis=1)
    return float(np.corrcoef(ranks)[0, 1])


def make_estimators() -> dict[str, Callable[[], float]]:
    """Each gives the latency of the same network in milliseconds, from the same number of calls."""
    model, protocol = to_onnx(candidate()).SerializeToString(), Protocol(limit_s=60)
    pairs = protocol.blocks * protocol.pairs
    call = inference_call(model, sample_input(SHAPE, "uint8"))
    yardstick = reference_model()
    reference = inference_call(yardstick.graph, sample_input(yardstick.shape, "uint8"))
    calibration = calibrate()

    def wall(summary: Callable[[list[float]], float]) -> float:
        for _ in range(protocol.warmup_calls):
            call()
        return 1e3 * summary([seconds(call) for _ in range(2 * pairs)])

    def median_of_pairs() -> float:
        for _ in range(protocol.warmup_calls):
            call()
            reference()
        return calibration.reference_latency_ms * statistics.median(
            seconds(call) / seconds(reference) for _ in range(pairs)
        )

    return {
        "mean wall": lambda: wall(statistics.fmean),
        "median wall": lambda: wall(statistics.median),
        "median of pairs": median_of_pairs,
        "fastest of pairs": lambda: (
            measure_latency(model, shape=SHAPE, dtype="uint8", calibration=calibration, protocol=protocol).latency_ms
        ),
    }


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def repeat(estimators: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """All estimators in turn, so that the machine's moods meet each of them."""
    found: dict[str, list[float]] = {name: [] for name in estimators}
    for _ in range(repeats):
        for name, estimate in estimators.items():
            found[name].append(estimate())
    return found


def variation(values: list[float]) -> float:
    """Coefficient of variation."""
    return statistics.stdev(values) / statistics.mean(values)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Processes of our own that keep a core busy each, ended one by one by their handles."""
    started = [subprocess.Popen([sys.executable, "-c", NEIGHBOUR]) for _ in range(count)]
    try:
        time.sleep(1.0)
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def candidate(width: int = 16) -> IntegerNetwork:
    """A quantized CNN for 28 x 28 images with random weights."""
    rng = np.random.default_rng(1)
    layers = [
        Layer(kind="conv", width=width, kernel=3, stride=2, weight_bits=4, activation_bits=4),
        Layer(kind="residual", width=2 * width, kernel=3, stride=2, weight_bits=4, activation_bits=4),
        Layer(kind="linear", width=10, weight_bits=8),
    ]
    steps = plan(Blueprint(family="cnn", input_shape=SHAPE, layers=tuple(layers)))
    transform = InputTransform(
        dtype="uint8",
        mean=np.full(1, 33, np.float32),
        deviation=np.full(1, 79, np.float32),
        grid=Grid(scale=1 / 79, zero_point=33, bits=8),
    )
    return IntegerNetwork(plan=steps, input=transform, steps=tuple(random_step(step, rng) for step in steps.steps))


def random_step(step: Step, rng: np.random.Generator) -> IntegerStep:
    """A step with random integer weights."""
    grid = None
    if step.output_bits <= 8:
        zero = 2 ** (step.output_bits - 1) if step.is_output_signed else 0
        grid = Grid(scale=0.1, zero_point=zero, bits=step.output_bits)
    if not step.has_weights:
        return IntegerStep(step=step, output_grid=grid)
    out, half = step.output_shape[0], 2 ** (step.weight_bits - 1)
    weight = rng.integers(-half, half, size=step.weight_shape).astype(np.int8)
    scale, bias = np.full(out, 0.02, np.float32), np.zeros(out, np.float32)
    return IntegerStep(step=step, weight=weight, weight_scale=scale, bias=bias, output_grid=grid)


if __name__ == "__main__":
    main()
