"""Constraints that arithmetic decides, and the extremes of a space."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.limits import Limit, parse_limit
from gasearch.space.constraints import ArithmeticConstraints
from gasearch.space.decode import decode
from gasearch.space.extremes import COST_METRICS, Extremes, cost_of
from gasearch.space.genome import make_genome
from tests.gasearch.space.space_samples import IMAGES, all_genomes, layered_sections, space_of
from workers.measure.costs import costs
from workers.plan import plan

CNN = {"family": "cnn", "layers": [1, 3], "width": [8, 16], "kernel": [3, 5], "kind": ["conv", "residual"]}
CUSTOM = {"family": "custom", "decisions": {"a": {"choices": [1, 2]}}}


def constraints(*texts, section=CNN):
    return ArithmeticConstraints([parse_limit(text) for text in texts], space_of(section), (1, 8, 8), 10)


def test_a_network_within_the_limits_violates_nothing():
    genome = make_genome([0] * 17, space_of(CNN))
    assert constraints("model_bytes <= 64 KB", "macs <= 5M").violation(genome) == 0


def test_the_violation_adds_up_the_relative_excesses():
    space = space_of(CNN)
    genome = make_genome([0] * 17, space)
    params = costs(plan(decode(genome, space, input_shape=(1, 8, 8), outputs=10))).params
    assert params == 80 + 90  # 3 x 3 x 8 weights and 8 biases, then 8 x 10 and 10
    assert constraints("params <= 100", "params >= 340").violation(genome) == pytest.approx(0.7 + 0.5)


def test_flops_are_two_per_mac():
    space = space_of(CNN)
    genome = make_genome([0] * 17, space)
    macs = costs(plan(decode(genome, space, input_shape=(1, 8, 8), outputs=10))).macs
    limits = [Limit(metric="flops", operator="<=", bound=2 * macs), Limit(metric="flops", operator="<", bound=2 * macs)]
    met, missed = (ArithmeticConstraints([limit], space, (1, 8, 8), 10).violation(genome) for limit in limits)
    assert met == 0 < missed


def test_limits_that_need_a_training_are_left_to_it():
    tight = constraints("accuracy >= 0.99", "latency_ms <= 0.001 us")
    assert tight.violation(make_genome([0] * 17, space_of(CNN))) == 0
    assert tight.is_possible()


def test_a_custom_space_has_no_arithmetic():
    space = space_of(CUSTOM)
    own = ArithmeticConstraints([parse_limit("params <= 1")], space)
    assert own.violation(make_genome([1], space)) == 0
    assert own.is_possible()


def test_an_upper_limit_that_no_network_meets_is_refused_with_the_smallest():
    with pytest.raises(SpecError) as caught:
        constraints("macs <= 5M", "model_bytes <= 100 B").require_possible()
    assert str(caught.value) == (
        'constraints[1]: no network of this space can meet "model_bytes <= 100 B"; the smallest has model_bytes 415 B'
    )


def test_a_lower_limit_that_no_network_meets_is_refused_with_the_largest():
    with pytest.raises(SpecError, match=r'can meet "macs >= 1 G"; the largest has macs 850\.08 K$'):
        constraints("macs >= 1G").require_possible()


def test_every_impossible_limit_has_its_line():
    with pytest.raises(SpecError, match=r"(?s)constraints\[0\].*\nconstraints\[2\]"):
        constraints("params <= 1", "params <= 1M", "bops <= 1").require_possible()


@settings(max_examples=50, deadline=None)
@given(layered_sections(), IMAGES)
def test_no_network_is_smaller_than_the_smallest_or_beyond_the_bound(section, shape):
    space = space_of(section)
    genomes = all_genomes(space, limit=1500)
    assume(genomes is not None)
    extremes = Extremes(space=space, input_shape=shape, outputs=3)
    every = [costs(plan(decode(genome, space, input_shape=shape, outputs=3))) for genome in genomes.values()]
    for metric in COST_METRICS:
        values = [cost_of(found, metric) for found in every]
        assert cost_of(extremes.smallest(metric).costs, metric) == min(values)
        assert extremes.bound(metric) >= max(values) >= cost_of(extremes.largest(metric).costs, metric)


@settings(max_examples=25, deadline=None)
@given(layered_sections(), st.sampled_from(COST_METRICS), st.integers(1, 10**5))
def test_an_upper_limit_is_possible_exactly_when_some_network_meets_it(section, metric, bound):
    space = space_of(section)
    genomes = all_genomes(space, limit=1500)
    assume(genomes is not None)
    limit = Limit(metric=metric, operator="<=", bound=bound)
    arithmetic = ArithmeticConstraints([limit], space, (1, 8, 8), 10)
    assert arithmetic.is_possible() is any(arithmetic.violation(genome) == 0 for genome in genomes.values())
