"""The networks that a search begins with."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.objectives.constraints import parse_limit
from gasearch.space.decode import decode
from gasearch.space.encode import encode, starting_genomes
from tests.gasearch.space.space_samples import custom_sections, layered_spaces, space_of

MLP = {"family": "mlp", "layers": [0, 2], "width": [8, 16]}
CUSTOM = {"family": "custom", "decisions": {"op": {"choices": ["a", "b"]}, "params": {"choices": [1, 900]}}}
SMALL, LARGE = {"layers": []}, {"layers": [{"width": 16}, {"width": 16}]}
KEYS = st.sampled_from(["layers", "head", "embedding", "encoder", "vocabulary", "kind", "width", "weight_bits", "d0"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 16) | st.floats(allow_nan=False) | st.sampled_from(["conv", "gru", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def test_designs_keep_their_order_and_none_comes_twice():
    space = space_of(MLP)
    genomes = starting_genomes([LARGE, SMALL, LARGE], [], space)
    assert [len(decode(genome, space).layers) for genome in genomes] == [3, 1]


def test_what_is_wrong_with_any_design_is_said_at_once():
    limits = [parse_limit("params <= 1000"), parse_limit("macs >= 700"), parse_limit("accuracy >= 0.9")]
    with pytest.raises(SpecError) as caught:
        starting_genomes([SMALL, {"layers": [{"width": 9}]}, LARGE], limits, space_of(MLP))
    assert str(caught.value).splitlines() == [
        'start.designs[0]: the network has macs 640, which misses "macs >= 700": change it or the limit',
        "start.designs[1].layers[0].width: 9 is no option; it has 8, 16",
        'start.designs[2]: the network has params 1482, which misses "params <= 1000": change it or the limit',
    ]


def test_the_limits_of_a_custom_space_are_left_to_its_evaluator():
    space = space_of(CUSTOM)
    assert len(starting_genomes([{"op": "a", "params": 900}], [parse_limit("params <= 5")], space)) == 1


@settings(deadline=None, max_examples=50)
@given(st.data(), st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_design_is_a_network_or_refused_in_a_sentence(data, design):
    space = data.draw(st.one_of(layered_spaces(), custom_sections().map(space_of)))
    genome = None
    with contextlib.suppress(SpecError):
        genome = encode(design, space)
    assert genome is None or space.canonical(genome.genes) == genome.genes
