"""The source of an installed function."""

import json
import sys

import pytest

from gasearch.spec.evaluator_source import changed_files, evaluator_source


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder on the path, whose package `ownpack` is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "ownpack/__init__.py": "",
        "ownpack/cells.py": "from . import table\nimport helper, json\ndef evaluate(): import late_helper",
        "ownpack/table.py": "",
        "ownpack/unused.py": "",
        "helper.py": "",
        "late_helper.py": "this is no Python",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ownpack", "helper")]:
        del sys.modules[name]


def test_it_is_the_module_its_packages_and_what_it_imports_from_there(package):
    files = json.loads(evaluator_source("ownpack.cells:evaluate"))
    assert list(files) == ["helper.py", "late_helper.py", "ownpack/__init__.py", "ownpack/cells.py", "ownpack/table.py"]


def test_a_file_that_changed_came_or_went_is_named(package):
    before = evaluator_source("ownpack.cells:evaluate")
    (package / "ownpack/table.py").write_text("x = 1")
    (package / "late_helper.py").unlink()
    assert changed_files(before, evaluator_source("ownpack.cells:evaluate")) == ["late_helper.py", "ownpack/table.py"]
    assert changed_files(before, before) == changed_files("", before) == []


@pytest.mark.parametrize("function", ["no_such_module:f", "math:sqrt", "sys:exit"])
def test_where_there_is_no_source_to_see_there_is_none(function):
    assert evaluator_source(function) == ""
