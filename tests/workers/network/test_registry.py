"""Names of our own, and of installed packages."""

import subprocess
import sys

import pytest
from gasearch_workers.network.registry import Registry, UnknownName


class Thing:
    def __init__(self, name):
        self.name = name


def test_an_unknown_name_is_refused_with_those_there_are():
    registry = Registry(Thing, "thing", lambda: [Thing("one"), Thing("two")])
    assert registry.get("two").name == "two"
    with pytest.raises(UnknownName, match=r"there is no thing 'three'; there are one, two$"):
        registry.get("three")


def install(folder, entry_points, **modules):
    """A package as pip leaves it: modules, and a folder that names its entry points."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    info = folder / "added-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[gasearch.families]", *lines]))


KIND = """
print("loaded")
from gasearch_workers.network.layer_kinds import LayerKind
kind = LayerKind(name="added", add=lambda builder, name, layer: None)
"""


def run(code, folder):
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.splitlines()


def test_packages_are_loaded_once_and_only_for_what_is_not_ours(tmp_path):
    install(tmp_path, {"added": "added:kind"}, added=KIND)
    code = """
from gasearch_workers.network.layer_kinds import KINDS
from gasearch_workers.network.families import FAMILIES
print(KINDS.get("linear").name, FAMILIES.get("mlp").name)
print(KINDS.get("added").name, KINDS.names()[-1], "added" in FAMILIES.names())
"""
    assert run(code, tmp_path) == ["linear mlp", "loaded", "added added False"]


def test_a_broken_package_is_named_where_its_name_is_missed(tmp_path):
    install(tmp_path, {"broken": "broken:kind"}, broken="raise RuntimeError('no such board')")
    code = """
from gasearch_workers.network.families import FAMILIES
print(FAMILIES.names()[0])
try:
    FAMILIES.get("broken")
except LookupError as error:
    print(error)
"""
    first, error = run(code, tmp_path)
    assert first == "mlp"
    assert error.endswith("recommender, bits; broken:kind can't be loaded (RuntimeError: no such board)")
