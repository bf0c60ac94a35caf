"""Latency by alternating pairs: a network's time relative to a pinned reference network, on one named device.

Candidate and reference take turns, so a neighbour that slows the machine for longer than a block slows both alike, and
one that interrupts single calls doesn't reach the fastest of a block. The ratio of the fastest calls times the
reference's latency, which `calibrate` takes once per device, is a time again. Differences under 5 % are ties.

The spread is to hold what comes out when the same is measured again, at another moment, with another calibration, in 95
of 100 cases. So it is made of what the blocks tell of the ratio, of how far the reference is from its calibrated
latency at this moment, and of a share (`MOMENTS`) by which the machine's state moves ratios between moments.

Measured on 2 virtual cores at a load of 5 to 8 (coefficient of variation over 30 repeats of 300 pairs, a 31 us
network, 6 runs): mean of the calls 0.41 to 0.79, median of per-pair ratios 0.04 to 0.07, ratio of the fastest per block
of 60 0.005 to 0.03; `benchmarks/latency.py` repeats it, and counts how many of repeated measurements lie within the
spread.
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
from numpy.typing import NDArray

from gasearch_workers.export.onnx_runtime import onnxruntime
from gasearch_workers.export.onnx_session import open_session
from gasearch_workers.machine.process_state import gc_paused
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.reference_model import SHAPE, reference_model
from gasearch_workers.messages import Calibration, Latency

Call = Callable[[], object]  #: One inference.
Clock = Callable[[], int]  #: Nanoseconds from any origin, never running backwards.
Pause = Callable[[float], object]  #: Waits for that many seconds.

CALIBRATION_BLOCKS = 8  #: At each moment.
CALIBRATION_CALLS = 60  #: Per block.
#: Seconds between the moments of a calibration. It ends when the two lowest agree within `CALM`.
CALIBRATION_PAUSES_S = (0.5, 0.5, 1.0, 1.0, 1.0)
CALM = 0.02  #: Share of a latency that a machine moves it by while nobody disturbs it.
#: Share of a latency by which another process, another moment and other places in memory move the same ratio.
MOMENTS = 0.035
#: From the deviation between blocks to the half of an interval that holds 95 of 100 medians of as many other blocks.
BLOCKS_FACTOR = 2.2
LEAST_BLOCKS = 2  #: A spread needs two.
LEAST_PAIRS = 10  #: Per block, however slow the network.


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How many calls a measurement makes; by default it takes 0.06 s at 0.03 ms per call, 0.15 s at 0.2 ms.

    On a disturbed machine up to `rounds` times as long, and the pauses.
    """

    warmup_calls: int = 30  #: Of each network, untimed.
    blocks: int = 5
    pairs: int = 60  #: Per block: one call of the candidate and one of the reference each.
    limit_s: float = 1.0  #: After that, slow networks get no more than two blocks of ten pairs.
    rounds: int = 3  #: Of all these, at most: another one where the last was disturbed; the calmest counts.
    pause_s: float = 0.3  #: Between rounds.


def measure_latency(
    model: bytes,
    sample: NDArray[Any],
    *,
    calibration: Calibration,
    protocol: Protocol | None = None,
    clock: Clock = time.perf_counter_ns,
    pause: Pause = time.sleep,
) -> Latency:
    """The latency of an ONNX model (as bytes) on this machine's CPU; alone on it, or its neighbours add to the spread.

    Args:
        model: A model with one input of a free batch size and one output, as `to_onnx` makes it.
        sample: A batch of one raw sample; see `sample_input`.
        calibration: The reference's latency on this device.
        protocol: Number of calls; None for the usual one.
        clock: Read before and after each call.
        pause: Called between rounds with seconds.

    Raises:
        ValueError: if the calibration is another device's.
    """
    call = inference_call(model, sample)
    return measure_call(call, calibration=calibration, protocol=protocol, clock=clock, pause=pause)


