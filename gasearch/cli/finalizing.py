"""The commands that finalize networks and make ensembles of them, and how both are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gasearch.cli.app import By, Db, Form, Name, NothingFound, Where, Workers, app, argument, ask, examples, option
from gasearch.cli.console import Format, clean_stdout, print_rows, say, watching
from gasearch.errors import GasearchError, Paused, TrainingsFailed
from gasearch.objectives.constraints import Limit
from gasearch.query.asked import parse_limits
from gasearch.query.finals import Finalist, finalists, networks_to_finalize, unmeasured
from gasearch.settings import database_url
from gasearch.storage.archive import ArchiveReader

if TYPE_CHECKING:
    from gasearch.deploy.ensemble import Ensemble

#: What a table says of a score; {} is its name.
_OF_SCORE = ("searched_{}", "{}", "{}_deviation", "{}_drop", "test_{}", "test_{}_deviation", "test_{}_drop")


@app.command(
    epilog=examples(
        "gasearch finalize digits-cnn --top 3",
        'gasearch finalize digits-cnn --where "model_bytes <= 8 KB" --epochs 60',
        "gasearch finalize digits-cnn 3f2a 9c01 --seeds 5",
    )
)
def finalize(
    name: Name,
    keys: Annotated[
        list[str] | None, argument("[KEY]...", "The networks: their keys, or a unique beginning of each.")
    ] = None,
    where: Where = None,
    by: By = None,
    top: Annotated[
        int | None,
        option("--top", "N", "The N best bargains of the front, or by --by METRIC; default: all, if few.", min=1),
    ] = None,
    seeds: Annotated[int, option("--seeds", "N", "Trainings of each network.", min=1, max=100, show_default=True)] = 3,
    epochs: Annotated[
        int | None, option("--epochs", "N", "Of each training; default: the recipe's.", min=1, max=100_000)
    ] = None,
    tuned: Annotated[bool, typer.Option("--tuned", help="Train each by the best recipe that `tune` found.")] = False,
    workers: Workers = None,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Train networks of the front from scratch at full budget, with fresh seeds, and read the test split.

    A second call makes only what is missing.
    """
    from gasearch.deploy.finalize import finalize as train

    limits = parse_limits(where or ())
    failed: GasearchError | None = None
    chosen = ask(db, lambda reader: networks_to_finalize(reader, name, keys or (), limits=limits, by=by, top=top))
    with watching() as observer, clean_stdout():
        try:
            train(
                name,
                chosen,
                seeds=seeds,
                epochs=epochs,
                is_tuned=tuned,
                db_url=database_url(db),
                observer=observer,
                workers=workers,
            )
        except (TrainingsFailed, Paused) as error:  # what succeeded was dear, and is shown before
            failed = error
    found, objectives = ask(db, lambda reader: (finalists(reader, name), metrics_asked(reader, name)))
    print_finalists([one for one in found if one.key in chosen], objectives, form)
    if failed is not None:
        raise failed
    if form is Format.TABLE:
        say(f"next:  gasearch front {name} --final\n       gasearch export {name} {chosen[0]} -o {name}-model")


@app.command(
    epilog=examples(
        "gasearch ensemble digits-cnn --members 3",
        'gasearch ensemble digits-cnn --members 5 --where "model_bytes <= 8 KB" --format json',
    )
)
def ensemble(
    name: Name,
    members: Annotated[
        int, option("--members", "N", "The most different networks.", min=1, max=20, show_default=True)
    ] = 3,
    where: Where = None,
    db: Db = None,
    form: Form = Format.TABLE,
) -> None:
    """Choose finalized networks that are best together, by the validation split; read the test split for the result."""
    from gasearch.deploy.ensemble import choose_ensemble

    limits = parse_limits(where or ())
    with watching() as observer, clean_stdout():
        found = choose_ensemble(name, members=members, limits=limits, db_url=database_url(db), observer=observer)
    print_ensemble(found, form)
    if form is Format.TABLE and len(found.members) == 1 < members:
        say("no mean of several that was tried is better there than this network alone")


def print_ensemble(found: Ensemble, form: Format) -> None:
    """Print the members, the ensemble and the best single network; of a table's scores only the primary one."""
    if form is Format.JSON:
        print_rows({"metric": found.metric, "candidates": found.candidates, "rows": found.rows()}, form)
        return
    shown = (found.metric, f"test_{found.metric}", "model_bytes", "macs", "latency_ms")
    print_rows(found.rows(), form, columns=("what", "key", "number", "epochs", "weight", *shown))
    if form is Format.TABLE:
        say(f"chosen among {found.candidates} by the validation split alone")
        say("the test split was read once more, for the ensemble and the best single network")


def print_front_after(name: str, limits: Sequence[Limit], by: str | None, db: str | None, form: Format) -> None:
    """Print the front of the finalists, and say which of them it lost.

    Args:
        name: Of the search.
        limits: That members keep.
        by: The metric that ranks.
        db: The database; None: the usual one.
        form: How they are printed.

    Raises:
        NothingFound: where there is none, after printing the empty answer.
    """
    found, objectives = ask(db, lambda reader: (finalists(reader, name, limits, by), metrics_asked(reader, name)))
    members = [one for one in found if one.is_on_front]
    asked = [by.partition(":")[0]] if by else []
    if members or form is not Format.TABLE:
        print_finalists(members, [*objectives, *asked, *(limit.metric for limit in limits)], form)
    if not found:
        raise NothingFound(f"no network of {name!r} was finalized yet; do so with: gasearch finalize {name} --top 3")
    if lacking := unmeasured(found, objectives):
        raise NothingFound(
            f"no finalist of {name!r} has {', '.join(lacking)}, by which the search judges: finalize where the search "
            "ran, on the device that its measurements are of"
        )
    if not members:
        raise NothingFound(f"none of the {len(found)} finalists of {name!r} keeps the limits")
    left_out = [one.key for one in found if not one.is_on_front]
    if left_out and form is Format.TABLE:
        say(f"finalists that are dominated, beyond a limit or lack an objective: {', '.join(left_out)}")


def metrics_asked(reader: ArchiveReader, name: str) -> list[str]:
    """The metrics of a search's objectives."""
    return [metric for metric, _ in reader.search(name).objectives]


def print_finalists(found: Sequence[Finalist], shown: Sequence[str], form: Format) -> None:
    """Print rows of finalists; of a table the columns are what the search and the question are about.

    Args:
        found: The finalists.
        shown: The metrics that these name; of scores all is shown that is known.
        form: How they are printed.
    """
    known = {name for one in found for name in one.metrics}
    scores = [name for name in shown if f"test_{name}" in known]
    scores = scores or [name.removeprefix("test_") for name in _of_tests(found)[:1]]
    columns = [pattern.format(score) for score in scores for pattern in _OF_SCORE]
    failed = ["failed"] if any(one.failed for one in found) else []
    listed = dict.fromkeys(
        ("key", *columns, *shown, "model_bytes", "seeds", *failed, "epochs", "is_on_front", "verified")
    )
    print_rows([one.row() for one in found], form, columns=list(listed))


def _of_tests(found: Sequence[Finalist]) -> list[str]:
    return [name for one in found for name in one.metrics if name.startswith("test_")]
