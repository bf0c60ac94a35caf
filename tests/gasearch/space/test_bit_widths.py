"""The space of a trained network's bits."""

from dataclasses import replace

import pytest
from gasearch_workers.messages import Blueprint, Layer, network_to_json
from gasearch_workers.network.costs import costs
from gasearch_workers.network.kinds.traced import traced_layer
from gasearch_workers.network.plan import plan

from gasearch.errors import SpecError
from gasearch.space.bit_widths import bits_space, digest_of, uniform_choices
from gasearch.space.costs import Extremes
from gasearch.space.decisions import DataShape
from gasearch.space.decode import decode, disagreement
from gasearch.space.encode import encode, encode_network
from gasearch.space.genome import make_genome
from gasearch.space.size import space_size
from gasearch.spec.spaces import BitsSpace

NETWORK = Blueprint(
    family="bits",
    input_shape=(1, 8, 8),
    layers=(
        traced_layer("stem", "conv", ("input",), width=4, kernel=3, has_relu=True),
        traced_layer("branch", "conv", ("stem",), width=4, kernel=3, is_branch=True),
        traced_layer("add", "add", ("branch", "stem"), width=4, has_relu=True),
        traced_layer("pool", "global_pool", ("add",), width=4),
        Layer(kind="linear", width=10),
    ),
    trained="ab12",
)
DATA = DataShape(input_shape=(1, 8, 8), outputs=10, trained=NETWORK)


def asked(**options):
    content = {"family": "bits", "module": "nets:make", "weights": "nets.safetensors", "weight_bits": [2, 8, 32]}
    return BitsSpace(**content | {"activation_bits": [4, 8, 32]} | options)


SPACE = bits_space(asked(), DATA)
NAMES = ["trained", "stem.weight_bits", "stem.activation_bits", "branch.weight_bits", "add.activation_bits"]


def test_each_layer_with_weights_and_each_precision_is_a_decision() -> None:
    assert [decision.name for decision in SPACE.decisions] == [*NAMES, "head.weight_bits"]
    assert space_size(SPACE).count == 3**5


def test_one_choice_may_be_for_all_activations() -> None:
    space = bits_space(asked(shared_activations=True), DATA)
    names = ["trained", "activation_bits", "stem.weight_bits", "branch.weight_bits", "head.weight_bits"]
    assert [decision.name for decision in space.decisions] == names
    network = decode(make_genome((0, 0, 1, 1, 1), space), space)
    assert [layer.activation_bits for layer in network.layers] == [4, 8, 4, 32, 32]


@pytest.mark.parametrize(
    ("genes", "weights", "activations"),
    [
        ((0, 0, 1, 1, 0, 1), [2, 8, 32, 32, 8], [8, 8, 4, 32, 32]),
        ((0, 2, 2, 2, 2, 2), [32, 32, 32, 32, 32], [32, 32, 32, 32, 32]),
    ],
)
def test_a_genome_means_the_trained_network_with_its_bits(genes, weights, activations) -> None:
    network = decode(make_genome(genes, SPACE), SPACE)
    assert [layer.weight_bits for layer in network.layers] == weights
    assert [layer.activation_bits for layer in network.layers] == activations
    assert network.trained == "ab12"
    plan(network)


def test_a_network_is_found_again_by_its_bits() -> None:
    genome = make_genome((0, 0, 1, 1, 0, 1), SPACE)
    network = decode(genome, SPACE)
    assert encode_network(network, SPACE) == genome
    assert encode_network(replace(network, trained="cd34"), SPACE) is None
    assert disagreement(genome.genes, genome.key, network_to_json(network), SPACE) is None


def test_a_design_names_decisions_as_they_are() -> None:
    design = {"stem.weight_bits": 2, "stem.activation_bits": 4, "branch.weight_bits": 8, "add.activation_bits": 8}
    assert encode(design | {"head.weight_bits": 8}, SPACE).genes == (0, 0, 0, 1, 1, 1)
    with pytest.raises(SpecError, match=r"stem\.weight_bits: 5 is no option"):
        encode(design | {"head.weight_bits": 8, "stem.weight_bits": 5}, SPACE)
    with pytest.raises(SpecError, match=r"head\.weight_bits: is required"):
        encode(design, SPACE)


def test_genomes_of_different_trained_networks_have_different_keys() -> None:
    other = bits_space(asked(), replace(DATA, trained=replace(NETWORK, trained="cd34")))
    assert make_genome([0] * 6, SPACE).key != make_genome([0] * 6, other).key


def test_the_extremes_are_the_fewest_and_the_most_bits() -> None:
    extremes = Extremes(space=bits_space(asked(weight_bits=[2, 8], activation_bits=[8]), DATA))
    small, large = extremes.smallest("model_bytes"), extremes.largest("model_bytes")
    assert {layer.weight_bits for layer in small.blueprint.layers} == {2, 32}
    assert costs(plan(small.blueprint)).model_bytes == small.costs.model_bytes < large.costs.model_bytes
    assert {layer.weight_bits for layer in large.blueprint.layers} == {8, 32}


def test_networks_of_the_same_bits_throughout_go_from_the_most_to_the_fewest() -> None:
    assert list(uniform_choices(SPACE)) == [(0, 2, 2, 2, 2, 2), (0, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, 0)]


def test_the_digest_stands_in_the_description_of_the_data() -> None:
    assert digest_of({"pretrained": network_to_json(NETWORK)}) == "ab12"
    assert digest_of({}) == ""


def test_without_a_trained_network_there_is_no_space() -> None:
    with pytest.raises(ValueError, match="needs a trained network"):
        bits_space(asked(), replace(DATA, trained=None))
