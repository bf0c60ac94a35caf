"""The blocks of docs/targets.md are a whole example, and its table names every operator."""

import json

import pytest
from gasearch_workers.network.operators import OPERATORS

from tests.readme.commands import ROOT, Place, blocks

PAGE = "docs/targets.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("targets"))
    [program], [spec] = blocks("python", PAGE), blocks("yaml", PAGE)
    (made.folder / "bench.py").write_text(program)
    (made.folder / "device.yaml").write_text(spec)
    made.environment |= {"GASEARCH_DB": f"sqlite:///{made.folder}/device.db"}
    return made


def test_every_command_runs_in_its_order(place):
    commands = [line for block in blocks("sh", PAGE) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        place.run(command)
    rows = json.loads(place.run("gasearch front device --format json"))
    assert rows
    assert all(row["latency_ms"] > 0 and 10**6 < row["ram_bytes"] <= 10**9 for row in rows)


def test_the_table_has_every_operator():
    rows = [line.split("|")[1] for line in (ROOT / PAGE).read_text().splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in row.replace("`", "").replace(",", " ").split()} == set(OPERATORS)


def test_the_program_of_the_readme_is_that_of_the_page():
    assert blocks("python", PAGE)[0] in blocks("python")
