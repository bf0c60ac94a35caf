"""The commands that read: list, status, history, show, plot, report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from gasearch.cli.app import Db, Form, Key, Name, app, ask, examples, option
from gasearch.cli.console import (
    Format,
    cell,
    duration,
    failures_text,
    print_pairs,
    print_rows,
    print_table,
    print_words,
    printable,
    say,
    volume_text,
)
from gasearch.cli.finalizing import main_scores, with_deviation
from gasearch.errors import BadInput, UnknownSearch
from gasearch.jobs.commands import completed
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import Row, SearchSummary, layers_text
from gasearch.query.history import falls_of, generations_of
from gasearch.query.network import network_details
from gasearch.query.queue import QueuedSearch, queued_named, queued_searches
from gasearch.query.summary import list_searches, search_summary
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.owner import describe

WATCH_EVERY_S = 2.0


@app.command("list", epilog=examples("gasearch list", "gasearch list --format json --db postgresql://host/searches"))
def list_command(db: Db = None, form: Form = Format.TABLE) -> None:
    """List all searches, newest first; a table begins with those that are queued and have not begun."""
    searches, queued = ask(db, lambda reader: (list_searches(reader), queued_searches(reader)))
    known = {search.name for search in searches}
    waiting = [one for one in queued if one.name not in known]
    if form is not Format.TABLE:
        print_rows([search.row() for search in searches], form)
    elif not searches and not waiting:
        say("no searches yet; start one with: gasearch init -o search.yaml && gasearch run search.yaml")
    else:
        columns = ("name", "state", "evaluations", "front", "hypervolume", "best")
        others = [[one.name, _queue_text(one), *["-"] * (len(columns) - 2)] for one in waiting]
        print_table(columns, [*others, *map(_list_cells, searches)])


@app.command(epilog=examples("gasearch status digits-cnn", "gasearch status digits-cnn --watch"))
def status(
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until the search ends.")] = False,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Say how far a search is, what failed and why."""
    if watch:
        if form is not Format.TABLE:
            raise BadInput(f"--watch refreshes a table: leave out --format {form}")
        _watch(name, db)
        return
    summary, queued = ask(db, lambda reader: _standing(reader, name))
    if summary is None:
        assert queued is not None
        print_rows(queued.row(), form)
    elif form is not Format.TABLE:
        print_rows(summary.row(), form)
    else:
        in_queue = [] if queued is None or queued.state == "ended" else [("queue", _queue_text(queued))]
        print_pairs([*status_lines(summary), *in_queue])


@app.command(epilog=examples("gasearch history digits-cnn", "gasearch history digits-cnn --format csv"))
def history(name: Name, db: Db = None, form: Form = Format.TABLE) -> None:
    """Print how the front grew, generation by generation.

    In steady state a generation is as many outcomes as the population has networks. A network that is trained again
    counts with the mean, which may be worse: what that took from the hypervolume is said.
    """
    generations, falls = ask(db, lambda reader: (generations_of(reader, name), falls_of(reader, name)))
    if not generations and form is Format.TABLE:
        say(f"search {name!r} has no finished generation yet; see: gasearch status {name}")
        return
    print_rows([generation.row() for generation in generations], form)
    if form is Format.TABLE:
        for fall in falls:
            lost = f"lowered the hypervolume by {fall.by:.2g}"
            say(f"evaluation {fall.arrival + 1}, a further training of {fall.key}, {lost}")


@app.command(epilog=examples("gasearch show digits-cnn 3f2a", "gasearch show digits-cnn 3f2a --format json"))
def show(name: Name, key: Key, db: Db = None, form: Form = Format.TABLE) -> None:
    """Print all that is known of one network."""
    details = ask(db, lambda reader: network_details(reader, name, key))
    if form is not Format.TABLE:
        print_rows(details.row(), form)
        return
    named = details.field_name
    row = details.row() | {named("parents"): ", ".join(map(str, details.parents))}
    known = {field: value for field, value in row.items() if value not in (None, "")}
    for field in ("blueprint", "curve", "attempts", "traceback", "output"):
        known.pop(named(field), None)
    print_rows(known | {named("network"): layers_text(details.blueprint)}, form)
    for attempt in details.attempts:
        print(f"  {printable(str(attempt))}")
        print_words(attempt.traceback, attempt.output)
    print_words(details.traceback, details.output)
    if details.curve:
        print("\ncurve:")
        print_rows([_curve_row(point) for point in details.curve], form)


