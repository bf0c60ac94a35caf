"""The command that runs what was exported: verify; and the table of `export --check`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gasearch.cli.app import Db, Ended, Form, app, argument, examples, option
from gasearch.cli.console import Format, cell, clean_stdout, print_rows, say
from gasearch.errors import BadInput
from gasearch.settings import database_url

#: Of the table of claims, which 120 columns hold; JSON and CSV have all.
_COLUMNS: Final = ("file", "runtime", "claim", "claimed", "measured", "tolerance", "verdict")


@app.command(
    epilog=examples(
        "gasearch verify digits-model",
        "gasearch verify digits-model --data test.npz",
        "gasearch verify digits-model --runtime onnxruntime --format json",
    )
)
def verify(
    directory: Annotated[Path, argument("DIR", "The folder of an exported network.")],
    data: Annotated[
        str | None, option("--data", "FILE", "Test samples; default: the test split of the data it was made of.")
    ] = None,
    runtimes: Annotated[
        list[str] | None,
        option("--runtime", "NAME", "Run it there alone; repeatable. Default: all installed ones."),
    ] = None,
    seconds: Annotated[
        float, option("--time-limit", "SECONDS", "That a file may take in one runtime, until that is a failed claim.")
    ] = 600.0,
    is_all: Annotated[bool, typer.Option("--all", help="In the table also what isn't judged, and notes.")] = False,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Run an exported network: does every file keep what it claims?

    Writes verification.json into the folder. Exit status 1 where a claim fails.
    """
    from gasearch.deploy.verification import verify_artifact

    with clean_stdout():
        found, unstored = verify_artifact(
            directory, data=data, runtimes=runtimes or (), seconds=seconds, db_url=database_url(db)
        )
    rows = found.claim_rows()
    if form is Format.TABLE:
        chosen = rows if is_all else [_in_short(row) for row in rows if row["verdict"] != "not judged"]
        rows = [_with_units(row) for row in chosen]
    print_rows(rows, form)
    notes = [f"the verdict is in verification.json alone: {unstored}"] if unstored else []
    _conclude([*found.notes, *notes, found.conclusion], is_verified=found.is_verified)


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    """What the table says of a claim, and why it fails."""
    names = (*_COLUMNS, "note") if row["verdict"] == "fails" and row["note"] else _COLUMNS
    return {name: row[name] for name in names}


def _with_units(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table, its numbers as quantities of what is claimed."""
    quantities = ("claimed", "measured", "difference", "tolerance")
    texts = {name: _quantity(row["claim"], row[name]) for name in quantities if name in row}
    weight = {"bytes": _quantity("model_bytes", row["bytes"])} if "bytes" in row else {}
    return row | texts | weight


def _quantity(metric: str, value: float | None) -> str:
    """One number with its unit; bytes to the last one, as they are judged, and times of a row in the same unit."""
    if value is not None and metric.endswith("_bytes"):
        return f"{value:.0f} B"
    return f"{value:.3g} ms" if value is not None and metric.endswith("_ms") else cell(metric, value)


def require_checkable(name: str, db_url: str) -> None:
    """Refuse to check what a custom evaluator will export, before it does.

    Raises:
        UnknownSearch: if there is no such search.
        BadInput: if its evaluator is the user's own.
    """
    from gasearch.spec.model import SearchSpec
    from gasearch.storage.sql import open_reader

    with closing(open_reader(db_url)) as reader:
        if SearchSpec.from_json(reader.search(name).spec_json).is_custom:
            raise BadInput(f"--check is for networks that gasearch trains itself; {name} has a custom evaluator")


def check_export(folder: Path, db_url: str) -> None:
    """Print what each file of a fresh export weighs and gives, and fail where a claim does."""
    from gasearch.deploy.verification import run_artifact

    with clean_stdout():
        found = run_artifact(folder, is_timed=False, db_url=db_url)
    rows = [row | {"bytes": _quantity("model_bytes", row["bytes"])} for row in found.file_rows()]
    print_rows(rows, Format.TABLE)
    _conclude([*found.notes, found.conclusion], is_verified=found.is_verified)


def _conclude(sentences: Sequence[str], *, is_verified: bool) -> None:
    for sentence in sentences:
        say(sentence)
    if not is_verified:
        raise Ended(1)
