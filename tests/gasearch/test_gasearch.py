"""The names of the package, which load when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gasearch
from gasearch.errors import StoreError


def test_help_and_dir_tell_of_all_that_there_is():
    code = "import gasearch; print(*dir(gasearch)); help(gasearch)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, _, text = done.stdout.partition("\n")
    assert {
        "Search",
        "SearchSpec",
        "compare",
        "list",
        "load",
        "measure_latency",
        "open",
        "pack",
        "queue",
        "run",
        "sensitivity",
        "submit",
        "unpack",
        "verify",
    } == {name for name in names.split() if not name.startswith("_")}
    for line in ("class Search(", "Run a new search to its end.", "compare(*names: ", "The stored search of that name"):
        assert line in text


def test_the_package_alone_loads_nothing_heavy():
    code = "import gasearch, sys; print([n for n in ('numpy', 'torch', 'ray', 'sqlalchemy') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_name_that_there_is_not_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="module 'gasearch' has no attribute 'launch'"):
        _ = gasearch.launch


def test_to_open_a_search_of_no_database_creates_none(tmp_path):
    with pytest.raises(StoreError):
        gasearch.open("small", db=tmp_path / "typo.db")
    assert list(tmp_path.iterdir()) == []
