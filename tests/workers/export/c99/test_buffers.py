"""Tensors that are there at once have bytes of their own; the array is about as large as must be."""

import numpy as np
from gasearch_workers.export.c99.buffers import Block, blocks_of, place
from gasearch_workers.network.memory import activation_bytes, raw_bytes

from tests.workers.export.c99.compiled import random_networks


def peak(blocks):
    """Bytes that are there at the worst moment."""
    return max(
        (sum(b.size for b in blocks if b.first <= at <= b.last) for at in range(-1, 1 + max(b.last for b in blocks))),
        default=0,
    )


def test_blocks_that_are_there_at_once_never_share_a_byte():
    rng = np.random.default_rng(0)
    for _ in range(200):
        blocks = []
        for number in range(rng.integers(1, 12)):
            first = int(rng.integers(0, 10))
            last = first + int(rng.integers(0, 5))
            blocks.append(Block(name=str(number), size=int(rng.integers(1, 100)), first=first, last=last))
        offsets, size = place(blocks)
        assert peak(blocks) <= size <= 2 * peak(blocks)
        for one in blocks:
            assert offsets[one.name] + one.size <= size
            for other in blocks:
                if one is not other and one.first <= other.last and other.first <= one.last:
                    apart = offsets[one.name] - offsets[other.name]
                    assert apart >= other.size or -apart >= one.size


def test_a_chain_needs_its_two_largest_neighbours():
    blocks = [Block(name=str(at), size=size, first=at, last=at + 1) for at, size in enumerate((100, 50, 200, 10))]
    assert place(blocks)[1] == 250


def test_nothing_needs_nothing():
    assert place([]) == ({}, 0)


def test_networks_need_what_the_search_counts_but_for_samples_and_outputs():
    for network, _ in random_networks(12, ("mlp", "cnn")):
        blocks = blocks_of(network.plan, {})
        outputs = 4 * network.plan.outputs
        assert all(block.size > 0 for block in blocks)
        if blocks:
            counted = activation_bytes(network.plan)
            assert peak(blocks) <= counted <= peak(blocks) + raw_bytes(network.plan) + outputs
