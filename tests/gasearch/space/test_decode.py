"""What genomes mean: blueprints and choices."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from tests.gasearch.space.space_samples import IMAGES, custom_sections, genes_of, layered_sections, space_of
from workers.messages import Blueprint, Choices, Layer
from workers.plan import plan

CNN = {"family": "cnn", "layers": [1, 5], "width": [8, 16], "kernel": [3, 5], "weight_bits": [4, 8]}


def strides(side, depth=5):
    space = space_of(CNN)
    genome = make_genome([depth - 1] + [0] * (len(space.decisions) - 1), space)
    return [layer.stride for layer in decode(genome, space, input_shape=(1, side, side), outputs=10).layers[:-1]]


def test_a_genome_decodes_to_its_layers_and_the_head():
    space = space_of(CNN | {"layers": [1, 2]})
    genome = make_genome((1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1), space)
    assert decode(genome, space, input_shape=(3, 16, 16), outputs=7) == Blueprint(
        family="cnn",
        input_shape=(3, 16, 16),
        layers=(
            Layer(kind="conv", width=16, kernel=5, stride=2, weight_bits=4, activation_bits=8),
            Layer(kind="conv", width=8, kernel=3, stride=2, weight_bits=8, activation_bits=8),
            Layer(kind="linear", width=7, weight_bits=8),
        ),
    )


def test_an_mlp_decodes_to_linear_layers():
    space = space_of({"family": "mlp", "layers": 2, "width": [8, 16], "weight_bits": 3})
    network = decode(make_genome((0, 0, 0, 0, 1, 0, 0, 0), space), space, input_shape=(30,), outputs=2)
    assert [(layer.kind, layer.width, layer.stride, layer.weight_bits) for layer in network.layers] == [
        ("linear", 8, 1, 3),
        ("linear", 16, 1, 3),
        ("linear", 2, 1, 3),
    ]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (8, [1, 2, 1, 1, 1]),  # 8 8 4
        (15, [1, 2, 2, 1, 1]),  # 15 15 8 4
        (16, [2, 2, 1, 1, 1]),  # 16 8 4
        (28, [2, 2, 2, 1, 1]),  # 28 14 7 4
        (32, [2, 2, 2, 1, 1]),  # 32 16 8 4
        (4, [1, 1, 1, 1, 1]),
    ],
)
def test_images_are_halved_until_four_positions_are_left(side, expected):
    assert strides(side) == expected


def test_a_custom_genome_decodes_to_the_choices_that_express():
    decisions = {"op": {"choices": ["a", "b"]}, "n": {"choices": [1, 2], "when": {"op": "b"}}}
    space = space_of({"family": "custom", "decisions": decisions})
    assert decode(make_genome((0, 1), space), space) == Choices(values=(("op", "a"),))
    assert decode(make_genome((1, 1), space), space) == Choices(values=(("op", "b"), ("n", 2)))


@settings(deadline=None)
@given(st.data())
def test_every_genome_decodes_to_a_network_that_can_be_planned(data):
    section = data.draw(layered_sections())
    shapes = IMAGES if section["family"] == "cnn" else st.one_of(IMAGES, st.just((13,)))
    space = space_of(section)
    genome = make_genome(data.draw(genes_of(space)), space)
    network = decode(genome, space, input_shape=data.draw(shapes), outputs=3)
    assert plan(network).steps[-1].output_shape == (3,)


@settings(deadline=None)
@given(st.data())
def test_networks_are_equal_exactly_when_their_keys_are(data):
    space = space_of(data.draw(st.one_of(layered_sections(), custom_sections())))
    one, other = (make_genome(data.draw(genes_of(space)), space) for _ in range(2))
    networks = [decode(genome, space, input_shape=(1, 8, 8), outputs=3) for genome in (one, other)]
    assert (networks[0] == networks[1]) is (one.key == other.key) is (one.genes == other.genes)


def test_decoding_is_quick():
    space = space_of(CNN)
    genome = make_genome([4] + [0] * (len(space.decisions) - 1), space)
    started = time.process_time()
    for _ in range(1000):
        decode(genome, space, input_shape=(1, 28, 28), outputs=10)
    assert time.process_time() - started < 0.2  # 200 us each; about 17 us on a quiet core
