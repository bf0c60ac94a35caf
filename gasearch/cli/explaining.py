"""The commands that explain: compare searches, say why a network is what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gasearch.cli.app import KEY, Db, Form, Name, app, argument, ask, examples, option
from gasearch.cli.console import (
    Format,
    cell,
    duration,
    print_rows,
    print_table,
    print_words,
    printable,
    say,
)
from gasearch.query.answers import Row

#: How a comparison's table calls what is spent.
SPENT = {"evaluations": "evaluations", "active_seconds": "ran for", "device_seconds": "workers busy"}


@app.command(
    epilog=examples(
        "gasearch compare digits-nsga2 digits-random",
        "gasearch compare digits-nsga2 digits-random -o curves.html",
        "gasearch compare digits-nsga2 digits-random --format csv",
    )
)
def compare(
    names: Annotated[list[str], argument("NAME", "Two or more; the others are compared with the first.")],
    output: Annotated[Path | None, option("--output", "FILE.html", "Draw the curves, too.", "-o")] = None,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Compare the fronts of searches with the same objectives, over evaluations and over time.

    All hypervolumes are in one scaling, over all that any of the searches has measured.
    """
    from gasearch.query.comparison import compare as put_side_by_side

    found = ask(db, lambda reader: put_side_by_side(reader, names))
    if output is not None:
        from gasearch.query.plot import plot_comparison

        plot_comparison(found, output)
        say(f"drawn into {output}")
    if form is Format.TABLE:
        _print_comparison(found.row(), names)
    else:
        print_rows(found.row() if form is Format.JSON else found.rows(), form)