@app.command(epilog=examples("gasearch plot digits-cnn -o front.html"))
def plot(
    name: Name,
    output: Annotated[Path, option("--output", "FILE.html", "One self-contained file.", "-o")],
    db: Db = None,
) -> None:
    """Draw a search into one HTML file: front, growth, operators, predictions, failures."""
    from gasearch.query.plot import plot as draw

    ask(db, lambda reader: draw(reader, name, output))
    print(output)


@app.command(epilog=examples("gasearch report digits-cnn -o digits-report"))
def report(
    name: Name,
    output: Annotated[Path, option("--output", "DIR", "The folder to write.", "-o")],
    db: Db = None,
) -> None:
    """Write a report on a search: one self-contained HTML page, and the same as Markdown.

    What was asked, the front with its spreads, how it grew, which decisions mattered, operators, failures, finalists,
    verification, provenance.
    """
    from gasearch.report.files import write_report

    print(ask(db, lambda reader: write_report(reader, name, output)))


def _curve_row(point: Row) -> Row:
    """A point of a curve, each of its other metrics in a column of its own."""
    row = {field: value for field, value in point.items() if field != "metrics" and value is not None}
    return row | {name: value for name, value in point.get("metrics", ()) if name not in row}


def status_lines(summary: SearchSummary) -> list[tuple[str, str]]:
    """A summary as labelled lines."""
    lines = [
        ("search", summary.name),
        ("state", completed(_state_text(summary))),
        ("searched by", f"{summary.algorithm}, {summary.mode}"),
        *_surrogate_lines(summary),
        ("evaluations", f"{summary.told} of {_budget_text(summary)}{_kinds_text(summary)}"),
        ("stopped early", _stopped_text(summary)),
        ("failed", failures_text(summary.failures)),
        *((f"  {kind}", cause) for kind, cause in summary.causes.items()),
        ("retried", str(summary.retries)),
        ("generation", str(max(0, summary.generation))),
        ("front", f"{summary.front_size} networks"),
        ("hypervolume", volume_text(summary.hypervolume)),
        *((f"best {metric}", cell(metric, value)) for metric, value in summary.best.items()),
        *_finals_lines(summary),
        ("ran for", duration(summary.active_seconds)),
        ("workers busy", _busy_text(summary)),
    ]
    if summary.is_active and summary.owner:
        lines.append(("controller", describe(summary.owner)))
    return lines


def _standing(reader: ArchiveReader, name: str) -> tuple[SearchSummary | None, QueuedSearch | None]:
    """Where a search stands, and its submission; one that never began has the latter alone."""
    queued = queued_named(reader, name)
    try:
        return search_summary(reader, name), queued
    except UnknownSearch:
        if queued is None:
            raise
        return None, queued


def _queue_text(one: QueuedSearch) -> str:
    """Where a submission stands, in a few words: "queued, place 3"."""
    place = f", place {one.place}" if one.place else f" by {one.controller}" if one.controller else ""
    return f"{one.state}{place}" + (f", waits for {one.waits_for}" if one.waits_for else "")


def _watch(name: str, db: str | None) -> None:
    """Print the status until no controller holds the search: in place on a terminal, else a line per change."""
    import sys

    from rich.live import Live
    from rich.text import Text

    def text_of(summary: SearchSummary) -> str:
        return "\n".join(f"{label:<16} {printable(value)}" for label, value in status_lines(summary))

    summary = ask(db, lambda reader: search_summary(reader, name))
    if not sys.stdout.isatty():
        completed = -1
        while summary.is_active:
            if summary.told != completed:
                print(_watch_line(summary), flush=True)
            completed = summary.told
            time.sleep(WATCH_EVERY_S)
            summary = ask(db, lambda reader: search_summary(reader, name))
        print_pairs(status_lines(summary))
        return
    with Live(Text(text_of(summary)), refresh_per_second=2) as live:
        while summary.is_active:
            time.sleep(WATCH_EVERY_S)
            summary = ask(db, lambda reader: search_summary(reader, name))
            live.update(Text(text_of(summary)))


