"""The time of calls of one sample as they are, where no reference network takes turns with them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from numpy.typing import NDArray

PLAIN_CALLS: Final = 200  #: Of a plain latency, at most,
PLAIN_SECONDS: Final = 1.0  #: within so long,
PLAIN_WARM_UP: Final = 10  #: after so many.


def plain_latency(
    call: Callable[[NDArray[Any]], object],
    sample: NDArray[Any],
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """The median of calls in ms, and half of the range between their quartiles; neighbours add to both.

    Args:
        call: Runs the network.
        sample: A batch of one.
        clock: Gives seconds.
    """
    for _ in range(PLAIN_WARM_UP):
        call(sample)
    end = clock() + PLAIN_SECONDS
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) < PLAIN_CALLS and clock() < end):
        before = clock()
        call(sample)
        seconds.append(clock() - before)
    lower, median, upper = statistics.quantiles(seconds, n=4)
    return 1e3 * median, 1e3 * (upper - lower) / 2
