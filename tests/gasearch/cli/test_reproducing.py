"""An evaluation that was made again, as the command line prints it."""

import csv
import io
import json

import pytest

from gasearch.deploy.reproduction import ComparedMetric, Reproduction
from gasearch.deploy.versions import OtherVersion

METRICS = (
    ComparedMetric(name="accuracy", before=0.9, now=0.875, tolerance=0.05),
    ComparedMetric(name="model_bytes", before=1234.0, now=1234.0, tolerance=None),
)


@pytest.fixture
def reproduced(gasearch, monkeypatch):
    """Runs the command with an answer that is known."""

    def run(*options, verdict="within tolerance", versions=(), notes=(), metrics=METRICS):
        found = Reproduction(key="0002", verdict=verdict, metrics=metrics, versions=versions, notes=notes)

        def reproduce(*arguments, db_url, observer):
            print("chatter")
            observer.on_notice("making the evaluation again")
            assert arguments == ("digits", "00")
            return found

        monkeypatch.setattr("gasearch.deploy.reproduction.reproduce_network", reproduce)
        return gasearch("reproduce", "digits", "00", *options)

    return run


@pytest.mark.parametrize(("verdict", "expected"), [("equal", 0), ("within tolerance", 0), ("different", 1)])
def test_the_exit_status_says_whether_it_is_different(reproduced, verdict, expected):
    status, out, err = reproduced(verdict=verdict)
    assert (status, err) == (expected, "chatter\nmaking the evaluation again\n")
    assert f"\n0002: {verdict}\nno version differs\n" in out


def test_the_table_shows_all_digits_what_differs_and_the_notes(reproduced):
    _, out, _ = reproduced(versions=(OtherVersion(name="torch", before="2.0", now="2.1"),), notes=("a mean",))
    lines = [line.split() for line in out.splitlines()]
    assert lines[:3] == [
        ["metric", "before", "now", "difference", "tolerance"],
        ["accuracy", "0.9", "0.875", "-0.025000000000000022", "0.05"],
        ["model_bytes", "1234", "1234", "0", "-"],
    ]
    assert out.endswith("0002: within tolerance\nother torch: 2.0 then, 2.1 now\nnote: a mean\n")


def test_json_has_all_of_it(reproduced):
    versions = (OtherVersion(name="torch", before="2.0", now="2.1"),)
    failed = ComparedMetric(name="auc", before=0.5, now=None, tolerance=None)
    _, out, _ = reproduced("--format", "json", versions=versions, notes=("a mean",), metrics=(failed,))
    assert json.loads(out) == {
        "key": "0002",
        "verdict": "within tolerance",
        "metrics": [
            {"name": "auc", "before": 0.5, "now": None, "tolerance": None, "difference": None, "is_equal": False}
        ],
        "versions": [{"name": "torch", "before": "2.0", "now": "2.1"}],
        "notes": ["a mean"],
    }


def test_csv_has_a_row_for_each_metric(reproduced):
    _, out, _ = reproduced("--format", "csv")
    assert [row["name"] for row in csv.DictReader(io.StringIO(out))] == ["accuracy", "model_bytes"]
