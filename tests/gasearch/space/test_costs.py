"""What arithmetic knows of a genome's network."""

import random

from gasearch_workers.network.costs import costs
from gasearch_workers.network.plan import plan

from gasearch.evolution.partial_genomes import sample
from gasearch.space import costs as module
from gasearch.space.build import build_space
from gasearch.space.costs import NetworkCosts
from gasearch.space.decode import decode
from gasearch.space.extremes import COST_METRICS
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec
from tests.doubles.searches import small_space
from tests.gasearch.space.space_samples import DIGITS

SPACE = build_space(
    load_spec(
        {
            "name": "costs",
            "task": {"dataset": "digits"},
            "space": {"family": "mlp", "layers": [1, 2], "width": [4, 8], "weight_bits": [2, 8]},
            "objectives": {"accuracy": "max", "model_bytes": "min"},
        }
    ),
    DIGITS,
)


def genome(seed, space=SPACE):
    return make_genome(sample(space, random.Random(seed)).genes, space)


def test_the_costs_are_those_of_the_decoded_network():
    one = genome(1)
    found, exact = NetworkCosts(SPACE).of(one), costs(plan(decode(one, SPACE)))
    assert tuple(found) == COST_METRICS
    assert found["model_bytes"] == exact.model_bytes
    assert found["flops"] == 2 * exact.macs


def test_nobody_knows_what_a_point_of_a_custom_space_costs():
    space = small_space()
    assert NetworkCosts(space).of(genome(1, space)) == {}


def test_a_known_network_is_not_counted_again_and_memory_stays_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_KNOWN", 2)
    counted = NetworkCosts(SPACE)
    one, *others = [genome(seed) for seed in range(12)]
    first = counted.of(one)
    assert counted.of(one) is first
    for other in others:
        counted.of(other)
        assert len(counted._known) <= 2
    assert counted.of(one) == first
