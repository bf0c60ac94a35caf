"""The command that makes an evaluation again, and what came of it as the command line prints it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from gasearch.cli.app import Db, Ended, Form, Key, Name, app, examples
from gasearch.cli.console import Format, clean_stdout, print_rows, print_table, watching
from gasearch.query.answers import Row
from gasearch.settings import database_url

if TYPE_CHECKING:
    from gasearch.deploy.reproduction import ComparedMetric, Reproduction


@app.command(epilog=examples("gasearch reproduce digits-cnn 3f2a", "gasearch reproduce digits-cnn 3f2a --format json"))
def reproduce(name: Name, key: Key, db: Db = None, form: Form = Format.TABLE) -> None:
    """Make a network's evaluation again, and say whether the numbers are equal. Exit status 1: they are different."""
    from gasearch.deploy.reproduction import reproduce_network

    with watching() as observer, clean_stdout():
        found = reproduce_network(name, key, db_url=database_url(db), observer=observer)
    print_reproduction(found, form)
    if found.verdict == "different":
        raise Ended(1)


def print_reproduction(found: Reproduction, form: Format) -> None:
    """Print how far an evaluation that was made again agrees with what is stored; JSON has all of it."""
    rows = [_compared_row(one) for one in found.metrics]
    if form is Format.JSON:
        others = [asdict(one) for one in found.versions]
        content = {"key": found.key, "verdict": found.verdict, "metrics": rows, "versions": others}
        print_rows(content | {"notes": list(found.notes)}, form)
        return
    if form is Format.CSV:
        print_rows(rows, form)
        return
    cells = [[one.name, *map(_exact, (one.before, one.now, one.difference, one.tolerance))] for one in found.metrics]
    print_table(["metric", "before", "now", "difference", "tolerance"], cells)
    print(f"\n{found.key}: {found.verdict}")
    for one in found.versions:
        print(f"other {one.name}: {one.before} then, {one.now} now")
    if not found.versions:
        print("no version differs")
    for note in found.notes:
        print(f"note: {note}")


def _compared_row(one: ComparedMetric) -> Row:
    return asdict(one) | {"difference": one.difference, "is_equal": one.is_equal}


def _exact(value: float | None) -> str:
    """All digits that tell a number from its neighbours."""
    if value is None:
        return "-"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
