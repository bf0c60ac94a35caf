"""The output that a person sees: tables, machine-readable rows, and the progress of a running search.

Answers go to stdout, all else to stderr, so that `--format json` can be piped while notices appear.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gasearch.jobs import logs
from gasearch.jobs.commands import completed
from gasearch.objectives.metrics import METRICS
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import Row
from gasearch.search.progress import Observer, Progress, Silent

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  #: The terminal's code of a colour or a weight.
_BESIDE = re.compile(r"^(best|test|searched)_|_(deviation|drop)$")  #: What stands in a field's name beside its metric.
LINE_EVERY_S = 5.0  #: So often does a search without a terminal print a line of progress,
GENERATION_EVERY_S = 1.0  #: and at most so often for a new generation.


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


# --- answers ----------------------------------------------------------------------------------------------------


def print_rows(rows: Sequence[Row] | Row, form: Format, columns: Sequence[str] | None = None) -> None:
    """Print rows to stdout: JSON and CSV with every field, a table with the given columns that any row has.

    Args:
        rows: Flat objects; or a single one, whose table has a field a line.
        form: How they are printed.
        columns: Those of a table; None: all.
    """
    listed = [rows] if isinstance(rows, dict) else list(rows)
    if form is Format.JSON:
        print(_json_text(rows))
    elif form is Format.CSV:
        write_csv(listed, sys.stdout)
    elif isinstance(rows, dict):
        print_pairs((name, cell(name, value)) for name, value in rows.items())
    else:
        shown = [name for name in (columns or _all_columns(listed)) if any(name in row for row in listed)]
        print_table(shown, [[cell(name, row.get(name)) for name in shown] for row in listed])


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and what they are, a line each."""
    print_table(("", ""), list(pairs))


def write_csv(rows: Sequence[Row], stream: TextIO) -> None:
    """CSV (RFC 4180) with a header; nested values as JSON, and no cell that a spreadsheet takes for a formula."""
    columns = _all_columns(rows)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in columns])


