"""The three files: what they hold, what they can't, and the test that a firmware makes of them."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.c99.files import FILES, MOST_VECTORS, refusal, to_c
from gasearch_workers.export.exporters import EXPORTERS
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.plan import plan

from tests.workers.export.c99.compiled import WARNINGS, needs_compiler, random_networks, run

SELF_TEST = """\
#include <stdio.h>
#include "vectors.h"

int main(void)
{
    float output[GASEARCH_OUTPUTS];
    int vector, i;
    for (vector = 0; vector < GASEARCH_VECTORS; vector++) {
        if (gasearch_predict(gasearch_inputs + vector * GASEARCH_INPUTS, output) != 0)
            return 2;
        for (i = 0; i < GASEARCH_OUTPUTS; i++)
            if (output[i] != gasearch_outputs[vector * GASEARCH_OUTPUTS + i])
                return 1;
    }
    printf("%d", GASEARCH_VECTORS);
    return 0;
}
"""


@needs_compiler
@pytest.mark.parametrize("family", ["cnn", "mlp", "text"])
def test_the_vectors_are_what_the_network_gives(family, tmp_path):
    network, x = random_networks(2, (family,), seed=3)[1]
    for name, content in to_c(network, x).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "main.c").write_text(SELF_TEST)
    run(["cc", *WARNINGS, "model.c", "main.c", "-o", "test"], tmp_path)
    assert run([tmp_path / "test"], tmp_path) == str(MOST_VECTORS).encode()


def test_equal_networks_give_equal_files():
    one, other = (to_c(*random_networks(1, ("cnn",))[0]) for _ in range(2))
    assert tuple(one) == FILES == EXPORTERS.get("c").files
    assert one == other


def test_the_header_says_sizes_and_takes_the_type_of_the_data():
    network, x = random_networks(1, ("cnn",))[0]
    header = to_c(network, x)["model.h"].decode()
    assert "int gasearch_predict(const gasearch_input_t *input, float *output);" in header
    assert "typedef uint8_t gasearch_input_t;" in header
    assert f"#define GASEARCH_INPUTS {x[0].size}\n" in header
    for name in ("GASEARCH_RAM_BYTES", "GASEARCH_WEIGHT_BYTES", "GASEARCH_OUTPUTS"):
        assert f"#define {name} " in header


def test_samples_that_are_no_numbers_are_left_out_of_the_vectors():
    network, x = next(case for case in random_networks(20, ("mlp",)) if case[0].input.dtype == "float32")
    x[0, 0] = np.nan
    vectors = to_c(network, x[:3])["vectors.h"].decode()
    assert "#define GASEARCH_VECTORS 2\n" in vectors
    assert "#define GASEARCH_VECTORS 0\n" in to_c(network, x[:0])["vectors.h"].decode()


def layers(*changes):
    """An MLP of one hidden layer, with other fields."""
    hidden, head = {"width": 8, "weight_bits": 4, "activation_bits": 4}, {"width": 3, "weight_bits": 4}
    for change in changes:
        hidden |= change
    return Blueprint(
        family="mlp", input_shape=(5,), layers=(Layer(kind="linear", **hidden), Layer(kind="linear", **head))
    )


@pytest.mark.parametrize(
    ("blueprint", "reason"),
    [
        (layers(), ""),
        (layers({"weight_bits": 32}), "float weights (step layer0)"),
        (layers({"activation_bits": 32}), "float activations (step layer0)"),
        (
            Blueprint(family="mlp", input_shape=(5,), layers=(Layer(kind="linear", width=3),)),
            "a network that takes floats",
        ),
        (
            dataclasses.replace(layers({"weight_bits": 8}), input_shape=(70_000,)),
            "sums that may pass 32 bits (step layer0)",
        ),
    ],
)
def test_what_it_cannot_hold_is_said_before_any_training(blueprint, reason):
    assert refusal(plan(blueprint)) == reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"op": "fourier"}, "the operation fourier (step layer0)"),
        ({"op": "attention", "input_shape": (5_000, 12), "output_shape": (5_000, 4)}, "more than 4096 tokens"),
        ({"op": "attention", "input_shape": (5, 60_000), "output_shape": (5, 20_000)}, "sums that may pass 32 bits"),
        ({"op": "gru", "output_shape": (5, 1_024), "weight_bits": 8}, "sums that may pass 32 bits"),
        ({"op": "layer_norm", "output_shape": (9_000,)}, "more than 8192 channels"),
        ({"op": "global_pool", "input_shape": (8, 2_000, 2_000)}, "sums that may pass 32 bits"),
    ],
)
def test_operations_without_a_kernel_and_sums_that_are_too_large_are_named(changes, words):
    layout = plan(layers())
    steps = (dataclasses.replace(layout.steps[0], **changes), *layout.steps[1:])
    assert words in refusal(dataclasses.replace(layout, steps=steps))


def test_a_network_that_is_refused_is_not_written():
    network, x = random_networks(1, ("mlp",))[0]
    changed = dataclasses.replace(network.plan.steps[-1], weight_bits=32)
    refused = dataclasses.replace(
        network, plan=dataclasses.replace(network.plan, steps=(*network.plan.steps[:-1], changed))
    )
    with pytest.raises(ValueError, match="can't hold float weights"):
        to_c(refused, x)
