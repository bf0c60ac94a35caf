"""The page on the architecture names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.test_imports import ORDER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()


def test_every_path_on_the_page_is_there():
    paths = [path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", PAGE) if path != "gasearch/"]
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def named(title):
    """The packages in a table of the page, in its order."""
    rows = PAGE.partition(f"| `{title}/` | |\n")[2].partition("\n\n")[0].splitlines()
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize("title", ["gasearch", "workers/gasearch_workers"])
def test_every_package_is_on_the_page_in_its_order(title):
    order = ORDER[title.rpartition("/")[2]]
    assert named(title) == [name for name in order if name in named(title)]
    packages = {path.parent.name for path in (ROOT / title).glob("*/__init__.py")}
    assert packages <= set(named(title))


def test_every_type_on_the_page_is_there():
    source = "".join(path.read_text() for root in ("gasearch", "workers") for path in (ROOT / root).rglob("*.py"))
    types = set(re.findall(r"`([A-Z][a-z]\w+)[`.]", PAGE))
    assert len(types) > 10
    assert [name for name in sorted(types) if f"class {name}" not in source] == []
