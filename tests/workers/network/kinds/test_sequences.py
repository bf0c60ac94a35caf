"""Convolution over neighbours, recurrence, self-attention."""

import pytest
from gasearch_workers.network.kinds.sequences import CONV1D, GRU, TRANSFORMER

from tests.workers.network.kinds.effects import require_same_effects


@pytest.mark.parametrize("kind", [CONV1D, GRU], ids=lambda kind: kind.name)
def test_compression_does_what_the_steps_say(kind):
    require_same_effects(kind)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_compression_of_heads_does_what_the_steps_say(heads):
    require_same_effects(TRANSFORMER, heads=heads)
