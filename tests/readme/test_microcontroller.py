"""The page on firmware: its test of a network is compiled as it stands there, and passes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.export.c99.files import FILES, to_c
from gasearch_workers.runtimes.c99 import compiler, execute

from tests.workers.integer_networks import random_blueprint, random_network, random_raw

PAGE = (Path(__file__).parents[2] / "docs/microcontroller.md").read_text()
MAIN = '#include "test.c"\nint main(void) { return test_network() ? 0 : 1; }\n'


@pytest.mark.skipif(compiler() is None, reason="no C compiler is installed")
def test_the_page_s_test_passes(tmp_path):
    rng = np.random.default_rng(0)
    network = random_network(random_blueprint(rng, family="cnn", bits=(2, 4, 8), layers=(2, 2)), rng)
    (code,) = re.findall(r"```c\n(.*?)```", PAGE, re.DOTALL)
    files = {name: content.decode() for name, content in to_c(network, random_raw(rng, network, 9)).items()}
    for name, text in {**files, "test.c": code, "main.c": MAIN}.items():
        (tmp_path / name).write_text(text)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    execute([str(compiler()), *flags, "model.c", "main.c", "-o", "test"], seconds=60, folder=tmp_path)
    execute([str(tmp_path / "test")], seconds=60)


def test_the_page_names_the_files_and_the_sizes():
    network = random_network(random_blueprint(rng := np.random.default_rng(0), family="mlp", bits=(4,)), rng)
    header = to_c(network, random_raw(rng, network, 1))["model.h"].decode()
    assert all(f"| `{name}` |" in PAGE for name in FILES)
    assert set(re.findall(r"`(GASEARCH_\w+)`", PAGE)) <= set(re.findall(r"#define (GASEARCH_\w+) ", header))
