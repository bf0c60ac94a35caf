"""`model.c`, compiled: its outputs are those of the integer rule, bit for bit, and no instruction is undefined."""

import shutil

import numpy as np
import pytest
from gasearch_workers.export.c99.files import OPERATIONS_WITH_KERNEL
from gasearch_workers.export.c99.integers import run_integers

from tests.workers.export.c99.compiled import SANITIZERS, WARNINGS, needs_compiler, outputs_of, random_networks


@needs_compiler
def test_random_networks_of_every_kind_and_bits_are_exact_and_without_undefined_behaviour(tmp_path):
    cases = random_networks(24, seed=1040)
    steps = [item.step for network, _ in cases for item in network.steps]
    assert {step.op for step in steps} == OPERATIONS_WITH_KERNEL
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
