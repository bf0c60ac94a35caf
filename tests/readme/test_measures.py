"""docs/measures.md names every measure with its unit, and the relations that it states hold for a search's rows."""

import re

import pytest

import gasearch
from gasearch.objectives.metrics import METRICS
from gasearch.objectives.units import parse_quantity
from tests.readme.commands import ROOT, blocks

PAGE = "docs/measures.md"
SPEC = {
    "name": "digits",
    "space": {"family": "mlp", "layers": [0, 1], "width": [4, 8], "weight_bits": [2, 8]},
    "objectives": {"accuracy": "max", "model_bytes": "min", "latency_ms": "min"},
    "recipe": {"epochs": 1},
    "evolution": {"population": 4},
    "budget": {"evaluations": 4},
    "workers": {"count": 0},
}


def test_every_measure_stands_in_the_page():
    text = (ROOT / PAGE).read_text()
    assert [name for name in METRICS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.unit])
def test_the_units_of_a_measure_are_those_that_constraints_take(name):
    text = (ROOT / PAGE).read_text()
    in_table, in_sentence = rf"\| `{name}` \| (\w+)(?: \(([^)]+)\))? \|", rf"`{name}` \((\w+); ([^)]+)\)"
    found = re.search(in_table, text) or re.search(in_sentence, text)
    assert found is not None
    native, others = found.groups()
    assert native == METRICS[name].unit
    for unit in [native, *re.split(r", ", others or "")]:
        assert not unit or parse_quantity(f"1 {unit}", metric=name) > 0


def test_the_relations_that_it_states_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("GASEARCH_DB", f"sqlite:///{tmp_path}/measures.db")
    gasearch.run(SPEC)
    [block] = blocks("python", PAGE)
    exec(compile(block, PAGE, "exec"), {})