@app.command(
    epilog=examples("gasearch why digits-cnn 3f2a", "gasearch why digits-cnn 3f2a --depth 8", "gasearch why digits-cnn")
)
def why(
    name: Name,
    key: Annotated[str | None, KEY] = None,
    depth: Annotated[int, typer.Option("--depth", metavar="N", min=0, max=1000, help="Generations of ancestors.")] = 3,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Say how a network came about, what each step gained, and why it is on the front or not.

    Without a key: which operators paid in this search so far.
    """
    from gasearch.query import lineage

    if key is None:
        children = [one.row() for one in ask(db, lambda reader: lineage.operators(reader, name))]
        if not children and form is Format.TABLE:
            say(f"search {name!r} has no outcome yet; see: gasearch status {name}")
        else:
            print_rows(children, form)
        return
    found = ask(db, lambda reader: lineage.why(reader, name, key, depth=depth)).row()
    if form is Format.TABLE:
        _print_explanation(found)
    else:
        print_rows(found, form)


@app.command(
    epilog=examples(
        "gasearch failures digits-cnn",
        "gasearch failures digits-cnn --full",
        "gasearch failures digits-cnn --format json",
    )
)
def failures(
    name: Name,
    is_full: Annotated[
        bool, typer.Option("--full", help="Also where an example of each failed, and what it printed.")
    ] = False,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """List the failed evaluations by cause: how many, of which kind, and the newest one's key and message."""
    from gasearch.query.failures import failures as causes_of

    causes = ask(db, lambda reader: causes_of(reader, name, is_full=is_full))
    words = ("traceback", "output")
    rows = [{field: value for field, value in cause.row().items() if is_full or field not in words} for cause in causes]
    if form is not Format.TABLE:
        print_rows(rows, form)
    elif not causes:
        say(f"nothing has failed in search {name!r}")
    elif not is_full:
        print_rows(rows, form, columns=["count", "retried", "failure", "key", "message"])
    else:
        for cause in causes:
            again = f", {cause.retried} of them tried again" if cause.retried else ""
            print(f"{cause.count} {cause.failure}{again}, such as {cause.key}: {printable(cause.message)}")
            print_words(cause.traceback, cause.output)


# --- their tables -----------------------------------------------------------------------------------------------


def _print_comparison(found: Row, names: Iterable[str]) -> None:
    for by, title in SPENT.items():
        marks = [mark for mark in found["marks"] if mark["by"] == by]
        if marks:
            cells = [
                [f"{mark['share']:.0%}", _spent_text(by, mark["at"])]
                + [f"{mark['hypervolumes'][name]:.4f}" for name in names]
                for mark in marks
            ]
            print_table(("", title, *map(printable, names)), cells)
            print()
    first, *_ = names
    columns = ["search", *SPENT.values(), "front", "hypervolume"]
    columns += [*(f"best {metric}" for metric in found["objectives"]), f"reaches {first}'s after"]
    print_table(columns, [_search_cells(one, found["objectives"]) for one in found["searches"]])
    if found["constraints"]:
        print(f"within {' and '.join(found['constraints'])}")


def _search_cells(one: Mapping[str, Any], objectives: Iterable[str]) -> list[str]:
    cells = [one["name"], *(_spent_text(by, one[by]) for by in SPENT)]
    cells += [str(one["front_size"]), f"{one['hypervolume']:.4f}"]
    cells += [cell(metric, one["best"].get(metric)) for metric in objectives]
    reached = one["reached"]
    if reached is None:
        return [*cells, "never"]
    return [*cells, f"{reached['evaluations']} evaluations, {_spent_text('active_seconds', reached['active_seconds'])}"]


def _spent_text(by: str, spent: float) -> str:
    if by == "evaluations":
        return f"{spent:.0f}"
    return duration(spent) if spent >= 60 else cell("train_seconds", spent)


def _print_explanation(found: Row) -> None:
    itself = found["steps"][0]
    head = {"key": itself["key"], "verdict": found["verdict"], "operator": itself["operator"]}
    head |= {"outcome": itself["outcome"] + (", reused from an earlier search" if itself["is_reused"] else "")}
    for rival in found["rivals"]:
        head[f"dominated by {rival['key']}"] = ", ".join(
            f"{metric} {cell(metric, value)}" for metric, value in rival["metrics"].items()
        )
    print_rows(head, Format.TABLE)
    _print_section(
        "lineage",
        [
            {name: step[name] for name in ("depth", "key", "operator", "outcome")}
            | step["metrics"]
            | {"gain": step["gain"], "front": step["is_on_front"], "parents": ", ".join(step["parents"])}
            for step in found["steps"]
        ],
    )
    if found["is_cut"]:
        print("  ... and older ones: --depth")
    _print_section(
        "expected",
        [  # as texts: the columns hold different metrics
            {
                "metric": one["metric"],
                "mean": cell(one["metric"], one["mean"]),
                "deviation": f"{one['deviation']:.3g}",
                "measured": cell(one["metric"], one["measured"]),
            }
            for one in found["expected"]
        ],
    )
    _print_section("trainings", _training_rows(found["trainings"]))
    _print_section("on the front", found["stays"])
    _print_section("operators of this search", found["operators"])


def _print_section(title: str, rows: list[Row]) -> None:
    if rows:
        print(f"\n{title}:")
        columns = dict.fromkeys(name for row in rows for name in row if name != "message")
        print_rows(rows, Format.TABLE, columns=[*columns, "message"])


def _training_rows(trainings: list[Row]) -> list[Row]:
    """Each training's own values; beside them the means so far, of the metrics in which trainings differ."""
    averaged = {name for one in trainings for name, mean in one["means"].items() if mean != one["values"][name]}
    rows = []
    for one in trainings:
        row: Row = {name: one[name] for name in ("replicate", "told", "seed", "outcome")}
        row.update(one["values"])
        row.update({f"mean {name}": cell(name, mean) for name, mean in one["means"].items() if name in averaged})
        row.update(took=_spent_text("device_seconds", one["seconds"]))
        rows.append(row | ({"message": one["message"]} if one["message"] else {}))
    return rows
