"""The blocks of docs/own-model.md are a whole example, and what it promises of names, sharing and failures holds."""

import json
import re

import pytest

from gasearch.spec.loader import load_spec
from gasearch.spec.yaml12 import parse_yaml
from tests.readme.commands import Place, blocks

PAGE = "docs/own-model.md"

PROBES = """
import os

LOADED = []

def evaluate(choices, budget, report):
    had = os.environ.get("LEFT")
    os.environ["LEFT"] = "here"
    LOADED.append(os.getpid())
    if choices["x"] == 3:
        raise ValueError("these choices can't work")
    x = float(choices["x"])
    return {"a": x, "b": -x, "served": len(LOADED), "leaked": float(had is not None)}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("own-model"))
    [evaluator, _, _], [spec] = blocks("python", PAGE), blocks("yaml", PAGE)
    (made.folder / "cells.py").write_text(evaluator)
    (made.folder / "cells.yaml").write_text(spec)
    (made.folder / "probes.py").write_text(PROBES)
    made.environment |= {"GASEARCH_DB": f"sqlite:///{made.folder}/cells.db", "PYTHONPATH": str(made.folder)}
    return made


def rows(place, name):
    return json.loads(place.run(f"gasearch front {name} --format json"))


def test_every_command_runs_in_its_order(place):
    commands = [line for block in blocks("sh", PAGE) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        place.run(command)
    assert all(row["table_bytes"] <= 2000 for row in rows(place, "cells"))
    assert re.search(r"\d B|KB", place.run("gasearch front cells"))
    assert "stopped" in place.run("gasearch status cells")


def test_the_block_that_finds_a_fault_runs_on_the_example():
    exec(compile("\n".join(blocks("python", PAGE)), PAGE, "exec"), {})


def test_modules_are_shared_by_the_evaluations_of_a_worker_and_the_environment_is_not(place):
    spec = {
        "name": "shared",
        "task": {"evaluator": "probes:evaluate"},
        "space": {"family": "custom", "decisions": {"x": {"choices": list(range(8))}}},
        "objectives": {"a": "min", "b": "min"},
        "evolution": {"algorithm": "random"},
        "budget": {"evaluations": 8},
        "workers": {"count": 1},
    }
    (place.folder / "shared.json").write_text(json.dumps(spec))
    place.run("gasearch run shared.json")
    found = rows(place, "shared")
    assert len(found) == 7
    assert {row["leaked"] for row in found} == {0.0}
    assert max(row["served"] for row in found) > 1
    said = place.run("gasearch failures shared --full")
    assert "user_error" in said
    assert "these choices can't work" in said


def test_what_is_off_for_a_custom_evaluator_can_be_asked_for():
    content = parse_yaml(blocks("yaml", PAGE)[0]).content
    spec = load_spec(content)
    assert (spec.replicate_share, spec.reuses_outcomes, spec.rung_steps()) == (0.0, False, (2, 4))
    asked = load_spec(content | {"evolution": {"replicates": 0.1}, "start": {"reuse": True}})
    assert (asked.replicate_share, asked.reuses_outcomes) == (0.1, True)
