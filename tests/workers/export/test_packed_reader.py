"""What the packed file refuses of the steps that sequences, tables and recommenders are made of."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.packed import PackedFormatError, pack, unpack
from gasearch_workers.messages import Blueprint, Layer

from tests.workers.integer_networks import random_network


def network_of(family, *kinds):
    """A network of 4-bit weights with a layer of each kind."""
    is_pair = family == "recommender"
    options = {"conv1d": {"kernel": 3}, "transformer": {"heads": 2}}
    hidden = [Layer(kind=kind, width=8, weight_bits=4, activation_bits=8, **options.get(kind, {})) for kind in kinds]
    blueprint = Blueprint(
        family=family,
        input_shape=(2,) if is_pair else (6,),
        layers=(
            Layer(kind="embedding", width=8, weight_bits=4),
            *hidden,
            Layer(kind="linear", width=1 if is_pair else 3, weight_bits=8),
        ),
        categories=(9, 7) if is_pair else (9,),
        is_regression=is_pair,
    )
    return random_network(blueprint, np.random.default_rng(0), samples=8)


def with_step(network, op, **changes):
    """The network with some fields of the first step of that operation replaced."""
    steps = list(network.steps)
    at = next(at for at, item in enumerate(steps) if item.step.op == op)
    steps[at] = dataclasses.replace(steps[at], step=dataclasses.replace(steps[at].step, **changes))
    plan = dataclasses.replace(network.plan, steps=tuple(item.step for item in steps))
    return dataclasses.replace(network, steps=tuple(steps), plan=plan)


@pytest.mark.parametrize(
    ("kind", "op", "changes", "text"),
    [
        ("conv1d", "window", {"kernel": 4}, r"'layer0.window': window can't have kernel 4.* on an input of \(6, 8\)"),
        ("conv1d", "window", {"output_bits": 8}, r"'layer0.window': window can't turn 4 bits into 8"),
        ("conv1d", "max_tokens", {"inputs": ("layer0", "layer0")}, r"'pool': max_tokens can't read layer0, layer0"),
        ("transformer", "attention", {"heads": 3}, r"'layer0.attention': attention can't have heads 3.*\(6, 24\)"),
        ("transformer", "attention", {"heads": 0}, r"'layer0.attention': attention can't have heads 0"),
        ("transformer", "position", {"weight_bits": 9}, r"'positions': position can't have weight_bits 9"),
        ("gru", "gru", {"inputs": ("codes", "embedding0")}, r"'layer0': gru can't read codes, embedding0"),
        ("gru", "embedding", {"column": 0}, r"'embedding0': embedding can't have weight_bits 4, column 0, rows 9"),
        ("gru", "embedding", {"output_bits": 8}, r"'embedding0': a table of 4 bits can't give 8"),
    ],
)
def test_a_step_of_a_sequence_that_can_not_be_is_refused(kind, op, changes, text):
    with pytest.raises(PackedFormatError, match=text):
        pack(with_step(network_of("text", kind), op, **changes))


@pytest.mark.parametrize(
    ("op", "changes", "text"),
    [
        ("embedding", {"column": 2}, r"'embedding1': embedding can't have weight_bits 4, column 2, rows 7"),
        ("concat", {"inputs": ()}, r"'features': concat can't read nothing"),
        ("concat", {"inputs": ("codes", "embedding1")}, r"'features': concat can't read codes, embedding1"),
        ("product", {"inputs": ("embedding0", "codes")}, r"'interaction': product can't read embedding0, codes"),
    ],
)
def test_a_step_of_a_recommender_that_can_not_be_is_refused(op, changes, text):
    with pytest.raises(PackedFormatError, match=text):
        pack(with_step(network_of("recommender"), op, **changes))


@pytest.mark.parametrize(
    ("family", "changes", "text"),
    [
        (
            "text",
            {"input_shape": (6, 2)},
            r"shape of tokens must be \(tokens\[, columns\]\); got \(6, 2\) with 1 columns",
        ),
        ("text", {"categories": ()}, r"shape of tokens must be .* got \(6,\) with 0 columns"),
        ("text", {"categories": (0,)}, r"shape of tokens must be"),
        ("recommender", {"input_shape": (3,)}, r"shape of ids must be \(columns,\); got \(3,\) with 2 columns"),
    ],
)
def test_an_input_that_no_data_have_is_refused(family, changes, text):
    network = network_of(family)
    with pytest.raises(PackedFormatError, match=text):
        pack(dataclasses.replace(network, plan=dataclasses.replace(network.plan, **changes)))


def test_a_regression_is_one_after_unpacking_and_its_categories_are_known():
    plan = unpack(pack(network_of("recommender"))).plan
    assert (plan.is_regression, plan.input_kind, plan.categories) == (True, "ids", (9, 7))
