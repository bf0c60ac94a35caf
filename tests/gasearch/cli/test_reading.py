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
from tests.doubles.archived import fill_database, scripted_reader
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
    assert not {"finalized", "verified", "best final"} & lines.keys()
    plain = dict(status_lines(search_summary(scripted_reader(worker_seconds=0.0), "digits")))
    assert (plain["evaluations"], plain["stopped early"], plain["workers busy"]) == ("8 of 40", "0", "8 s in all")


def test_status_says_what_came_after_the_search():
    from gasearch.cli.reading import status_lines

    means = {"accuracy": 0.96, "accuracy_deviation": 0.01, "test_accuracy": 0.94, "model_bytes": 900.0}
    summary = replace(
        search_summary(scripted_reader(), "digits"),
        finalized=2, verified=1, best_final="3f2a", best_final_metrics=means,
    )  # fmt: skip
    lines = dict(status_lines(summary))
    assert (lines["finalized"], lines["verified"]) == ("2 networks", "1 network")
    assert lines["best final"] == "3f2a: accuracy 0.9600 ± 0.0100, test_accuracy 0.9400"


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
