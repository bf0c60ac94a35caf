"""The commands of docs/bits.md run in their order, on a short search."""

import json

import pytest

from gasearch.spec.yaml12 import parse_yaml
from tests.readme.commands import ROOT, Place, blocks

PAGE = "docs/bits.md"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_command_runs_in_its_order(tmp_path):
    place = Place(tmp_path)
    spec = place.folder / "examples/bits.yaml"
    text = spec.read_text().replace("budget: {evaluations: 80}", "budget: {evaluations: 8}\nworkers: {count: 0}")
    spec.write_text(text.replace("epochs: 2", "epochs: 0"))
    place.environment["GASEARCH_DB"] = f"sqlite:///{tmp_path}/bits.db"
    [commands] = blocks("sh", PAGE)
    printed = [place.run(command) for command in commands.splitlines()]
    assert "wrote " in printed[0]
    assert "classification of digits by bits" in printed[1]
    assert "head.weight_bits" in printed[2]
    assert len(json.loads(place.run("gasearch front bits --format json"))) > 0


def test_the_section_of_the_page_is_that_of_the_example():
    [block] = blocks("yaml", PAGE)
    example = parse_yaml((ROOT / "examples/bits.yaml").read_text()).content
    assert parse_yaml(block).content["space"] == example["space"]
