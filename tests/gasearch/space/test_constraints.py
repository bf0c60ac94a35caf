"""Constraints that arithmetic decides, and the extremes of a space."""

import contextlib

import pytest
from gasearch_workers.network.costs import costs
from gasearch_workers.network.plan import plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit, parse_limit
from gasearch.space.constraints import ArithmeticConstraints, lower_bound, upper_bound
from gasearch.space.costs import COST_METRICS, Extremes, cost_of
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from tests.gasearch.space.space_samples import (
    all_genomes,
    genes_of,
    layered_sections,
    layered_spaces,
    plain_sections,
    space_of,
)

CNN = {"family": "cnn", "layers": [1, 3], "width": [8, 16], "kernel": [3, 5], "kind": ["conv", "residual"]}
CUSTOM = {"family": "custom", "decisions": {"a": {"choices": [1, 2]}}}


def constraints(*texts, section=CNN):
    return ArithmeticConstraints([parse_limit(text) for text in texts], space_of(section))


def test_a_network_within_the_limits_violates_nothing():
    genome = make_genome([0] * 17, space_of(CNN))
    assert constraints("model_bytes <= 64 KB", "macs <= 5M").violation(genome) == 0


def test_the_violation_adds_up_the_relative_excesses():
    space = space_of(CNN)
    genome = make_genome([0] * 17, space)
    params = costs(plan(decode(genome, space))).params
    assert params == 80 + 90  # 3 x 3 x 8 weights and 8 biases, then 8 x 10 and 10
    assert constraints("params <= 100", "params >= 340").violation(genome) == pytest.approx(0.7 + 0.5)


def test_flops_are_two_per_mac():
    space = space_of(CNN)
    genome = make_genome([0] * 17, space)
    macs = costs(plan(decode(genome, space))).macs
    limits = [Limit(metric="flops", operator="<=", bound=2 * macs), Limit(metric="flops", operator="<", bound=2 * macs)]
    met, missed = (ArithmeticConstraints([limit], space).violation(genome) for limit in limits)
    assert met == 0 < missed


def test_limits_that_need_a_training_are_left_to_it():
    tight = constraints("accuracy >= 0.99", "latency_ms <= 0.001 us")
    assert tight.violation(make_genome([0] * 17, space_of(CNN))) == 0
    tight.require_possible()


def test_a_custom_space_has_no_arithmetic():
    space = space_of(CUSTOM)
    own = ArithmeticConstraints([parse_limit("params <= 1")], space)
    assert own.violation(make_genome([1], space)) == 0
    own.require_possible()


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


def every_cost(space, limit=1500):
    genomes = all_genomes(space, limit=limit)
    assume(genomes is not None)
    return [costs(plan(decode(genome, space))) for genome in genomes.values()]


@settings(max_examples=25, deadline=None)
@given(layered_spaces(plain_sections()))
def test_without_compression_the_smallest_network_is_known_and_none_is_beyond_the_bound(space):
    every, extremes = every_cost(space), Extremes(space=space)
    for metric in COST_METRICS:
        values = [cost_of(found, metric) for found in every]
        smallest = cost_of(extremes.smallest(metric).costs, metric)
        assert smallest == min(values) if extremes.is_exact(metric) else smallest >= min(values)
        assert upper_bound(space, metric) >= max(values) >= cost_of(extremes.largest(metric).costs, metric)


@settings(max_examples=40, deadline=None)
@given(layered_spaces(layered_sections(most_options=2)))
def test_with_compression_no_network_is_beyond_the_bounds(space):
    every = every_cost(space, limit=600)
    for metric in COST_METRICS:
        values = [cost_of(found, metric) for found in every]
        assert lower_bound(space, metric) <= min(values) <= max(values) <= upper_bound(space, metric)


@settings(max_examples=25, deadline=None)
@given(layered_spaces(plain_sections()), st.sampled_from(COST_METRICS[:-1]), st.integers(1, 10**5))
def test_an_upper_limit_is_possible_exactly_when_some_network_meets_it(space, metric, bound):
    genomes = all_genomes(space, limit=1500)
    assume(genomes is not None)
    limit = Limit(metric=metric, operator="<=", bound=bound)
    arithmetic = ArithmeticConstraints([limit], space)
    is_met = any(arithmetic.violation(genome) == 0 for genome in genomes.values())
    with contextlib.nullcontext() if is_met else pytest.raises(SpecError):
        arithmetic.require_possible()


@settings(max_examples=50, deadline=None)
@given(layered_spaces(layered_sections(most_options=2)), st.data())
def test_a_limit_that_some_network_meets_is_never_refused(space, data):
    genome = make_genome(data.draw(genes_of(space)), space)
    metric, operator = data.draw(st.sampled_from(COST_METRICS)), data.draw(st.sampled_from(["<=", ">="]))
    limit = Limit(metric=metric, operator=operator, bound=cost_of(costs(plan(decode(genome, space))), metric))
    ArithmeticConstraints([limit], space).require_possible()


@pytest.mark.parametrize(
    "section",
    [CNN | {"kind": ["conv", "separable", "residual"]}, {"family": "mlp", "layers": [0, 3], "width": [8, 64]}],
)
@pytest.mark.parametrize("limit", ["params <= 9", "model_bytes <= 64 B", "bops <= 100", "peak_memory_bytes <= 60 B"])
def test_an_absurd_limit_is_refused_for_compressed_networks_too(section, limit):
    section = section | {"sparsity": [0.0, 0.5, 0.75], "rank": [0.25, 1.0], "pruning": ["structured", "unstructured"]}
    with pytest.raises(SpecError, match="no network of this space can meet"):
        constraints(limit, section=section).require_possible()
