"""The commands that read: list, status, best, front, history, show, plot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gasearch.cli.app import By, Db, Form, Key, Name, NothingFound, Where, app, ask, examples, option
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
from gasearch.errors import BadInput
from gasearch.jobs.commands import completed
from gasearch.objectives.constraints import Limit
from gasearch.objectives.metrics import spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import FrontPoint, Row, SearchSummary, layers_text
from gasearch.query.asked import parse_limits
from gasearch.query.front import best_points, front_points
from gasearch.query.history import falls_of, generations_of
from gasearch.query.network import network_details
from gasearch.query.summary import list_searches, search_summary
from gasearch.query.target import parse_target
from gasearch.query.trade import Change
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.owner import describe

WATCH_EVERY_S = 2.0
#: What a row of networks shows beside the objectives, where it was measured.
SHOWN_METRICS = ("params", "macs", "bops", "model_bytes", "latency_ms", "latency_spread_ms", "trainings")


@app.command("list", epilog=examples("gasearch list", "gasearch list --format json --db postgresql://host/searches"))
def list_command(db: Db = None, form: Form = Format.TABLE) -> None:
    """List all searches, newest first."""
    searches = ask(db, list_searches)
    if form is not Format.TABLE:
        print_rows([search.row() for search in searches], form)
    elif not searches:
        say("no searches yet; start one with: gasearch init -o search.yaml && gasearch run search.yaml")
    else:
        columns = ("name", "state", "evaluations", "front", "hypervolume", "best")
        print_table(columns, [_list_cells(search) for search in searches])


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
    summary = ask(db, lambda reader: search_summary(reader, name))
    if form is Format.TABLE:
        print_pairs(status_lines(summary))
    else:
        print_rows(summary.row(), form)


@app.command(
    epilog=examples(
        'gasearch best digits-cnn --by accuracy --where "latency_ms <= 2" --where "model_bytes <= 64 KB"',
        "gasearch best digits-cnn --knee",
        "gasearch best digits-cnn --target accuracy=0.98,model_bytes=4KB",
        "gasearch best digits-cnn --format json",
    )
)
def best(
    name: Name,
    by: By = None,
    where: Where = None,
    knee: Annotated[
        bool, typer.Option("--knee", help="The front's best bargain over all objectives, instead of one metric.")
    ] = False,
    target: Annotated[
        str | None,
        option("--target", "METRIC=VALUE,...", "What comes nearest to these values: accuracy=0.98,model_bytes=4KB."),
    ] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=100_000, help="How many, best first.")] = 1,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Name the best network of the front; with limits, of the front of all networks within them."""
    limits, wishes = parse_limits(where or ()), parse_target(target) if target is not None else []

    def question(reader: ArchiveReader) -> Found:
        points = best_points(reader, name, by=by, limits=limits, knee=knee, target=wishes, count=count)
        return Found.of(reader, name, points, limits)

    found = ask(db, question)
    if form is Format.TABLE and len(found.points) == 1:
        [point] = found.points
        row = point.row() | {"network": layers_text(point.blueprint)}
        print_rows({field: value for field, value in row.items() if field != "blueprint"}, form)
        return
    print_found(found, form, asked=[by, *(limit.metric for limit in limits), *(wish.metric for wish in wishes)])


@app.command(
    epilog=examples(
        "gasearch trade digits-cnn --for accuracy=+0.01",
        "gasearch trade digits-cnn --for model_bytes=-2KB --from 3f2a",
    )
)
def trade(
    name: Name,
    gain: Annotated[str, option("--for", "METRIC=AMOUNT", "What is to become better, with the sign.")],
    key: Annotated[str | None, option("--from", "KEY", "The network to start from; default: the knee.")] = None,
    where: Where = None,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Say what it costs to be better by so much: the network of the front that loses least elsewhere."""
    from gasearch.query.trade import not_reached
    from gasearch.query.trade import trade as price_of

    limits = parse_limits(where or ())
    found = ask(db, lambda reader: price_of(reader, name, gain, key=key, limits=limits))
    if form is not Format.TABLE:
        print_rows(found.row(), form)
    if found.key is None:
        raise NothingFound(not_reached(found))
    if form is Format.TABLE:
        print_pairs([("from", found.from_key), ("to", found.key), ("network", layers_text(found.blueprint))])
        print()
        print_table(("metric", "before", "after", "change", ""), [_change_cells(one) for one in found.changes])


@app.command(
    epilog=examples("gasearch front digits-cnn", 'gasearch front digits-cnn --where "macs <= 1M" --format csv')
)
def front(name: Name, where: Where = None, by: By = None, db: Db = None, form: Form = Format.TABLE) -> None:
    """Print the Pareto front, all of it or under limits."""
    limits = parse_limits(where or ())
    found = ask(db, lambda reader: Found.of(reader, name, front_points(reader, name, limits, by), limits))
    print_found(found, form, asked=[by, *(limit.metric for limit in limits)])


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


def _change_cells(change: Change) -> list[str]:
    """One metric of a trade: its values and by how much they differ."""
    before, after, by = (
        format_quantity(value, change.metric) for value in (change.before, change.after, abs(change.change))
    )
    said = "better" if change.is_better else "worse" if change.change else "equal"
    said += ", within the spread" if change.is_tied and change.change else ""
    return [change.metric, before, after, f"{'-' if change.change < 0 else '+'}{by}", said]


def _curve_row(point: Row) -> Row:
    """A point of a curve, each of its other metrics in a column of its own."""
    row = {field: value for field, value in point.items() if field != "metrics" and value is not None}
    return row | {name: value for name, value in point.get("metrics", ()) if name not in row}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The networks that answer a question, and what it takes to print them."""

    points: Sequence[FrontPoint]
    objectives: Sequence[str]
    nearest_miss: str  #: Why there are none; "" where there are.

    @classmethod
    def of(cls, reader: ArchiveReader, name: str, points: Sequence[FrontPoint], limits: Sequence[Limit] = ()) -> Found:
        """The answer with what is printed beside it.

        Args:
            reader: Where the search is stored.
            name: Of the search.
            points: The networks.
            limits: That the question sets.
        """
        miss = ""
        if not points:
            from gasearch.query.near_misses import nearest_miss  # NumPy takes longer to load than all the rest

            miss = nearest_miss(reader, name, limits)
        return cls(points=points, objectives=[one for one, _ in reader.search(name).objectives], nearest_miss=miss)


def print_found(found: Found, form: Format, asked: Sequence[str | None] = ()) -> None:
    """Print rows of networks; a table shows what the search and the question are about.

    Args:
        found: The networks.
        form: How they are printed.
        asked: Metrics that the question names.

    Raises:
        NothingFound: where there is none, after printing the empty answer.
    """
    own = [metric for one in found.objectives for metric in (one, spread_of(one))]
    named = [one.partition(":")[0] for one in asked if one]
    if found.points or form is not Format.TABLE:
        columns = dict.fromkeys(["key", *own, *named, *SHOWN_METRICS])
        print_rows([point.row() for point in found.points], form, columns=list(columns))
    if not found.points:
        raise NothingFound(found.nearest_miss)


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
        ("ran for", duration(summary.active_seconds)),
        ("workers busy", _busy_text(summary)),
    ]
    if summary.is_active and summary.owner:
        lines.append(("controller", describe(summary.owner)))
    return lines


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
