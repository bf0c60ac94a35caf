"""The commands that choose: best, trade, front."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gasearch.cli.app import By, Db, Form, Name, NothingFound, Where, app, ask, examples, option
from gasearch.cli.console import Format, clean_stdout, print_pairs, print_rows, print_table
from gasearch.cli.finalizing import All, AskedFinalists, print_best_finalists, print_front_after
from gasearch.errors import BadInput
from gasearch.objectives.constraints import Limit
from gasearch.objectives.metrics import spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import FrontPoint, layers_text
from gasearch.query.asked import parse_limits
from gasearch.query.front import best_points, front_points
from gasearch.query.target import parse_target
from gasearch.query.trade import Change
from gasearch.query.whole_file import write_whole
from gasearch.storage.archive import ArchiveReader

#: What a row of networks shows beside the objectives, where it was measured.
SHOWN_METRICS = ("params", "macs", "bops", "model_bytes", "latency_ms", "latency_spread_ms", "trainings", "verified")


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


def print_found(found: Found, form: Format, asked: Sequence[str | None] = (), *, is_all: bool = False) -> None:
    """Print rows of networks; a table shows what the search and the question are about.

    Args:
        found: The networks.
        form: How they are printed.
        asked: Metrics that the question names.
        is_all: Whether a table has all metrics.

    Raises:
        NothingFound: where there is none, after printing the empty answer.
    """
    own = [metric for one in found.objectives for metric in (one, spread_of(one))]
    named = [one.partition(":")[0] for one in asked if one]
    if found.points or form is not Format.TABLE:
        rest = [metric for point in found.points for metric in point.metrics] if is_all else []
        columns = dict.fromkeys(["key", *own, *named, *SHOWN_METRICS, *rest])
        print_rows([point.row() for point in found.points], form, columns=list(columns))
    if not found.points:
        raise NothingFound(found.nearest_miss)


@app.command(
    epilog=examples(
        'gasearch best digits-cnn --by accuracy --where "latency_ms <= 2" --where "model_bytes <= 64 KB"',
        "gasearch best digits-cnn --knee",
        "gasearch best digits-cnn --target accuracy=0.98,model_bytes=4KB",
        'gasearch best digits-cnn --final --where "test_accuracy >= 0.95"',
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
    final: Annotated[
        bool,
        typer.Option("--final", help="The best of those that `finalize` has trained, by their means."),
    ] = False,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Name the best network of the front; with limits, of the front of all networks within them.

    With --final, the best finalist: metrics of the test split, such as test_accuracy, may be named, too.
    """
    limits, wishes = parse_limits(where or ()), parse_target(target) if target is not None else []
    if final:
        finals_asked = AskedFinalists(by=by, limits=limits, target=wishes)
        print_best_finalists(name, finals_asked, db, form, knee=knee, count=count)
        return

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


class FrontFormat(StrEnum):
    """How a front is printed, or written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


@app.command(
    epilog=examples(
        "gasearch front digits-cnn",
        'gasearch front digits-cnn --where "macs <= 1M" --format csv',
        "gasearch front digits-cnn -o front.parquet",
        "gasearch front digits-cnn --final",
    )
)
def front(
    name: Name,
    where: Where = None,
    by: By = None,
    final: Annotated[
        bool, typer.Option("--final", help="The front of those that `finalize` has trained, by their means.")
    ] = False,
    is_all: All = False,
    output: Annotated[
        Path | None, option("--output", "FILE", "Write it: .csv, .json, or .parquet, which needs pandas.", "-o")
    ] = None,
    db: Db = None,
    form: Annotated[
        FrontFormat | None,
        option("--format", "table|json|csv|parquet", "With json or csv, stdout holds nothing else; default: table."),
    ] = None,
) -> None:
    """Print the Pareto front, all of it or under limits; or write it into a file."""
    limits = parse_limits(where or ())
    form = form or _format_of(output)
    if (form is FrontFormat.PARQUET or output is not None) and (output is None or form is FrontFormat.TABLE):
        raise BadInput("a file needs its name and a format that programs read: -o front.csv, .json or .parquet")
    if final:
        if output is not None:
            raise BadInput("the front of finalists is not written into a file: redirect --format json or csv")
        print_front_after(name, AskedFinalists(by=by, limits=limits), db, Format(form), is_all=is_all)
        return
    found = ask(db, lambda reader: Found.of(reader, name, front_points(reader, name, limits, by), limits))
    asked = [by, *(limit.metric for limit in limits)]
    if output is None:
        print_found(found, Format(form), asked=asked, is_all=is_all)
        return
    if not found.points:
        raise NothingFound(found.nearest_miss)
    if form is FrontFormat.PARQUET:
        from gasearch.ecosystem.frames import write_parquet

        with clean_stdout():
            write_parquet(found.points, output)
    else:
        with io.StringIO() as text:
            with contextlib.redirect_stdout(text):
                print_found(found, Format(form), asked=asked)
            write_whole(output, text.getvalue())
    print(output)


def _format_of(output: Path | None) -> FrontFormat:
    """What a file's ending says; a table where there is no file, or it says nothing."""
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    return FrontFormat(ending) if ending in list(FrontFormat) else FrontFormat.TABLE


def _change_cells(change: Change) -> list[str]:
    """One metric of a trade: its values and by how much they differ."""
    before, after, by = (
        format_quantity(value, change.metric) for value in (change.before, change.after, abs(change.change))
    )
    said = "better" if change.is_better else "worse" if change.change else "equal"
    said += ", within the spread" if change.is_tied and change.change else ""
    return [change.metric, before, after, f"{'-' if change.change < 0 else '+'}{by}", said]
