"""Dense layers."""

from gasearch_workers.network.kinds.dense import LINEAR

from tests.workers.network.kinds.effects import require_same_effects


def test_compression_does_what_the_steps_say():
    require_same_effects(LINEAR)
