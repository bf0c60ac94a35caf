"""Identifiers, kernels and constants of `model.c`."""

import dataclasses
from importlib import resources

import numpy as np
from gasearch_workers.export import c99
from gasearch_workers.export.c99.constants import KERNELS, Constants
from gasearch_workers.export.c99.files import to_c
from gasearch_workers.export.c99.source import Source
from gasearch_workers.messages import Blueprint, Layer

from tests.workers.export.c99.compiled import random_networks
from tests.workers.integer_networks import random_network


def test_a_name_that_is_no_identifier_does_not_get_into_the_text():
    network, x = random_networks(1, ("mlp",))[0]
    names = {step.name: f'{step.name}*/ #include </etc/passwd>\n"{step.name}' for step in network.plan.steps}
    steps = tuple(
        dataclasses.replace(step, name=names[step.name], inputs=tuple(names.get(name, name) for name in step.inputs))
        for step in network.plan.steps
    )
    items = tuple(dataclasses.replace(item, step=step) for item, step in zip(network.steps, steps, strict=True))
    changed = dataclasses.replace(network, plan=dataclasses.replace(network.plan, steps=steps), steps=items)
    assert b"passwd>" not in to_c(changed, x)["model.c"]
    assert b"/etc" not in to_c(changed, x)["model.c"]


def test_only_the_kernels_that_are_needed_are_there():
    network, _ = random_networks(1, ("recommender",))[0]
    source = Source(network)
    assert {"embed", "dense", "product"} <= source.kernels < set(KERNELS)
    assert "convolve" not in source.text()


def test_the_weights_weigh_what_the_arrays_say():
    blueprint = Blueprint(
        family="mlp", input_shape=(10,), layers=(Layer(kind="linear", width=6, weight_bits=3, activation_bits=4),
                                                 Layer(kind="linear", width=2, weight_bits=8)),
    )  # fmt: skip
    source = Source(random_network(blueprint, np.random.default_rng(0)))
    assert source.weight_bytes == (60 * 3 + 7) // 8 + 12 + 8 * (6 + 2) + 2 * 4 * 10


def test_every_kernel_is_a_file_and_every_file_a_kernel():
    files = {path.name for path in (resources.files(c99) / "kernels").iterdir()}
    assert files == {f"{name}.c" for name in KERNELS}
    assert all(set(needed) < set(KERNELS) for needed in KERNELS.values())


def test_a_gru_s_states_and_an_attention_s_weights_lie_in_whole_numbers_of_32_bits():
    for network, _ in random_networks(20, ("text", "tagger", "transformer"), seed=31):
        constants = Constants(network)
        steps = network.plan.steps
        needed = [2 * step.width for step in steps if step.op == "gru"]
        needed += [step.input_shape[0] for step in steps if step.op == "attention"]
        assert constants.wide == max(needed, default=0)
        assert constants.ram_bytes == constants.array_bytes + 4 * constants.wide