def measure_call(
    candidate: Call,
    *,
    calibration: Calibration,
    protocol: Protocol | None = None,
    clock: Clock = time.perf_counter_ns,
    pause: Pause = time.sleep,
) -> Latency:
    """The time of a call on this machine's CPU, in turns with the reference network.

    Args:
        candidate: Runs a network once.
        calibration: The reference's latency on this device.
        protocol: Number of calls; None for the usual one.
        clock: Read before and after each call.
        pause: Called between rounds with seconds.

    Raises:
        ValueError: if the calibration is another device's.
    """
    if calibration.device != device_name():
        raise ValueError(f"a calibration of {device_name()!r} is needed here; got one of {calibration.device!r}")
    reference = reference_call()
    protocol, expected_s = protocol or Protocol(), calibration.reference_latency_ms / 1e3
    rounds: list[_Round] = []
    for number in range(protocol.rounds):
        if number:
            pause(protocol.pause_s)
        rounds.append(_measure_round(candidate, reference, expected_s, protocol=protocol, clock=clock))
        if rounds[-1].is_calm:
            break
    best = min(rounds, key=lambda one: one.spread)
    latency_ms = calibration.reference_latency_ms * best.ratio
    return Latency(latency_ms=latency_ms, spread_ms=latency_ms * best.spread, device=calibration.device)


def calibrate(clock: Clock = time.perf_counter_ns, pause: Pause = time.sleep) -> Calibration:
    """This device's reference latency: the fastest calls of the reference, at two moments or more; 0.6 s, at most 5.

    The lowest moment counts, because a neighbour only ever adds time; it is taken for calm where another one agrees.
    """
    call = reference_call()
    with gc_paused():
        _fastest(call, CALIBRATION_CALLS, clock)  # the warm-up
        moments = [_calibration_moment(call, clock)]
        for seconds in CALIBRATION_PAUSES_S:
            pause(seconds)
            moments.append(_calibration_moment(call, clock))
            lowest, second = sorted(moments)[:2]
            if second <= (1 + CALM) * lowest:
                break
    return Calibration(device=device_name(), reference_latency_ms=1e3 * min(moments))


def _calibration_moment(call: Call, clock: Clock) -> float:
    """Seconds of the reference now: the lower quartile of the fastest calls of blocks."""
    fastest = [_fastest(call, CALIBRATION_CALLS, clock) for _ in range(CALIBRATION_BLOCKS)]
    return statistics.quantiles(fastest, n=4)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """A measurement at one moment."""

    ratio: float  #: Candidate over reference.
    deviation: float  #: Of the blocks' ratios, as a share of theirs.
    drift: float  #: Of the reference from its calibrated latency, as a share of that; above 0 where it is slower now.

    @property
    def spread(self) -> float:
        """The spread as a share of the latency."""
        return math.hypot(BLOCKS_FACTOR * self.deviation, self.drift, MOMENTS)

    @property
    def is_calm(self) -> bool:
        """Whether nothing disturbs the machine now; that something did when the reference was taken is no reason."""
        return self.deviation <= CALM and self.drift <= CALM


def _measure_round(candidate: Call, reference: Call, expected_s: float, *, protocol: Protocol, clock: Clock) -> _Round:
    with gc_paused():
        before_s = _fastest(reference, protocol.pairs, clock)
    ratios = paired_ratios(candidate, reference, protocol=protocol, clock=clock)
    with gc_paused():
        now_s = min(before_s, _fastest(reference, protocol.pairs, clock))
    ratio = statistics.median(ratios)
    return _Round(ratio=ratio, deviation=statistics.stdev(ratios) / ratio, drift=now_s / expected_s - 1)


def paired_ratios(candidate: Call, reference: Call, *, protocol: Protocol, clock: Clock) -> list[float]:
    """Per block the fastest candidate call over the fastest reference call; at least two blocks.

    Args:
        candidate: Runs the network once.
        reference: Runs the reference model once.
        protocol: How many calls, in which time.
        clock: Gives nanoseconds.
    """
    end = clock() + round(protocol.limit_s * 1e9)
    ratios: list[float] = []
    with gc_paused():
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

    Args:
        shape: Of one raw sample, without the batch.
        dtype: Of the raw samples, "uint8", "float32" or "int32".
        categories: Number of codes per column of codes: the last ones of a table, all of tokens or ids.
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
def reference_call() -> Call:
    """A call that runs the reference model once."""
    return inference_call(reference_model(), sample_input(SHAPE, "uint8"))


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


def _fastest(call: Call, calls: int, clock: Clock) -> float:
    """Seconds of the fastest of that many calls."""
    return min(_seconds(call, clock) for _ in range(calls))


def _seconds(call: Call, clock: Clock) -> float:
    """Wall time of one call; at least a nanosecond, however coarse the clock."""
    before = clock()
    call()
    return max(clock() - before, 1) / 1e9
