"""The command that tunes recipes, and what came of it as the command line prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gasearch.cli.app import Db, Form, Keys, Name, Workers, app, examples
from gasearch.cli.console import Format, clean_stdout, print_rows, say, watching
from gasearch.query.answers import Row
from gasearch.settings import database_url
from gasearch.storage.records import TuningTrial

if TYPE_CHECKING:
    from gasearch.deploy.tuning import TunedNetwork

_ALWAYS = ("number", "value", "learning_rate", "batch_size", "optimizer")  #: The columns of a table of trials.


@app.command(
    epilog=examples(
        "gasearch tune digits-cnn 3f2a",
        "gasearch tune digits-cnn 3f2a 81c0 --trials 40",
        "gasearch tune digits 3f2a --workers 2",
    )
)
def tune(
    name: Name,
    keys: Keys,
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", min=1, max=10_000, help="How many to run for each network.")
    ] = 20,
    workers: Workers = None,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Tune the training recipes of networks, on the search's workers. Ctrl-C loses no finished trial."""
    from gasearch.deploy.tuning import tune_networks

    with watching() as observer, clean_stdout():
        tuned = tune_networks(name, keys, trials=trials, db_url=database_url(db), observer=observer, workers=workers)
    print_tuned(name, tuned, form)


def print_tuned(name: str, tuned: Sequence[TunedNetwork], form: Format) -> None:
    """Print the trials of networks, with what mattered in them; JSON has an object for each network.

    Args:
        name: Of the search.
        tuned: The networks.
        form: How they are printed.
    """
    if form is Format.JSON:
        print_rows([_content(one) for one in tuned], form)
        return
    if form is Format.CSV:
        print_rows([{"key": one.key} | _row(trial) for one in tuned for trial in one.trials], form)
        return
    for one in tuned:
        rows = [_row(trial) for trial in one.trials]
        differing = [field for field in rows[-1] if len({str(row.get(field)) for row in rows}) > 1]
        if len(tuned) > 1:
            print(f"network {one.key}")
        print_rows(rows, form, columns=list(dict.fromkeys((*_ALWAYS, *differing))))
        print(f"\n{_importances_text(one)}")
    for line in _advice(name, tuned):
        say(line)


def _advice(name: str, tuned: Sequence[TunedNetwork]) -> Iterator[str]:
    for one in tuned:
        if one.best is not None:
            yield f"next:  gasearch export {name} {one.key} -o {name}-{one.key}-tuned --tuned"


def _content(one: TunedNetwork) -> Row:
    return {
        "key": one.key,
        "metric": one.metric,
        "best": None if one.best is None else _row(one.best),
        "importances": one.importances,
        "importances_note": one.importances_note,
        "trials": [_row(trial) for trial in one.trials],
    }


def _row(trial: TuningTrial) -> Row:
    return {
        "number": trial.number,
        "value": trial.value,
        **json.loads(trial.recipe_json),
        "message": trial.message,
    }


def _importances_text(one: TunedNetwork) -> str:
    """A line: the share of each parameter, by PED-ANOVA."""
    if one.importances is None:
        return f"importances: not known: {one.importances_note}"
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in one.importances.items())
    return f"importances (for being among the best): {shares}"
