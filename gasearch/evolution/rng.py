"""Seeded generators, one per (search, candidate, purpose): its own, or the global ones for the time of an operator."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import numpy as np

#: Python's global generator, as DEAP's operators use it.
GLOBAL: Final = cast("random.Random", random)


def derive(seed: int, number: int, purpose: str) -> random.Random:
    """The generator for one purpose of one candidate, the same on every machine and in every order of calls.

    Args:
        seed: Of the search.
        number: Of the candidate.
        purpose: Of the draws.
    """
    return random.Random(_state(seed, number, purpose))


@contextmanager
def seeded(seed: int, number: int, purpose: str) -> Iterator[random.Random]:
    """Set the global generators of `random` and `numpy.random` for a block, or as a decorator for a function.

    Afterwards they stand where they stood. `random` draws in the block what `derive` draws for the same purpose.
    Other threads must not draw meanwhile.

    Args:
        seed: Of the search.
        number: Of the candidate, or of the step.
        purpose: Of the draws.

    Yields:
        Python's global generator.
    """
    before, numpy_before = random.getstate(), np.random.get_state()
    state = _state(seed, number, purpose)
    random.seed(state)
    np.random.seed([state >> shift & 0xFFFFFFFF for shift in (0, 32, 64, 96)])
    try:
        yield GLOBAL
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)


def pick(rng: random.Random, count: int) -> int:
    """An index below count, each equally likely (to one part in 2**53 / count).

    Python promises the sequence of `Random.random` across versions, not that of `randrange` or `choice`; and it is
    four times faster.
    """
    return int(rng.random() * count)


def _state(seed: int, number: int, purpose: str) -> int:
    text = f"{seed}/{number}/{purpose}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
