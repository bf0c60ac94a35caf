"""Seeded generators, one per (search, candidate, purpose); nothing here or elsewhere draws from a global one."""

from __future__ import annotations

import hashlib
import random


def derive(seed: int, number: int, purpose: str) -> random.Random:
    """The generator for one purpose of one candidate, the same on every machine and in every order of calls."""
    text = f"{seed}/{number}/{purpose}"
    return random.Random(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big"))


def pick(rng: random.Random, count: int) -> int:
    """An index below count, each equally likely (to one part in 2**53 / count).

    Python promises the sequence of `Random.random` across versions, not that of `randrange` or `choice`; and it is
    four times faster.
    """
    return int(rng.random() * count)
