"""The energy of one inference: by the CPU's own counter where it can be read, else an estimate from the operations.

Standard library only. Counter and estimate are not comparable: the one counts what a general CPU spends on everything,
the other what the operations alone would take of a circuit made for them. `energy_source` says which one a value is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.costs import multiplications
from gasearch_workers.network.memory import FLOAT_BYTES, peak_memory_bytes
from gasearch_workers.network.steps import CODES, INPUT, Plan, Step

#: Energies in pJ by M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9
#: (45 nm, 0.9 V): integer add of 32 bits and multiplication of 8, float add and multiplication of 32 bits; 8 bytes from
#: a 1 MB cache, and from DRAM (1300 to 2600).
ADD_INT32_PJ: Final = 0.1
MULTIPLY_INT8_PJ: Final = 0.2
ADD_FLOAT32_PJ: Final = 0.9
MULTIPLY_FLOAT32_PJ: Final = 3.7
CACHE_PJ_PER_BYTE: Final = 100 / 8
DRAM_PJ_PER_BYTE: Final = 1300 / 8
CACHE_BYTES: Final = 2**20

POWERCAP: Final = Path("/sys/class/powercap")
IDLE_S = 0.2  #: Before and after the inferences: the counter moves about every millisecond.
ACTIVE_S = 0.5  #: Of inferences, at least.


# --- estimate ---------------------------------------------------------------------------------------------------


def energy_estimate(plan: Plan) -> float:
    """An estimate of the energy of one inference at batch 1, in J: multiply-accumulates and bytes moved.

    Assumed, besides the table above: a product of integers costs in proportion to the bits of both factors, is summed
    in 32 bits, and with a float factor it is float; each step reads its weights and inputs once and writes its output
    once, at their own bits, from a 1 MB cache if weights and activations fit there (see `peak_memory_bytes`), else from
    DRAM. Sums, activations, control and idle power count nothing. So it ranks networks; it is no reading of a meter.
    """
    per_byte = CACHE_PJ_PER_BYTE if peak_memory_bytes(plan) <= CACHE_BYTES else DRAM_PJ_PER_BYTE
    tensor_bits = {
        INPUT: math.prod(plan.numbers_shape) * plan.input_bits,
        CODES: math.prod(plan.codes_shape) * 8 * FLOAT_BYTES,
    }
    picojoules = 0.0
    for step in plan.steps:
        tensor_bits[step.name] = math.prod(step.output_shape) * step.output_bits
        for count, bits, other_bits in multiplications(step):
            picojoules += count * mac_picojoules(bits, other_bits)
        if step.op != "flatten":
            moved_bits = _read_weight_bits(step) + sum(tensor_bits[name] for name in (*step.inputs, step.name))
            picojoules += per_byte * moved_bits / 8
    return picojoules * 1e-12


def mac_picojoules(bits: int, other_bits: int) -> float:
    """Energy of one multiply-accumulate of factors of these bits, in pJ."""
    if FULL_PRECISION in (bits, other_bits):
        return MULTIPLY_FLOAT32_PJ + ADD_FLOAT32_PJ
    return MULTIPLY_INT8_PJ * bits * other_bits / 64 + ADD_INT32_PJ


def _read_weight_bits(step: Step) -> int:
    """Bits of the weights and biases that one inference reads: of a table, the rows that it looks up."""
    if not step.has_weights:
        return 0
    weights = math.prod(step.output_shape if step.op == "embedding" else step.weight_shape)
    return weights * step.weight_bits + step.biases * 8 * FLOAT_BYTES


# --- counter ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rapl:
    """The energy counters of all CPU packages of this machine (Running Average Power Limit, by Linux's powercap)."""

    packages: dict[Path, int]  #: Each file of growing microjoules, and their largest value, after which comes 0.

    def read(self) -> tuple[int, ...]:
        """The counters now, in uJ.

        Raises:
            OSError: if one can't be read (on many systems only root may).
        """
        return tuple(int(counter.read_text()) for counter in self.packages)

    def spent_j(self, before: tuple[int, ...], after: tuple[int, ...]) -> float:
        """Energy between two readings, in J, if no counter wrapped around more than once."""
        spent = (
            (last - first) % (range_uj + 1)
            for range_uj, first, last in zip(self.packages.values(), before, after, strict=True)
        )
        return sum(spent) / 1e6


def find_rapl(powercap: Path = POWERCAP) -> Rapl | None:
    """The counters of this machine; None where there are none, or this user may not read them."""
    try:
        packages = {
            zone / "energy_uj": int((zone / "max_energy_range_uj").read_text())
            for zone in sorted(powercap.glob("intel-rapl:*"))  # AMD's counters too come by this name
            if zone.name.count(":") == 1 and (zone / "name").read_text().startswith("package")
        }
        found = Rapl(packages=packages)
        found.read()
    except (OSError, ValueError):
        return None
    return found if packages else None


def measure_energy(
    call: Callable[[], object],
    rapl: Rapl,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> float | None:
    """The energy of one call in J: what the packages spend while it is repeated, less what they spend without it.

    The power without is taken before and after, and the packages' other work with it; what comes and goes within a
    second is not told apart. None where nothing is left, or the counters fail.

    Args:
        call: One inference.
        rapl: The counters.
        clock: Gives seconds.
        sleep: Waits so many seconds.
    """
    try:
        idle_before = _idle_power(rapl, clock, sleep)
        start, before, calls = clock(), rapl.read(), 0
        while clock() - start < ACTIVE_S:
            call()
            calls += 1
        after, seconds = rapl.read(), clock() - start
        idle_w = (idle_before + _idle_power(rapl, clock, sleep)) / 2
    except OSError:
        return None
    energy = (rapl.spent_j(before, after) - idle_w * seconds) / calls
    return energy if energy > 0 else None


def _idle_power(rapl: Rapl, clock: Callable[[], float], sleep: Callable[[float], None]) -> float:
    """Power in W while nothing is asked of the machine."""
    start, before = clock(), rapl.read()
    sleep(IDLE_S)
    after = rapl.read()
    return rapl.spent_j(before, after) / max(clock() - start, 1e-9)
