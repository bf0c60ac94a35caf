"""The page on firmware: its test of a network is compiled as it stands there, and passes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.export.c99.files import FILES, to_c
from gasearch_workers.runtimes.c99 import CompilerError, compiler, execute

from tests.workers.integer_networks import random_blueprint, random_network, random_raw

PAGE = (Path(__file__).parents[2] / "docs/microcontroller.md").read_text()
MAIN = '#include "test.c"\nint main(void) { return test_network() ? 0 : 1; }\n'


def write_all(folder):
    """The files of a network and of the page: test.c, start.c."""
    rng = np.random.default_rng(0)
    network = random_network(random_blueprint(rng, family="cnn", bits=(2, 4, 8), layers=(2, 2)), rng)
    test, start = re.findall(r"```c\n(.*?)```", PAGE, re.DOTALL)
    files = {name: content.decode() for name, content in to_c(network, random_raw(rng, network, 9)).items()}
    for name, text in {**files, "test.c": test, "start.c": start, "main.c": MAIN}.items():
        (folder / name).write_text(text)


@pytest.mark.skipif(compiler() is None, reason="no C compiler is installed")
def test_the_page_s_test_passes(tmp_path):
    write_all(tmp_path)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    execute([str(compiler()), *flags, "model.c", "main.c", "-o", "test"], seconds=60, folder=tmp_path)
    execute([str(tmp_path / "test")], seconds=60)


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus"])
def test_the_page_s_board_passes_the_test_and_fails_it_where_the_network_is_another(cpu, tmp_path):
    write_all(tmp_path)
    alone, linked, emulated = (line.split() for line in re.findall(r"^(?:arm-none|qemu-system).*$", PAGE, re.MULTILINE))
    alone[alone.index("-mcpu=cortex-m0plus")] = linked[linked.index("-mcpu=cortex-m4")] = f"-mcpu={cpu}"
    execute([*alone, "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"], seconds=60, folder=tmp_path)
    execute(linked, seconds=60, folder=tmp_path)
    if shutil.which(emulated[0]) is None:
        pytest.skip("qemu-system-arm is not installed")
    execute(emulated, seconds=60, folder=tmp_path)
    vectors = (tmp_path / "vectors.h").read_text()
    (tmp_path / "vectors.h").write_text(re.sub(r"(gasearch_outputs\[\d+\] = \{\n *)\S+", r"\g<1>1e9f,", vectors))
    execute(linked, seconds=60, folder=tmp_path)
    with pytest.raises(CompilerError, match="status 1"):
        execute(emulated, seconds=60, folder=tmp_path)


def test_the_page_names_the_files_and_the_sizes():
    network = random_network(random_blueprint(rng := np.random.default_rng(0), family="mlp", bits=(4,)), rng)
    header = to_c(network, random_raw(rng, network, 1))["model.h"].decode()
    assert all(f"| `{name}` |" in PAGE for name in FILES)
    assert set(re.findall(r"`(GASEARCH_\w+)`", PAGE)) <= set(re.findall(r"#define (GASEARCH_\w+) ", header))
