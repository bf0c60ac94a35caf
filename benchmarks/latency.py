"""How steady are latencies: the mean of wall times against the paired protocol, calm and with busy neighbours.

    python benchmarks/latency.py [--repeats 20] [--neighbours 1] [--networks 6] [--coverage]

Prints, for a small quantized CNN, the coefficient of variation (standard deviation / mean) over repeated measurements
by each estimator, and the ratio of what it reads when disturbed to what it reads when calm. The estimators take turns
and get the same number of calls. Neighbours work in bursts of up to a second, so that no two measurements are disturbed
alike.

Then the same for several networks, each at least 20 % slower than the one before when calm, by the protocol alone: the
greatest coefficient of variation of one network, and Spearman's rank correlation between the orders that any two
repeats put them in, mean and least. Wanted is at most 0.05, and at least 0.95.

With `--coverage` instead: three networks are measured again and again, each time by a process and with a calibration of
its own, as a search and then an export do, calm and with neighbours (4 of them are a load of 4 and more). Of all pairs
of measurements of the same network it counts in how many the second value lies within the first one's latency -+
spread. Wanted is 0.95.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parents[1]))

from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.measure.latency import Latency, Protocol, calibrate, inference_call, measure_latency, sample_input
from gasearch_workers.measure.reference_model import SHAPE as REFERENCE_SHAPE
from gasearch_workers.measure.reference_model import reference_model
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
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
    parser.add_argument("--coverage", action="store_true", help="of the spread, in place of the rest")
    options = parser.parse_args()
    if options.coverage:
        print_coverage(options)
        return
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


def print_coverage(options: argparse.Namespace) -> None:
    """How many of repeated measurements lie within the spread of another one."""
    models = [to_onnx(candidate(width)).SerializeToString() for width in (4, 16, 96)]
    found = {"calm": measure_anew(models, options.repeats)}
    with neighbours(options.neighbours):
        found["busy"] = measure_anew(models, options.repeats)
    print(f"{platform.machine()}, ONNX Runtime {onnxruntime.__version__}, {options.repeats} repeats, ", end="")
    print(f"{options.neighbours} neighbour(s), load {os.getloadavg()[0]:.1f}")
    for title, repeats in found.items():
        seconds = [statistics.mean(column) for column in zip(*(one.seconds for one in repeats), strict=True)]
        print(f"{title}: {seconds[0]:.2f} s per calibration, {seconds[1]:.2f} s per measurement")
        for number in range(len(models)):
            latencies = [one.latencies[number].latency_ms for one in repeats]
            spreads = [one.latencies[number].spread_ms / one.latencies[number].latency_ms for one in repeats]
            print(
                f"  {statistics.median(latencies):.4f} ms, from {min(latencies):.4f} to {max(latencies):.4f}; ", end=""
            )
            print(f"spread {statistics.median(spreads):.1%} in the median, {max(spreads):.1%} at most")
    print(f"{'claimed':<10}{'again':<10}{'within the spread':>18}")
    for claimed, again in itertools.product(found, repeat=2):
        print(f"{claimed:<10}{again:<10}{coverage(found[claimed], found[again]):>18.3f}")
    print(f"{'any':<10}{'any':<10}{coverage(*[[*found['calm'], *found['busy']]] * 2):>18.3f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """All networks measured once with a calibration of its own."""

    latencies: list[Latency]
    seconds: tuple[float, float]  #: Of the calibration, and of a measurement.


def measure_anew(models: list[bytes], repeats: int) -> list[Repeat]:
    """Each time in a process of its own."""
    spawning = multiprocessing.get_context("spawn")
    found = []
    for _ in range(repeats):
        with ProcessPoolExecutor(1, mp_context=spawning) as pool:
            found.append(pool.submit(measure_once, models).result())
    return found


def measure_once(models: list[bytes]) -> Repeat:
    """All networks with one calibration, as a search or an export makes it."""
    started = time.perf_counter()
    calibration = calibrate()
    calibrated = time.perf_counter()
    latencies = [measure_latency(model, sample_input(SHAPE, "uint8"), calibration=calibration) for model in models]
    took = (calibrated - started, (time.perf_counter() - calibrated) / len(models))
    return Repeat(latencies=latencies, seconds=took)


def coverage(claimed: list[Repeat], again: list[Repeat]) -> float:
    """Share of the pairs of two measurements in which the second value lies within the first one's spread."""
    within = [
        abs(second.latency_ms - first.latency_ms) <= first.spread_ms
        for one, other in itertools.product(claimed, again)
        if one is not other
        for first, second in zip(one.latencies, other.latencies, strict=True)
    ]
    return statistics.mean(within)


def networks_apart(count: int) -> dict[str, Callable[[], float]]:
    """Meters of at most that many networks, each at least `APART` times as slow as the one before, measured calm."""
    calibration, chosen, last = calibrate(), dict[str, Callable[[], float]](), 0.0
    for width in WIDTHS:
        model = to_onnx(candidate(width)).SerializeToString()

        def measure(model: bytes = model) -> float:
            return measure_latency(model, sample_input(SHAPE, "uint8"), calibration=calibration).latency_ms

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
    reference = inference_call(reference_model(), sample_input(REFERENCE_SHAPE, "uint8"))
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
            measure_latency(model, sample_input(SHAPE, "uint8"), calibration=calibration, protocol=protocol).latency_ms
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
