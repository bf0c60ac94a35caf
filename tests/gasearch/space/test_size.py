"""All networks of a space, and their number."""

import pytest
from hypothesis import assume, given, settings

from gasearch.space.decisions import Condition, Decision, Space
from gasearch.space.size import MAX_LISTED, MAX_STATES, SizeEstimate, every_conditioned, every_genome, space_size
from tests.gasearch.space.space_samples import CNN, all_genomes, any_space, space_of


@settings(max_examples=60, deadline=None)
@given(any_space)
def test_the_size_of_a_space_is_the_number_of_its_genomes(space):
    genomes = all_genomes(space)
    assume(genomes is not None)
    size = space_size(space)
    if size.is_exact:
        assert size.count == len(genomes)
    else:
        assert size.count >= len(genomes)  # equal where no choices make the same network
        assert size.count > MAX_LISTED


@settings(max_examples=60, deadline=None)
@given(any_space)
def test_every_genome_comes_once_and_in_order(space):
    genomes = all_genomes(space, limit=1000)
    assume(genomes is not None)
    listed = list(every_genome(space))
    assert listed == sorted(genomes)
    assert set(listed) <= set(every_conditioned(space))


def test_the_size_of_the_largest_layered_space_is_exact():
    space = space_of(CNN | {"layers": [1, 64]})
    assert space_size(space) == SizeEstimate(count=2 * sum(16**depth for depth in range(1, 65)), is_exact=True)


def test_a_web_of_conditions_ends_in_an_upper_bound():
    roots = [Decision(name=f"r{i}", options=(0, 1)) for i in range(16)]
    when = tuple(Condition(decision=i, options=frozenset({1})) for i in range(16))
    leaves = [Decision(name=f"l{i}", options=(0, 1), when=(when[i],)) for i in range(16)]
    space = Space(family="custom", decisions=(*roots, *leaves))
    assert MAX_STATES < 2**16
    assert space_size(space) == SizeEstimate(count=2**32, is_exact=False)
    assert space_size(space).count >= 3**16  # each root with its leaf: 0, or 1 with either option


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (SizeEstimate(count=1, is_exact=True), "1 network"),
        (SizeEstimate(count=1440, is_exact=True), "1,440 networks"),
        (SizeEstimate(count=84 * 10**9, is_exact=True), "about 8.4e10 networks"),
        (SizeEstimate(count=2**32, is_exact=False), "at most 4.2e9 networks"),
    ],
)
def test_a_size_prints_for_people(size, text):
    assert str(size) == text


def test_a_size_beyond_all_floats_is_stored_as_the_greatest_one():
    assert SizeEstimate(count=10**400, is_exact=True).as_float == pytest.approx(1.797e308, rel=1e-3)
