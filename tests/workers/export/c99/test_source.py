"""`model.c`, compiled: its outputs are those of the integer rule, bit for bit, and no instruction is undefined."""

import dataclasses
import shutil

import numpy as np
import pytest
from gasearch_workers.export.c99.files import OPERATIONS_WITH_KERNEL, to_c
from gasearch_workers.export.c99.integers import run_integers
from gasearch_workers.export.c99.source import KERNELS, Source
from gasearch_workers.messages import Blueprint, Layer

from tests.workers.export.c99.compiled import SANITIZERS, WARNINGS, needs_compiler, outputs_of, random_networks
from tests.workers.integer_networks import random_network, random_raw


@needs_compiler
def test_random_networks_of_every_kind_and_bits_are_exact_and_without_undefined_behaviour(tmp_path):
    cases = random_networks(24, seed=1000)
    steps = [item.step for network, _ in cases for item in network.steps]
    assert {step.op for step in steps} == OPERATIONS_WITH_KERNEL - {"position"}  # a transformer's alone, with attention
    assert {step.weight_bits for step in steps} >= set(range(1, 9))
    assert any(step.nonzeros for step in steps)
    assert any(step.groups > 1 and step.stride > 1 for step in steps)
    for (network, x), found in zip(cases, outputs_of(cases, tmp_path, [*WARNINGS, *SANITIZERS]), strict=True):
        np.testing.assert_array_equal(found, run_integers(network, x))


@needs_compiler
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os", "-O3"])
def test_every_level_of_optimization_gives_the_same(level, tmp_path):
    cases = random_networks(6, seed=100)
    for (network, x), found in zip(cases, outputs_of(cases, tmp_path, [*WARNINGS, level]), strict=True):
        np.testing.assert_array_equal(found, run_integers(network, x))


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is installed")
def test_a_cpp_compiler_takes_it_too(tmp_path):
    cases = random_networks(6, seed=200)
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    for (network, x), found in zip(cases, outputs_of(cases, tmp_path, flags, "g++", "cpp"), strict=True):
        np.testing.assert_array_equal(found, run_integers(network, x))


@needs_compiler
def test_a_table_of_positions_is_added(tmp_path):
    """By a plan of its own: only transformers have one."""
    rng = np.random.default_rng(0)
    blueprint = Blueprint(
        family="text",
        input_shape=(5,),
        categories=(9,),
        layers=(Layer(kind="embedding", width=6, weight_bits=4), Layer(kind="linear", width=3, weight_bits=4)),
    )
    network = random_network(blueprint, rng)
    embedding, *rest = network.steps
    step = dataclasses.replace(
        embedding.step, name="place", op="position", inputs=(embedding.step.name,), input_shape=(5, 6), input_bits=4,
        column=-1, rows=0, weight_bits=3, output_bits=8,
    )  # fmt: skip
    weight = rng.integers(-4, 4, (5, 6)).astype(np.int8)
    grid = dataclasses.replace(embedding.output_grid, bits=8, zero_point=128, scale=embedding.output_grid.scale / 9)
    place = dataclasses.replace(
        embedding, step=step, weight=weight, weight_scale=embedding.weight_scale / 3, output_grid=grid
    )
    pool, *others = rest
    pool = dataclasses.replace(
        pool, step=dataclasses.replace(pool.step, inputs=("place", *pool.step.inputs[1:]), input_bits=8)
    )
    items = (embedding, place, pool, *others)
    plan = dataclasses.replace(network.plan, steps=tuple(item.step for item in items))
    cases = [(dataclasses.replace(network, plan=plan, steps=items), random_raw(rng, network, 9))]
    (found,) = outputs_of(cases, tmp_path, [*WARNINGS, *SANITIZERS])
    np.testing.assert_array_equal(found, run_integers(*cases[0]))
    assert len(np.unique(found)) > 9


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
