"""What arithmetic knows of a genome's network."""

import random
from dataclasses import replace

import pytest
from gasearch_workers.network.costs import costs
from gasearch_workers.network.plan import plan

from gasearch.evolution.partial_genomes import sample
from gasearch.space import costs as module
from gasearch.space.build import build_space
from gasearch.space.costs import COST_METRICS, Extremes, NetworkCosts
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome
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


def test_a_known_network_is_not_counted_again_while_few_others_were_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "MOST_KNOWN", 2)
    monkeypatch.setattr(module, "plan", lambda network: asked.append(network) or plan(network))
    counted = NetworkCosts(SPACE)
    one, *others = {one.key: one for one in map(genome, range(12))}.values()
    first = counted.of(one)
    assert counted.of(one) is first
    assert len(asked) == 1
    for other in others:
        counted.of(other)
    assert counted.of(one) == first
    assert len(asked) == 1 + len(others) + 1


def test_the_smallest_and_the_largest_network_are_the_ends_of_a_small_space():
    extremes, params = Extremes(space=SPACE), COST_METRICS[0]
    assert extremes.is_exact(params)
    counts = [NetworkCosts(SPACE).of(make_genome(genes, SPACE))[params] for genes in every_genome(SPACE)]
    assert extremes.smallest(params).costs.params == min(counts)
    assert extremes.largest(params).costs.params == max(counts)


def test_a_custom_space_has_no_extremes():
    with pytest.raises(TypeError, match="only a layered space has extremes; got family 'custom'"):
        Extremes(space=replace(small_space(), depth=0)).smallest("params")
