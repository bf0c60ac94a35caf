"""The commands that read, over a real database."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from dataclasses import replace

import pytest
from gasearch_workers.messages import CurvePoint

from gasearch import run
from gasearch.objectives.fitness import FrontChange
from gasearch.query.summary import search_summary
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.archived import fill_database, scripted_reader, search_record, with_constraints
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.records import candidate, key_of, measured, new_search

pytestmark = pytest.mark.usefixtures("stored_digits")
READING = ["list", "status digits", "best digits", "front digits", "history digits", "show digits 0001"]
READING += ["why digits 0001", "best digits --target accuracy=0.9", "trade digits --for accuracy=+0.02"]


@pytest.mark.parametrize("command", READING)
def test_with_json_or_csv_stdout_holds_nothing_else(gasearch, command):
    status, out, err = gasearch(*command.split(), "--format", "json")
    assert (status, err) == (0, "")
    content = json.loads(out)
    status, out, err = gasearch(*command.split(), "--format", "csv")
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == (len(content) if isinstance(content, list) else 1)


@pytest.mark.parametrize("command", READING)
def test_every_reading_command_prints_a_table(gasearch, command):
    status, out, err = gasearch(*command.split())
    assert (status, err) == (0, "")
    assert "0.9700" in out or "00010001" in out


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


def test_status_says_how_busy_the_workers_were_and_what_was_stopped_reused_and_trained_again(gasearch):
    from gasearch.cli.reading import status_lines

    reader = scripted_reader(worker_seconds=16.0)
    summary = replace(
        search_summary(reader, "digits"),
        algorithm="nsga2", mode="steady-state", stopped=4, stopped_seconds=0.5, finished_seconds=2.0,
        saved_seconds=90.0, reused=3, replicates=2,
    )  # fmt: skip
    lines = dict(status_lines(summary))
    assert lines["searched by"] == "nsga2, steady-state"
    assert lines["evaluations"] == "8 of 40, of which 3 reused from earlier searches and 2 further trainings"
    assert lines["stopped early"] == "4, after 0.5 s on average (to the end: 2 s); that saved about 1 min 30 s"
    assert lines["workers busy"] == "50% of 16 s"
    plain = dict(status_lines(search_summary(scripted_reader(worker_seconds=0.0), "digits")))
    assert (plain["evaluations"], plain["stopped early"], plain["workers busy"]) == ("8 of 40", "0", "8 s in all")


def test_watch_ends_with_the_search(gasearch, monkeypatch, tmp_path):
    from gasearch.cli import reading

    url = f"sqlite:///{tmp_path}/running.db"
    fill_database(url, state=SearchStatus.RUNNING)
    naps = []

    def end_meanwhile(seconds):
        naps.append(seconds)
        from gasearch.storage.sql import open_archive

        archive = open_archive(url, notice=lambda message: None)
        from gasearch.storage.records import Lease

        archive.release(
            Lease(search_id=1, owner="host/4711", epoch=1), state=SearchStatus.FINISHED, reason="budget spent"
        )
        archive.close()

    monkeypatch.setattr(reading.time, "sleep", end_meanwhile)
    status, out, _ = gasearch("status", "digits", "--watch", "--db", url)
    assert (status, len(naps)) == (0, 1)
    assert out.startswith("digits: 8 of 40 evaluations, hypervolume 0.6250\n")
    assert "finished: budget spent" in out


def test_plot_writes_the_file_and_prints_its_name(gasearch, tmp_path):
    path = tmp_path / "front.html"
    assert gasearch("plot", "digits", "-o", str(path)) == (0, f"{path}\n", "")
    assert "Pareto front of digits" in path.read_text(encoding="utf-8")


def test_report_writes_its_files_and_prints_the_page(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    spec = CUSTOM_SPEC | {"budget": {"evaluations": 6}}
    run(spec, db=url)
    page = tmp_path / "report" / "report.html"
    assert gasearch("report", "small", "-o", str(page.parent), "--db", url) == (0, f"{page}\n", "")
    assert "What was asked" in page.read_text(encoding="utf-8")


def test_an_empty_database_says_how_to_begin(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    gasearch("db", "upgrade", "--db", url)
    assert gasearch("list", "--format", "json", "--db", url) == (0, "[]\n", "")
    status, out, err = gasearch("list", "--db", url)
    assert (status, out) == (0, "")
    assert "gasearch init" in err


def test_constraints_of_the_spec_bind_the_answer(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/bound.db"
    fill_database(url, with_constraints(search_record(), "model_bytes <= 8 KB"))
    [row] = json.loads(gasearch("best", "digits", "--where", "accuracy > 0", "--format", "json", "--db", url)[1])
    assert row["key"] == "00060006"


def test_a_curve_is_shown_as_a_table(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    curve = tuple(
        CurvePoint(epoch=epoch, train_loss=1 / epoch, accuracy=epoch / 4, metrics=(("f1", epoch / 8),))
        for epoch in (1, 2)
    )
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=60)
        archive.add_candidates(lease, [candidate(0)])
        archive.add_evaluations(lease, [(measured(0, accuracy=0.5, curve=curve), FrontChange(entered=(0,)))])
    status, out, _ = gasearch("show", "digits", key_of(0), "--db", url)
    table = [line.split() for line in out.partition("curve:\n")[2].splitlines()]
    assert (status, table) == (
        0, [["epoch", "train_loss", "accuracy", "f1"], ["1", "1", "0.2500", "0.125"], ["2", "0.5", "0.5000", "0.25"]]
    )  # fmt: skip