def print_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print texts row by row below the columns' titles, if any; nothing is cut off where stdout is no terminal."""
    table = Table(show_header=any(columns), box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        looks_numeric = number > 0 and all(row[number][:1] in "-0123456789" for row in cells)
        table.add_column(column, justify="right" if looks_numeric else "left", overflow="fold", no_wrap=number == 0)
    for row in cells:
        table.add_row(*(Text(printable(text)) for text in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    if console.is_terminal:
        console.print(table)
    else:
        with console.capture() as captured:
            console.print(table)
        print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_words(traceback: str, output: str) -> None:
    """Print where an evaluation failed, and the end of what it printed, as far as they are known."""
    for title, text in (("where it was", traceback), ("the last that it printed", output)):
        if text.strip():
            print(f"  {title}:\n{quoted(text.rstrip())}")


def cell(name: str, value: Any) -> str:
    """One value as a table shows it: quantities with their unit, "-" for what there is not."""
    metric = _BESIDE.sub("", name)
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if metric not in METRICS:
            return str(value)
        case int() | float():
            return format_quantity(value, metric)
        case dict() | list():
            return _nested(value)
        case _:
            return str(value)


def volume_text(hypervolume: float | None) -> str:
    """A hypervolume as tables show it."""
    return "-" if hypervolume is None else f"{hypervolume:.4f}"


def printable(text: str) -> str:
    """The text with every control character but the line break spelled out: no escape code reaches the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)


def quoted(text: str) -> str:
    """Output of another program, indented: of a line that it wrote over again the last state, and no colours."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in _COLOUR.sub("", text).split("\n")]
    return "\n".join(f"    {printable(line.expandtabs())}".rstrip() for line in lines)


def _json_text(content: Any) -> str:
    """JSON as stdout can hold it; the escapes that a narrow encoding needs are JSON's own."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").replace("_", "")
    return json.dumps(content, indent=2, ensure_ascii=not encoding.startswith("utf"), allow_nan=False)


def _nested(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _csv_cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return _nested(value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _all_columns(rows: Sequence[Row]) -> list[str]:
    """Every field that any row has, in the order of first sight, `blueprint` last."""
    names = dict.fromkeys(name for row in rows for name in row)
    return sorted(names, key="blueprint".__eq__)


# --- notices ----------------------------------------------------------------------------------------------------


def say(message: str) -> None:
    """Print a notice to stderr, if that can be written: nothing ends because nobody reads a notice."""
    if logs.said_as_json(completed(message)):
        return
    with contextlib.suppress(OSError):
        print(printable(completed(message)), file=sys.stderr, flush=True)


@contextlib.contextmanager
def clean_stdout() -> Iterator[None]:
    """Send to stderr what prints inside, a library for instance."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


# --- progress ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def watching() -> Iterator[Observer]:
    """An observer for stderr: a live panel on a terminal, plain lines elsewhere, none beside a log that stands in."""
    console = Console(stderr=True, highlight=False)
    if logs.stands_in() and not console.is_terminal:
        yield Silent()
        return
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield PanelObserver(live)
        return
    observer = PlainObserver(sys.stderr)
    try:
        yield observer
    finally:
        observer.finish()


@contextlib.contextmanager
def _never_raising() -> Iterator[None]:
    """A terminal that went away, or a notice from a signal handler amid another write, must not end a search."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        yield


class PlainObserver(Silent):
    """A line every `LINE_EVERY_S`, sooner for a new generation, and the last word; every notice at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: Progress | None = None
        self._is_shown = True
        self._line = ""  #: The one printed last.
        self._generation = -1
        self._shown_at = -math.inf

    def on_progress(self, progress: Progress) -> None:
        """Print a line if one is due."""
        self._last, self._is_shown = progress, False
        wait = GENERATION_EVERY_S if progress.generation > self._generation else LINE_EVERY_S
        if time.monotonic() >= self._shown_at + wait:
            self._print(progress)

    def finish(self) -> None:
        """Print the newest progress if its line isn't the one printed last."""
        if self._last is not None and not self._is_shown and progress_line(self._last) != self._line:
            self._print(self._last)

    def on_notice(self, message: str) -> None:
        """Print it."""
        with _never_raising():
            print(printable(completed(message)), file=self._stream, flush=True)

    def _print(self, progress: Progress) -> None:
        self._is_shown, self._generation, self._shown_at = True, progress.generation, time.monotonic()
        self._line = progress_line(progress)
        with _never_raising():
            print(self._line, file=self._stream, flush=True)


class PanelObserver(Silent):
    """A live panel: bar, rate, failures, stopped trainings, hypervolume, the best so far, and the time left."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def on_progress(self, progress: Progress) -> None:
        """Redraw; Rich limits how often that reaches the terminal."""
        with _never_raising():
            self._live.update(progress_panel(progress))

    def on_notice(self, message: str) -> None:
        """Print it above the panel."""
        with _never_raising():
            self._live.console.print(Text(printable(completed(message))))


def progress_line(progress: Progress) -> str:
    """A snapshot in one line."""
    parts = [
        f"{printable(progress.name)}: {progress.completed}/{progress.budget} evaluations",
        f"generation {progress.generation}",
        f"{progress.rate_per_minute:.0f}/min",
        f"{progress.failures} failed",
        *([f"{progress.stopped} stopped"] if progress.stopped else []),
        f"front {progress.front_size}",
    ]
    if progress.hypervolume is not None:
        parts.append(f"hypervolume {progress.hypervolume:.4f}")
    parts += [f"best {metric} {format_quantity(value, metric)}" for metric, value in progress.best]
    if progress.busy:
        parts.append(f"{progress.busy:.0%} busy")
    if progress.remaining_s is not None:
        parts.append(f"{duration(progress.remaining_s)} left")
    return ", ".join(parts)


def progress_panel(progress: Progress) -> RenderableType:
    """A snapshot as a panel of a few lines."""
    head, body, row = (Table.grid(padding=(0, 2)) for _ in range(3))
    head.add_row(
        Text(printable(progress.name), style="bold"),
        ProgressBar(total=max(1, progress.budget), completed=progress.completed, width=40),
        Text(f"{progress.completed}/{progress.budget}"),
        Text("" if progress.remaining_s is None else f"about {duration(progress.remaining_s)} left"),
    )
    facts = {
        "generation": str(progress.generation),
        "front": str(progress.front_size),
        "rate": f"{progress.rate_per_minute:.0f}/min",
        "hypervolume": volume_text(progress.hypervolume),
        "failed": str(progress.failures),
        "retried": str(progress.retries),
        "stopped early": str(progress.stopped),
        "workers busy": "-" if progress.busy is None else f"{progress.busy:.0%}",
        "in flight": str(progress.in_flight),
        "running for": duration(progress.elapsed_s),
    }
    labelled = [(Text(label, style="dim"), Text(value)) for label, value in facts.items()]
    for left, right in zip(labelled[::2], labelled[1::2], strict=True):
        body.add_row(*left, *right)
    leaders = [
        (Text(f"best {metric}", style="dim"), Text(format_quantity(value, metric))) for metric, value in progress.best
    ]
    if leaders:
        row.add_row(*chain.from_iterable(leaders))
    return Group(head, body, row)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "42 s", "3 min 05 s", "2 h 07 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def failures_text(failures: Mapping[str, int]) -> str:
    """Counts per kind: "3 (2 timed_out, 1 diverged)"; trainings that were stopped early are none of them."""
    total = sum(failures.values())
    if not total:
        return "0"
    kinds = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    return f"{total} ({', '.join(f'{count} {kind}' for kind, count in kinds if count)})"
