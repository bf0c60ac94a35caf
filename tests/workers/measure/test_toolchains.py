"""Which cross compiler is taken, and what it is called beside figures."""

import pytest
from gasearch_workers.measure import toolchains
from gasearch_workers.measure.toolchains import GCC, ZIG, toolchain


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Makes programs that print a version; nothing else is on PATH, and no module is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchains, "find_spec", lambda name: None)

    def make(*names, status=0):
        for name in names:
            (tmp_path / name).write_text(f"#!/bin/sh\necho 1.2.3\nexit {status}\n")
            (tmp_path / name).chmod(0o755)

    return make


def test_gcc_comes_before_zig_unless_zig_is_asked_for(tools):
    assert toolchain() is None
    tools(ZIG)
    assert toolchain().name == ZIG
    assert toolchain(GCC) is None
    tools(GCC)
    assert toolchain().name == GCC
    assert toolchain(ZIG).name == ZIG
    assert toolchain("cc") is None


def test_its_label_has_its_version_where_it_says_that(tools):
    tools(GCC)
    assert toolchain().label() == "arm-none-eabi-gcc 1.2.3"
    tools(GCC, status=1)
    assert toolchain().label() == "arm-none-eabi-gcc"


def test_flags_name_the_cpu(tools):
    tools(GCC, ZIG)
    assert "-mcpu=cortex-m0plus" in toolchain(GCC).flags("cortex-m0plus")
    assert "-mcpu=cortex_m0plus" in toolchain(ZIG).flags("cortex-m0plus")
