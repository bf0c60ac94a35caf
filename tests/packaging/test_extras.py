"""What is optional: extras that texts name are there, and constraints.txt pins what they ask for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
NAMED = re.compile(r"(?:gasearch|'\.)\[([a-z,]+)\]")  #: As in pip install 'gasearch[mlflow]' and '.[serve,data]'.


def texts():
    """Everything that says how to install something."""
    for folder, pattern in (("gasearch", "*.py"), ("workers/gasearch_workers", "*.py"), ("docs", "*.md")):
        yield from (ROOT / folder).rglob(pattern)
    yield ROOT / "README.md"


def test_every_extra_that_a_text_names_is_one():
    named = {extra for path in texts() for found in NAMED.findall(path.read_text()) for extra in found.split(",")}
    assert {"postgres", "mlflow", "pandas", "firmware", "openvino"} <= named
    assert named <= EXTRAS.keys()


def test_the_readme_names_every_extra():
    table = (ROOT / "README.md").read_text().partition("| extra | for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)`", table)) == EXTRAS.keys() - {"dev"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_constraints_pin_what_an_extra_asks_for_within_its_bounds(extra):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    for text in EXTRAS[extra]:
        asked = Requirement(text)
        if asked.name == "gasearch":
            assert asked.extras <= EXTRAS.keys()
        else:
            assert asked.specifier.contains(pinned[canonicalize_name(asked.name)], prereleases=True), text
