"""`model.c`, compiled: its outputs are those of the integer rule, bit for bit, and no instruction is undefined."""

import shutil
from importlib import resources

import numpy as np
import pytest
from gasearch_workers.export import c99
from gasearch_workers.export.c99.files import OPERATIONS_WITH_KERNEL
from gasearch_workers.export.c99.integers import run_integers

from tests.workers.export.c99.compiled import SANITIZERS, WARNINGS, needs_compiler, outputs_of, random_networks, run

#: Reads whole numbers and bits, and writes floats.
MAIN = """\
#include <stdint.h>
#include <stdio.h>
%s
int main(void)
{
    int32_t pair[2];
    while (fread(pair, sizeof pair, 1, stdin) == 1) {
        float found = real(pair[0], pair[1]);
        fwrite(&found, sizeof found, 1, stdout);
    }
    return 0;
}
"""


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


@needs_compiler
def test_whole_numbers_times_powers_of_two_are_the_floats_that_an_fpu_gives(tmp_path):
    rng = np.random.default_rng(0)
    ties = [sign * ((1 << 24) + offset << shift) for offset in range(-3, 9) for shift in (0, 1, 5) for sign in (1, -1)]
    edges = [0, 1, -1, 2**30, -(2**30), 2**31 - 1, -(2**31), 2**24 + 1, 2**25 + 2, 2**25 + 6]
    random = rng.integers(-(2**31), 2**31, 2_000) >> rng.integers(0, 31, 2_000)
    values = np.array([*ties, *edges, *random], np.int32)
    bits = rng.integers(-60, 61, len(values)).astype(np.int32)
    kernel = resources.files(c99).joinpath("kernels", "real.c").read_text()
    (tmp_path / "main.c").write_text(MAIN % kernel)
    run(["cc", *WARNINGS, *SANITIZERS, "main.c", "-o", "test"], tmp_path)
    found = np.frombuffer(run([tmp_path / "test"], tmp_path, np.stack([values, bits], axis=1).tobytes()), np.float32)
    expected = values.astype(np.float32) * (2.0 ** -bits.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
