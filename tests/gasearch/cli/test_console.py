"""Tables, machine-readable rows and progress."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from rich.live import Live

from gasearch.cli import console
from gasearch.cli.console import Format, PanelObserver, PlainObserver
from gasearch.search.progress import Progress

PROGRESS = Progress(
    name="digits",
    completed=30,
    budget=120,
    in_flight=2,
    failures=1,
    stopped=0,
    retries=0,
    generation=1,
    front_size=7,
    hypervolume=0.51237,
    best=(("accuracy", 0.9712), ("model_bytes", 1840.0)),
    elapsed_s=12.0,
    rate_per_minute=150.0,
    remaining_s=36.0,
    busy=None,
)
ROWS = [
    {"key": "00ab", "accuracy": 0.97, "model_bytes": 12345, "blueprint": {"family": "cnn"}},
    {"key": "00cd", "accuracy": 0.9, "model_bytes": 800, "latency_ms": 0.25, "blueprint": {"family": "cnn"}},
]


def test_json_rows_keep_every_field_and_native_units(capsys):
    console.print_rows(ROWS, Format.JSON, columns=["key"])
    assert json.loads(capsys.readouterr().out) == ROWS


def test_csv_has_every_field_of_any_row_with_the_blueprint_last_as_json(capsys):
    console.print_rows(ROWS, Format.CSV)
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(first) == ["key", "accuracy", "model_bytes", "latency_ms", "blueprint"]
    assert (first["latency_ms"], second["latency_ms"]) == ("", "0.25")
    assert json.loads(first["blueprint"]) == {"family": "cnn"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_csv_cell_of_text_begins_like_a_formula_but_numbers_stay_numbers(text):
    stream = io.StringIO()
    console.write_csv([{"key": text, "gap": -0.25}], stream)
    [row] = csv.DictReader(io.StringIO(stream.getvalue()))
    assert row == {"key": f"'{text}", "gap": "-0.25"}


def test_a_table_shows_the_columns_that_exist_with_units(capsys):
    console.print_rows(ROWS, Format.TABLE, columns=["key", "accuracy", "model_bytes", "macs"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["key", "accuracy", "model_bytes"]
    assert lines[1].split() == ["00ab", "0.9700", "12.3", "KB"]


def test_a_table_that_goes_to_no_terminal_is_never_cut_off(capsys):
    console.print_table(["a", "b"], [["x" * 300, "y" * 300]])
    assert f"{'x' * 300}  {'y' * 300}" in capsys.readouterr().out


def test_counts_that_are_no_metric_are_printed_in_full():
    assert console.cell("seed", 123456789) == "123456789"
    assert console.cell("macs", 123456789) == "123 M"
    assert console.cell("best_latency_ms", 0.25) == "0.25 ms"
    assert console.cell("best_model_bytes", 84800) == "84.8 KB"
    assert console.cell("owner", None) == "-"


def test_control_characters_never_reach_the_terminal(capsys):
    console.say("evil \x1b[2Jname\x07")
    console.print_table(["name"], [["\x1b]0;title\x07"]])
    captured = capsys.readouterr()
    assert captured.err == "evil \\x1b[2Jname\\x07\n"
    assert "\x1b" not in captured.out
    assert "\\x1b]0;title" in captured.out


def test_what_a_library_prints_goes_to_stderr(capsys):
    with console.clean_stdout():
        print("chatter")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "chatter\n")


def test_a_line_of_progress_tells_all_that_matters():
    line = console.progress_line(PROGRESS)
    assert line == (
        "digits: 30/120 evaluations, generation 1, 150/min, 1 failed, front 7, hypervolume 0.5124, "
        "best accuracy 0.9712, best model_bytes 1.84 KB, 36 s left"
    )
    early = replace(PROGRESS, hypervolume=None, remaining_s=None, best=())
    assert console.progress_line(early).endswith("front 7")


@pytest.fixture
def clock(monkeypatch):
    """Sets the time that the observers read."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def test_stopped_trainings_and_busy_workers_stand_in_the_line_where_they_say_something():
    assert "stopped" not in console.progress_line(PROGRESS)
    assert "busy" not in console.progress_line(replace(PROGRESS, busy=0.0))
    line = console.progress_line(replace(PROGRESS, stopped=4, busy=0.934))
    assert "1 failed, 4 stopped, front 7" in line
    assert ", 93% busy, 36 s left" in line


def test_without_a_terminal_a_line_comes_per_generation_and_at_the_end_not_per_outcome(clock):
    stream = io.StringIO()
    observer = PlainObserver(stream)
    for completed in range(1, 118):
        clock(completed / 20)  # under 6 s in all, 2 s per generation
        observer.on_progress(replace(PROGRESS, completed=completed, generation=completed // 40))
    observer.finish()
    observer.finish()
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/120", "40/120", "80/120", "117/120"]


def test_without_a_terminal_a_line_comes_when_time_has_passed(clock):
    stream = io.StringIO()
    observer = PlainObserver(stream)
    for seconds in (1.0, 3.0, 5.9, 6.0, 10.9):
        clock(seconds)
        observer.on_progress(PROGRESS)
    assert len(stream.getvalue().splitlines()) == 2


def test_the_last_line_is_not_printed_twice(clock):
    stream = io.StringIO()
    observer = PlainObserver(stream)
    for seconds in (1.0, 1.5):
        clock(seconds)
        observer.on_progress(PROGRESS)
    observer.finish()
    assert len(stream.getvalue().splitlines()) == 1


def test_short_generations_do_not_flood_the_log(clock):
    stream = io.StringIO()
    observer = PlainObserver(stream)
    for generation in range(1000):
        clock(generation / 500)
        observer.on_progress(replace(PROGRESS, generation=generation))
    assert len(stream.getvalue().splitlines()) == 2


def test_a_stream_that_went_away_does_not_end_the_search():
    stream = io.StringIO()
    stream.close()
    observer = PlainObserver(stream)
    observer.on_progress(PROGRESS)
    observer.on_notice("a worker was lost")
    observer.finish()


def test_a_notice_is_printed_at_once():
    stream = io.StringIO()
    PlainObserver(stream).on_notice("a worker was lost")
    assert stream.getvalue() == "a worker was lost\n"


def test_without_a_terminal_progress_goes_to_stderr_in_plain_lines(capsys):
    with console.watching() as observer:
        observer.on_progress(PROGRESS)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("digits: 30/120")


def test_the_panel_shows_the_figures_and_notices_stand_above_it():
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=100, highlight=False)
    with Live(console=terminal, auto_refresh=False) as live:
        observer = PanelObserver(live)
        observer.on_progress(replace(PROGRESS, stopped=17, busy=0.875))
        observer.on_notice("retrying [bold]00ab[/bold]")
        live.refresh()
    text = stream.getvalue()
    for part in (
        "17",
        "88%",
        "30/120",
        "about 36 s left",
        "150/min",
        "0.5124",
        "0.9712",
        "1.84 KB",
        "[bold]00ab[/bold]",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7620, "2 h 07 min"), (-1, "0 s")]
)
def test_durations_read_as_people_say_them(seconds, text):
    assert console.duration(seconds) == text


def test_failures_are_counted_per_kind():
    assert console.failures_text({"timed_out": 1, "diverged": 2}) == "3 (2 diverged, 1 timed_out)"
    assert console.failures_text({}) == "0"


def test_stdout_is_looked_up_when_printing_so_that_redirection_works(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    console.print_rows({"a": 1}, Format.JSON)
    assert json.loads(stream.getvalue()) == {"a": 1}
