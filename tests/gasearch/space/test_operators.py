"""Operators of a space's networks, and what a target's allow-list leaves of them."""

import pytest
from gasearch_workers.network.operators import OPERATORS, operators_of
from gasearch_workers.network.plan import plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.space.constraints import ArithmeticConstraints
from gasearch.space.costs import NetworkCosts
from gasearch.space.decode import decode
from gasearch.space.operators import operators_in, require_operators_suffice
from tests.gasearch.space.space_samples import all_genomes, layered_spaces, space_of

CNN = {"family": "cnn", "layers": [1, 3], "width": [8, 16], "kind": ["conv", "separable", "residual"]}
PLAIN = ("conv", "linear", "global_pool")


def genome_of(space, kind):
    return next(
        genome
        for genome in all_genomes(space).values()
        if all(layer.kind == kind for layer in decode(genome, space).layers[:-1])
    )


def test_the_operators_of_a_space_are_those_of_all_its_kinds():
    space = space_of(CNN)
    found = operators_in(space, NetworkCosts(space))
    assert found == ("conv", "depthwise_conv", "linear", "add", "global_pool")


@pytest.mark.parametrize(("kind", "excess"), [("conv", 0), ("residual", 1)])
def test_each_step_whose_operator_the_target_lacks_counts_one(kind, excess):
    space = space_of(CNN | {"layers": 1})
    own = ArithmeticConstraints([], space, operators=PLAIN)
    assert own.violation(genome_of(space, kind)) == excess
    assert own.lacking(genome_of(space, kind)) == ({"add": 1} if excess else {})
    own.require_possible()


def test_an_allow_list_that_excludes_every_network_is_refused_with_what_the_nearest_needs():
    with pytest.raises(SpecError) as caught:
        ArithmeticConstraints([], space_of(CNN), operators=("conv", "add")).require_possible()
    assert str(caught.value) == (
        "target.operators: no network of this space can do with conv, add alone; the nearest needs linear, "
        "global_pool besides"
    )


def test_a_point_of_a_custom_space_needs_nothing_that_we_know():
    space = space_of({"family": "custom", "decisions": {"a": {"choices": [1, 2]}}})
    assert set(operators_in(space, NetworkCosts(space))) == set()


@settings(max_examples=40, deadline=None)
@given(layered_spaces(), st.sets(st.sampled_from(OPERATORS)), st.data())
def test_an_allow_list_is_refused_exactly_where_no_network_does_with_it(space, some, data):
    genomes = all_genomes(space, limit=300)
    assume(genomes is not None)
    costs = NetworkCosts(space)
    needed = [set(operators_of(plan(decode(genome, space)))) for genome in genomes.values()]
    assert set(operators_in(space, costs)) <= set().union(*needed)
    allowed = some | data.draw(st.sampled_from(needed)) - data.draw(st.sets(st.sampled_from(OPERATORS), max_size=1))
    if any(one <= allowed for one in needed):
        require_operators_suffice(sorted(allowed), space, costs)
    else:
        with pytest.raises(SpecError, match="no network of this space can do with"):
            require_operators_suffice(sorted(allowed), space, costs)


def test_genes_of_every_depth_are_tried():
    space = space_of({"family": "mlp", "layers": [0, 2], "width": [4]})
    require_operators_suffice(("linear", "flatten"), space, NetworkCosts(space))
