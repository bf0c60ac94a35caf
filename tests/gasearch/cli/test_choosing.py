"""The commands that choose, over a real database."""

from __future__ import annotations

import csv
import json

import pytest

from tests.doubles.archived import fill_database, search_record, with_constraints

pytestmark = pytest.mark.usefixtures("stored_digits")


def test_best_answers_under_limits(gasearch):
    status, out, _ = gasearch(
        "best", "digits", "--by", "accuracy", "--where", "latency_ms <= 0.6", "--where", "model_bytes < 6 KB",
        "--format", "json",
    )  # fmt: skip
    [row] = json.loads(out)
    assert (status, row["key"], row["model_bytes"]) == (0, "00010001", 2500)
    assert row["blueprint"]["family"] == "cnn"
    assert [json.loads(gasearch("best", "digits", "--knee", "--format", "json")[1])[0]["key"]] == ["00010001"]


def test_best_answers_what_comes_nearest_to_a_target(gasearch):
    status, out, _ = gasearch("best", "digits", "--target", "accuracy=0.95,model_bytes=5KB", "--format", "json")
    assert (status, [row["key"] for row in json.loads(out)]) == (0, ["00060006"])
    status, _, err = gasearch("best", "digits", "--target", "accurcy=0.95")
    assert (status, "did you mean accuracy?" in err) == (2, True)


def test_trade_says_what_is_won_and_lost(gasearch):
    status, out, err = gasearch("trade", "digits", "--for", "accuracy=+0.02")
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()[-2:]] == [
        ["accuracy", "0.9000", "0.9300", "+0.0300", "better"],
        ["model_bytes", "2.5", "KB", "6", "KB", "+3.5", "KB", "worse"],
    ]


def test_a_trade_that_nothing_reaches_has_status_1_and_names_the_best(gasearch):
    status, out, err = gasearch("trade", "digits", "--for", "accuracy=+0.2", "--format", "json")
    assert (status, json.loads(out)["key"]) == (1, None)
    assert "not reached: no network of the front has accuracy >= 1.1000; the best is 0.9700 (00020002)" in err


def test_the_front_table_shows_what_was_asked_for_before_the_usual_costs(gasearch):
    _, out, _ = gasearch("front", "digits", "--by", "flops:min", "--where", "macs <= 6000")
    assert out.splitlines()[0].split()[:6] == ["key", "accuracy", "model_bytes", "flops", "macs", "latency_ms"]


def test_the_front_table_shows_objectives_costs_and_spread(gasearch):
    _, out, _ = gasearch("front", "digits")
    header, *rows = out.splitlines()
    assert header.split() == ["key", "accuracy", "model_bytes", "macs", "latency_ms", "latency_spread_ms"]
    assert len(rows) == 4
    assert rows[0].split()[:2] == ["00020002", "0.9700"]


@pytest.mark.parametrize("command", ["best", "front"])
def test_nothing_found_is_an_empty_answer_status_1_and_the_nearest_miss(gasearch, command):
    status, out, err = gasearch(command, "digits", "--where", "latency_ms <= 0.01", "--format", "json")
    assert (status, json.loads(out)) == (1, [])
    assert err.count("\n") == 1
    assert "latency_ms <= 0.01" in err
    assert "the nearest has latency_ms 0.1 ms + 0.01 ms of spread (00040004)" in err


def test_constraints_of_the_spec_bind_the_answer(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/bound.db"
    fill_database(url, with_constraints(search_record(), "model_bytes <= 8 KB"))
    [row] = json.loads(gasearch("best", "digits", "--where", "accuracy > 0", "--format", "json", "--db", url)[1])
    assert row["key"] == "00060006"


@pytest.mark.parametrize("options", [["-o", "front.csv"], ["-o", "table", "--format", "csv"]])
def test_a_front_is_written_into_a_file(gasearch, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    assert gasearch("front", "digits", *options) == (0, f"{options[1]}\n", "")
    with open(options[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == ["00020002", "00060006", "00010001", "00030003"]
    assert gasearch("front", "digits", "-o", "front.json")[0] == 0
    written = json.loads((tmp_path / "front.json").read_text())
    assert written == json.loads(gasearch("front", "digits", "--format", "json")[1])


def test_a_front_is_written_as_parquet(gasearch, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "front.parquet"
    assert gasearch("front", "digits", "--where", "accuracy > 0.8", "-o", str(path)) == (0, f"{path}\n", "")
    assert list(pandas.read_parquet(path)["model_bytes"]) == [9000, 6000, 2500]


@pytest.mark.parametrize("options", ["--format parquet", "-o front.xlsx", "-o front.csv --format table"])
def test_a_file_without_its_format_or_name_is_bad_input(gasearch, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    status, out, err = gasearch("front", "digits", *options.split())
    assert (status, out, list(tmp_path.iterdir())) == (2, "", [])
    assert "-o front.csv, .json or .parquet" in err


def test_a_front_of_no_network_writes_no_file(gasearch, tmp_path):
    path = tmp_path / "front.csv"
    status, out, err = gasearch("front", "digits", "--where", "accuracy > 0.99", "-o", str(path))
    assert (status, out, path.exists()) == (1, "", False)
    assert "no network of search 'digits' has accuracy > 0.99" in err


def test_a_front_with_all_columns_has_every_metric_once(gasearch):
    status, out, _ = gasearch("front", "digits", "--all")
    titles = out.splitlines()[0].split()
    metrics = {name for row in json.loads(gasearch("front", "digits", "--format", "json")[1]) for name in row}
    assert (status, set(titles)) == (0, metrics - {"blueprint"})
    assert len(titles) == len(set(titles))
