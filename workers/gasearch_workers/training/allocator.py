"""Memory that a worker frees stays with it for the next step of a training, up to a bound.

Each step of a training allocates the same activations. The C library gives freed blocks of some megabytes back to the
system at once, and every page of the next step's is a fault again: up to a fifth of a small CNN's CPU time (8-bit
images of 28 x 28, batch 128: 4,000 faults a step; none with this).
"""

from __future__ import annotations

import ctypes
from typing import Final

KEPT_BYTES: Final = 256 * 2**20  #: Most freed memory that a process keeps, and the largest block that is kept.
_OLD_LIMIT = 32 * 2**20  #: Of a kept block, in releases of glibc that refuse more.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's numbers of the two parameters


def keep_freed_memory() -> bool:
    """Have this process keep up to `KEPT_BYTES` of freed memory; False where the C library can't be told (not glibc).

    It holds for the whole process and can't be taken back, so it is for processes of our own.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS lack it; Windows has no such handle
        return False
    are_blocks_kept = any(mallopt(_MMAP_THRESHOLD, size) == 1 for size in (KEPT_BYTES, _OLD_LIMIT))
    return are_blocks_kept and mallopt(_TRIM_THRESHOLD, KEPT_BYTES) == 1
