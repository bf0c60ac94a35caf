"""Metrics that are named like something else: every answer gives each under its own name."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing

import pytest

import gasearch
from gasearch import cli
from gasearch.query.network import network_details
from gasearch.storage.sql import open_reader

#: Names of the fields of `show` (of its table as well), of SQL columns, of statistics, and words of Python and JSON.
NAMES = (
    "seed", "generation", "number", "curve", "output", "network", "device", "worker", "attempts", "failure", "versions",
    "parents", "operator", "is_on_front", "metrics", "traceback", "arrival", "others", "replicate", "checksum", "gain",
    "flops", "efficiency", "params", "seconds", "hypervolume", "front_size", "best_error", "evaluations", "name",
)  # fmt: skip


def named(choices, budget, report):
    x = choices["x"]
    return {"error": x + 1.0, "cost": 4.0 - x} | {name: 0.5 + number + x for number, name in enumerate(NAMES[:17])}


def others(choices, budget, report):
    whole = {"params": 7 + choices["x"]}
    rest = {name: 0.25 + number for number, name in enumerate(NAMES[17:]) if name not in whole}
    return {"error": choices["x"] + 1.0, "cost": 4.0 - choices["x"]} | rest | whole


@pytest.mark.parametrize("evaluator", [named, others])
def test_each_metric_stands_under_its_own_name_everywhere(migrated_sqlite_url, capsys, evaluator):
    spec = {
        "name": "named",
        "task": {"evaluator": f"{__name__}:{evaluator.__name__}"},
        "space": {"family": "custom", "decisions": {"x": {"choices": [0, 1, 2]}}},
        "objectives": {"error": "min", "cost": "min"},
        "budget": {"evaluations": 3},
        "workers": {"count": 0},
    }
    search = gasearch.run(spec, db=migrated_sqlite_url)
    for point in search.front():
        x = json.loads(json.dumps(point.blueprint))["choices"]["x"]
        expected = evaluator({"x": x}, None, None)
        with closing(open_reader(migrated_sqlite_url)) as reader:
            row = network_details(reader, "named", point.key).row()
        given = json.loads(printed(capsys, "show", "named", point.key, "--format", "json", db=migrated_sqlite_url))
        for found in (row, given, point.row()):
            assert {name: found[name] for name in expected} == expected
            assert found["key"] == point.key
            assert found["blueprint"] == {"choices": {"x": x}}
        assert isinstance(row["network_seed" if "seed" in expected else "seed"], int)
        table = printed(capsys, "show", "named", point.key, db=migrated_sqlite_url)
        assert set(expected) <= {line.split()[0] for line in table.splitlines() if line.strip()}
        assert f"x={x}" in table
    rows = list(
        csv.DictReader(io.StringIO(printed(capsys, "front", "named", "--format", "csv", db=migrated_sqlite_url)))
    )
    assert len(rows) == 3
    for row in rows:
        expected = evaluator(json.loads(row["blueprint"])["choices"], None, None)
        assert {name: float(row[name]) for name in expected} == expected


def printed(capsys, *arguments, db):
    assert cli.call([*arguments, "--db", db]) == 0
    return capsys.readouterr().out
