"""Small networks of one kind of layer."""

from gasearch_workers.messages import Blueprint, Layer

from tests.workers.integer_networks import random_network


def network_of(kind, rng, *, weight_bits=8, activation_bits=8, stride=1, head_bits=None):
    """Two equal layers and a head."""
    is_linear = kind == "linear"
    layer = Layer(
        kind=kind,
        width=12,
        kernel=1 if is_linear else 3,
        stride=stride,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
    )
    head = Layer(kind="linear", width=6, weight_bits=head_bits or weight_bits)
    shape = (12,) if is_linear else (3, 9, 8)
    blueprint = Blueprint(family="mlp" if is_linear else "cnn", input_shape=shape, layers=(layer, layer, head))
    return random_network(blueprint, rng)
