"""Flash, RAM and instructions on a Cortex-M: measured where the tools are, absent with a reason where they are not."""

import re

import numpy as np
import pytest
from gasearch_workers.export.c99.files import to_c
from gasearch_workers.export.c99.integers import run_integers
from gasearch_workers.export.exporters import C99, GAP
from gasearch_workers.measure import toolchains
from gasearch_workers.measure.emulators import emulator
from gasearch_workers.measure.footprint import CPUS, call_on, footprint, link
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import CROSS_COMPILERS, Blueprint, Layer
from gasearch_workers.network.costs import costs
from gasearch_workers.runtimes.c99 import genuine_source

from tests.workers.export.c99.compiled import random_networks
from tests.workers.integer_networks import random_network, random_raw

each_toolchain = pytest.mark.parametrize(
    "compiler",
    [
        pytest.param(name, marks=pytest.mark.skipif(toolchain(name) is None, reason=f"{name} is not installed"))
        for name in CROSS_COMPILERS
    ],
)


def layer(**fields):
    return Layer(**({"kind": "conv", "kernel": 3, "stride": 2, "weight_bits": 4, "activation_bits": 4} | fields))


#: Of about 4.5 KB, for images of 28 x 28.
BLUEPRINT = Blueprint(
    family="cnn",
    input_shape=(1, 28, 28),
    layers=(
        layer(width=16),
        layer(width=16),
        layer(kind="residual", width=16, weight_bits=2),
        layer(kind="separable", width=32, stride=1),
        Layer(kind="linear", width=10, weight_bits=4),
    ),
)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """(network, samples, folder)."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("artifact")
    network = random_network(BLUEPRINT, rng)
    x = random_raw(rng, network, 2)
    for form in (C99, GAP):
        for name, content in form.write(network, x).items():
            (folder / name).write_bytes(content)
    return network, x, folder


@each_toolchain
@pytest.mark.parametrize("cpu", CPUS)
def test_a_network_of_4_kb_fits_in_its_bytes_and_3_kb_of_code(cpu, compiler, artifact):
    network, _, folder = artifact
    model_bytes = costs(network.plan).model_bytes
    assert 4_000 < model_bytes < 5_000
    found = footprint(folder, cpu, compiler)
    assert re.fullmatch(rf"{compiler} \d+\.\d+\.\d+", found.toolchain)
    assert 0.7 * model_bytes < found.flash_bytes <= 1.15 * model_bytes + 3072
    assert 1000 < found.code_bytes < 3072
    assert f"GASEARCH_RAM_BYTES {found.ram_bytes} " in (folder / "model.h").read_text()
    if emulator():
        assert found.absent == {}
        assert found.emulator == emulator()
        assert costs(network.plan).macs < found.instructions < 25 * costs(network.plan).macs
        assert 0 < found.stack_bytes <= 512
    else:
        assert set(found.absent) == {"stack_bytes", "instructions"}


@each_toolchain
@pytest.mark.skipif(emulator() is None, reason="no emulator is installed")
@pytest.mark.parametrize("cpu", CPUS)
def test_the_emulated_cpu_gives_the_integer_rule_s_outputs(cpu, compiler, artifact):
    network, x, folder = artifact
    elf = link(genuine_source(folder)[1], cpu, toolchain(compiler))
    for sample, expected in zip(x, run_integers(network, x), strict=True):
        called, outputs = call_on(network, elf, cpu, sample)
        assert called.result == 0
        np.testing.assert_array_equal(outputs, expected)


def test_without_a_cross_compiler_everything_is_absent_and_says_so(artifact, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(toolchains, "find_spec", lambda name: None)
    found = footprint(artifact[2])
    assert (found.cpu, found.toolchain, found.flash_bytes, found.instructions) == ("cortex-m4", None, None, None)
    assert set(found.absent) == {"flash_bytes", "code_bytes", "ram_bytes", "stack_bytes", "instructions"}
    assert all("no cross compiler" in reason for reason in found.absent.values())


def test_a_compiler_that_fails_leaves_everything_absent(artifact, tmp_path, monkeypatch):
    gcc = tmp_path / "arm-none-eabi-gcc"
    gcc.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    gcc.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = footprint(artifact[2])
    assert found.toolchain == "arm-none-eabi-gcc"
    assert found.flash_bytes is None
    assert "ended with status 1: no room" in found.absent["flash_bytes"]


def test_an_unknown_cpu_is_refused(artifact):
    with pytest.raises(ValueError, match=r"cpu must be one of cortex-m4, cortex-m0plus; got 'z80'"):
        footprint(artifact[2], "z80")


def test_an_edited_file_is_not_compiled(artifact, tmp_path):
    for file in artifact[2].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.c").write_text('#include "/etc/passwd"')
    with pytest.raises(ValueError, match="it is not compiled"):
        footprint(tmp_path)


@pytest.mark.skipif(toolchain() is None or emulator() is None, reason="no cross compiler, or no emulator, is installed")
@pytest.mark.parametrize("family", ["mlp", "text", "recommender", "transformer", "tagger"])
def test_every_family_gives_the_same_bits_on_the_smallest_cpu(family):
    [(network, x)] = random_networks(1, (family,), seed=7, samples=1)
    files = {name: content for name, content in to_c(network, x).items() if name != "vectors.h"}
    called, outputs = call_on(network, link(files, "cortex-m0plus", toolchain()), "cortex-m0plus", x[0])
    assert called.result == 0
    np.testing.assert_array_equal(outputs, run_integers(network, x)[0])
