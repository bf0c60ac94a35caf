"""Latency by alternating pairs: a network's time relative to a pinned reference network, on one named device.

Candidate and reference take turns, so a neighbour that slows the machine for longer than a block slows both alike, and
one that interrupts single calls doesn't reach the fastest of a block. The ratio of the fastest calls times the
reference's latency, which `calibrate` takes once per device, is a time again. Differences under 5 % are ties.

Measured on 2 virtual cores at a load of 5 to 8 (coefficient of variation over 30 repeats of 300 pairs, a 31 us
network, 6 runs): mean of the calls 0.41 to 0.79, median of per-pair ratios 0.04 to 0.07, ratio of the fastest per block
of 60 0.005 to 0.03; `benchmarks/latency.py` repeats it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gasearch_workers.deploy.onnx_session import open_session
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.reference_model import reference_model
from gasearch_workers.messages import Calibration
from gasearch_workers.uncollected import uncollected

Call = Callable[[], object]  #: One inference.
Clock = Callable[[], int]  #: Nanoseconds from any origin, never running backwards.

CALIBRATION_BLOCKS = 24
CALIBRATION_CALLS = 60  #: Per block.
LEAST_BLOCKS = 2  #: A spread needs two.
LEAST_PAIRS = 10  #: Per block, however slow the network.


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How many calls a measurement makes; by default it takes 0.05 s at 0.03 ms per call, 0.12 s at 0.2 ms."""

    warmup_calls: int = 30  #: Of each network, untimed.
    blocks: int = 5
    pairs: int = 60  #: Per block: one call of the candidate and one of the reference each.
    limit_s: float = 1.0  #: After that, slow networks get no more than two blocks of ten pairs.


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time of one inference at batch 1 on one thread."""

    latency_ms: float
    spread_ms: float  #: Standard deviation between the blocks.
    device: str


def measure_latency(
    model: bytes,
    *,
    shape: tuple[int, ...],
    dtype: str,
    categories: tuple[int, ...] = (),
    calibration: Calibration,
    protocol: Protocol | None = None,
    clock: Clock = time.perf_counter_ns,
) -> Latency:
    """The latency of an ONNX model (as bytes) on this machine's CPU; alone on it, or its neighbours add to the spread.

    Args:
        model: A model with one input of a free batch size and one output, as `deploy.onnx_graph` makes it.
        shape: Of one raw sample, without the batch.
        dtype: Of the raw samples, "uint8", "float32" or "int32".
        categories: Number of codes per column of codes: the last ones of a table, all of tokens or ids.
        calibration: The reference's latency on this device.
        protocol: Number of calls; None for the usual one.
        clock: Read before and after each call.

    Raises:
        ValueError: if the calibration is another device's.
    """
    if calibration.device != device_name():
        raise ValueError(f"a calibration of {device_name()!r} is needed here; got one of {calibration.device!r}")
    candidate = inference_call(model, sample_input(shape, dtype, categories))
    ratios = paired_ratios(candidate, _reference_call(), protocol=protocol or Protocol(), clock=clock)
    return Latency(
        latency_ms=calibration.reference_latency_ms * statistics.median(ratios),
        spread_ms=calibration.reference_latency_ms * statistics.stdev(ratios),
        device=calibration.device,
    )


def calibrate(clock: Clock = time.perf_counter_ns) -> Calibration:
    """This device's yardstick: the lower quartile of the reference's median times over blocks of calls, about 0.2 s.

    The lower quartile, because a neighbour only ever adds time.
    """
    call = _reference_call()
    with uncollected():
        medians = [
            statistics.median(_seconds(call, clock) for _ in range(CALIBRATION_CALLS))
            for _ in range(CALIBRATION_BLOCKS + 1)
        ]
    lower_quartile = statistics.quantiles(medians[1:], n=4)[0]  # the first block is the warm-up
    return Calibration(device=device_name(), reference_latency_ms=1e3 * lower_quartile)


def paired_ratios(candidate: Call, reference: Call, *, protocol: Protocol, clock: Clock) -> list[float]:
    """Per block the fastest candidate call over the fastest reference call; at least two blocks."""
    end = clock() + round(protocol.limit_s * 1e9)
    ratios: list[float] = []
    with uncollected():
        for _ in range(protocol.warmup_calls):
            candidate()
            reference()
            if clock() >= end:
                break
        while len(ratios) < LEAST_BLOCKS or (len(ratios) < protocol.blocks and clock() < end):
            ratios.append(_time_block(candidate, reference, protocol.pairs, clock, end))
    return ratios


def inference_call(model: bytes, sample: NDArray[Any]) -> Call:
    """A call that runs the model once on a sample, input and output bound beforehand: no copy, little Python."""
    session = open_session(model)
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    binding = session.io_binding()
    binding.bind_ortvalue_input(source.name, onnxruntime.OrtValue.ortvalue_from_numpy(sample))
    binding.bind_output(target.name)
    return lambda: session.run_with_iobinding(binding)


def sample_input(shape: tuple[int, ...], dtype: str, categories: tuple[int, ...] = ()) -> NDArray[Any]:
    """A batch of one sample that looks like data: bytes over their whole range, floats around 0, codes that exist.

    No token of it is padding: the longest sequence takes longest.
    """
    ramp = np.arange(np.prod(shape)).reshape(1, *shape) * 37
    match dtype:
        case "uint8":
            return (ramp % 256).astype(np.uint8)
        case "int32":
            return _codes(ramp, categories).astype(np.int32)
        case _:
            values = (ramp % 256 / 64 - 2).astype(np.float32)
            if categories:
                columns = ramp[..., -len(categories) :]
                values[..., -len(categories) :] = _codes(columns, categories)
            return values


def _codes(ramp: NDArray[np.int64], categories: tuple[int, ...]) -> NDArray[np.int64]:
    """Codes from 1 up (0 where a column has no other), each below the number of its column's: the last axis."""
    numbers = np.asarray(categories)
    codes: NDArray[np.int64] = np.minimum(1 + ramp % np.maximum(numbers - 1, 1), numbers - 1)
    return codes


@cache
def _reference_call() -> Call:
    model = reference_model()
    return inference_call(model.graph, sample_input(model.shape, "uint8"))


def _time_block(candidate: Call, reference: Call, pairs: int, clock: Clock, end: int) -> float:
    """Ratio of the fastest calls among that many pairs; fewer where they would go on long after the end.

    Who goes first alternates, so that what one call leaves in the caches favours neither.
    """
    fastest = {candidate: math.inf, reference: math.inf}
    order = (candidate, reference)
    for number in range(pairs):
        for call in order:
            fastest[call] = min(fastest[call], _seconds(call, clock))
        order = order[::-1]
        if number + 1 >= LEAST_PAIRS and clock() >= end:
            break
    return fastest[candidate] / fastest[reference]


def _seconds(call: Call, clock: Clock) -> float:
    """Wall time of one call; at least a nanosecond, however coarse the clock."""
    before = clock()
    call()
    return max(clock() - before, 1) / 1e9