def _watch_line(summary: SearchSummary) -> str:
    """One line on how far a search is: what is new since the last one, and what says something."""
    parts = [f"{printable(summary.name)}: {summary.told} of {_budget_text(summary)} evaluations"]
    parts += [f"{summary.stopped} stopped early"] if summary.stopped else []
    parts += [] if summary.hypervolume is None else [f"hypervolume {summary.hypervolume:.4f}"]
    parts += [] if summary.utilisation is None else [f"workers {summary.utilisation:.0%} busy"]
    return ", ".join(parts)


def _list_cells(search: SearchSummary) -> list[str]:
    leaders = ", ".join(f"{metric} {cell(metric, value)}" for metric, value in search.best.items())
    state = "interrupted" if search.is_abandoned else str(search.state)
    done, volume = f"{search.told}/{_budget_text(search)}", volume_text(search.hypervolume)
    return [search.name, state, done, str(search.front_size), volume, leaders or "-"]


def _kinds_text(summary: SearchSummary) -> str:
    """The evaluations besides first trainings: ", of which 3 were reused and 2 are further trainings"."""
    kinds = [f"{summary.reused} reused from earlier searches"] if summary.reused else []
    kinds += [f"{summary.replicates} further trainings"] if summary.replicates else []
    return f", of which {' and '.join(kinds)}" if kinds else ""


def _surrogate_lines(summary: SearchSummary) -> list[tuple[str, str]]:
    """The bound of the surrogate, where trainings are so short that something does."""
    if summary.surrogate_seconds is None or summary.finished_seconds is None:
        return []
    allowed, training = _seconds_text(summary.surrogate_seconds), _seconds_text(summary.finished_seconds)
    return [("surrogate", f"at most {allowed} per network, as a training takes {training}")]


def _finals_lines(summary: SearchSummary) -> list[tuple[str, str]]:
    """What came after the search, where anything did: how many networks, and the best of them."""
    counts = (("finalized", summary.finalized), ("verified", summary.verified))
    lines = [(label, f"{count} network{'s' if count > 1 else ''}") for label, count in counts if count]
    if summary.finals_fault:
        lines.append(("finalized", f"can't be read: {summary.finals_fault}"))
    if summary.best_final is not None:
        means = summary.best_final_metrics
        score = main_scores(means, summary.objectives)[:1]
        shown = [f"{name} {with_deviation(means, name)}" for one in score for name in (one, f"test_{one}")]
        lines.append(("best final", f"{summary.best_final}: {', '.join(shown)}"))
    return lines


def _stopped_text(summary: SearchSummary) -> str:
    """Trainings that were stopped early: "12, after 0.41 s on average (to the end: 1.3 s); ..."."""
    text = str(summary.stopped)
    if summary.stopped_seconds is None or summary.finished_seconds is None:
        return text
    text += f", after {_seconds_text(summary.stopped_seconds)} on average"
    text += f" (to the end: {_seconds_text(summary.finished_seconds)})"
    return text + (f"; that saved about {_seconds_text(summary.saved_seconds)}" if summary.saved_seconds else "")


def _busy_text(summary: SearchSummary) -> str:
    if summary.utilisation is None:
        return f"{duration(summary.busy_seconds)} in all"
    return f"{summary.utilisation:.0%} of {duration(summary.worker_seconds)}"


def _seconds_text(seconds: float) -> str:
    """Short times with their fraction, long ones as people say them."""
    return duration(seconds) if seconds >= 60 else format_quantity(seconds, "train_seconds")


def _budget_text(summary: SearchSummary) -> str:
    if summary.budget is not None:
        return str(summary.budget)
    return "unlimited" if summary.hours is None else f"as many as fit into {summary.hours:g} h"


def _state_text(summary: SearchSummary) -> str:
    if summary.is_abandoned:
        return f"interrupted: its controller is gone; go on with: gasearch resume {summary.name}"
    return f"{summary.state}: {summary.reason}" if summary.reason else str(summary.state)
