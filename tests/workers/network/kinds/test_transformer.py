"""Self-attention."""

import pytest
from gasearch_workers.network.kinds.transformer import TRANSFORMER

from tests.workers.network.kinds.effects import require_same_effects


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_compression_does_what_the_steps_say(heads):
    require_same_effects(TRANSFORMER, heads=heads)
