"""The commands that finalize networks and make ensembles of them, and how both are printed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gasearch.cli.app import Db, Form, Name, NothingFound, Where, Workers, app, argument, ask, examples, option
from gasearch.cli.console import Format, cell, clean_stdout, print_rows, say, watching
from gasearch.errors import GasearchError, Paused, TrainingsFailed
from gasearch.objectives.constraints import Limit
from gasearch.query.answers import Row, layers_text
from gasearch.query.asked import parse_limits
from gasearch.query.best_finalists import best_finalists, why_none
from gasearch.query.finals import Finalist, finalists, networks_to_finalize
from gasearch.query.target import Wish
from gasearch.settings import database_url
from gasearch.storage.archive import ArchiveReader

if TYPE_CHECKING:
    from gasearch.deploy.ensemble import Ensemble

#: What a table says of a score; {} is its name.
_OF_SCORE = ("searched_{}", "{}", "{}_deviation", "{}_drop", "test_{}", "test_{}_deviation", "test_{}_drop")

All = Annotated[bool, typer.Option("--all", help="In the table more columns, each value in one of its own.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFinalists:
    """What a question wants of finalists."""

    by: str | None = None  #: The metric that ranks.
    limits: Sequence[Limit] = ()
    target: Sequence[Wish] = ()

    @property
    def metrics(self) -> list[str]:
        """All that it names."""
        named = [self.by.partition(":")[0]] if self.by else []
        return [*named, *(one.metric for one in self.limits), *(one.metric for one in self.target)]

    @property
    def is_by_test(self) -> bool:
        """Whether scores on the test split decide."""
        return any(name.startswith("test_") for name in self.metrics)


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
        list[str] | None,
        argument("KEY", "The networks: their keys, or a unique beginning of each; default: the front."),
    ] = None,
    where: Where = None,
    by: Annotated[
        str | None, option("--by", "METRIC", "The metric that ranks them; default: best bargains first, as --knee.")
    ] = None,
    top: Annotated[
        int | None,
        option("--top", "N", "The first N of the front; default: all, if there are at most 10.", min=1),
    ] = None,
    seeds: Annotated[int, option("--seeds", "N", "Trainings of each network.", min=1, max=100, show_default=True)] = 3,
    epochs: Annotated[
        int | None, option("--epochs", "N", "Of each training; default: the recipe's.", min=1, max=100_000)
    ] = None,
    tuned: Annotated[bool, typer.Option("--tuned", help="Train each by the best recipe that `tune` found.")] = False,
    workers: Workers = None,
    is_all: All = False,
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
    print_finalists([one for one in found if one.key in chosen], objectives, form, is_all=is_all)
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


def print_front_after(name: str, asked: AskedFinalists, db: str | None, form: Format, *, is_all: bool) -> None:
    """Print the front of the finalists, and say which of them it lost.

    Args:
        name: Of the search.
        asked: What its members keep, and what ranks them.
        db: The database; None: the usual one.
        form: How they are printed.
        is_all: Whether a table has every column.

    Raises:
        NothingFound: where there is none, after printing the empty answer.
    """

    def question(reader: ArchiveReader) -> tuple[list[Finalist], list[str], str]:
        found = finalists(reader, name, asked.limits, asked.by)
        miss = "" if any(one.is_on_front for one in found) else why_none(reader, name, asked.limits)
        return found, metrics_asked(reader, name), miss

    found, objectives, miss = ask(db, question)
    members = [one for one in found if one.is_on_front]
    if members or form is not Format.TABLE:
        print_finalists(members, [*objectives, *asked.metrics], form, is_all=is_all)
    if miss:
        raise NothingFound(miss)
    left_out = [one.key for one in found if not one.is_on_front]
    if left_out and form is Format.TABLE:
        say(f"finalists that are dominated, beyond a limit or lack an objective: {', '.join(left_out)}")


def print_best_finalists(
    name: str, asked: AskedFinalists, db: str | None, form: Format, *, knee: bool, count: int
) -> None:
    """Print the best finalists; a table of a single one has a line for each metric.

    Args:
        name: Of the search.
        asked: What they keep, and what ranks them.
        db: The database; None: the usual one.
        form: How they are printed.
        knee: Asks for the best bargains.
        count: The most.

    Raises:
        NothingFound: where there is none, after printing the empty answer.
    """

    def question(reader: ArchiveReader) -> tuple[list[Finalist], list[str], str]:
        found = best_finalists(
            reader, name, by=asked.by, limits=asked.limits, knee=knee, target=asked.target, count=count
        )
        return found, metrics_asked(reader, name), "" if found else why_none(reader, name, asked.limits)

    found, objectives, miss = ask(db, question)
    if form is Format.TABLE and len(found) == 1:
        [one] = found
        row = one.row() | {"network": layers_text(one.blueprint)}
        print_rows({field: value for field, value in row.items() if field != "blueprint"}, form)
    elif found or form is not Format.TABLE:
        print_finalists(found, [*objectives, *asked.metrics], form)
    if miss:
        raise NothingFound(miss)
    if form is Format.TABLE and asked.is_by_test:
        say("chosen by the test split: a score there is no longer one of samples that nobody chose by")


def metrics_asked(reader: ArchiveReader, name: str) -> list[str]:
    """The metrics of a search's objectives."""
    return [metric for metric, _ in reader.search(name).objectives]


def print_finalists(found: Sequence[Finalist], shown: Sequence[str], form: Format, *, is_all: bool = False) -> None:
    """Print rows of finalists; of a table the columns are what the search and the question are about.

    Args:
        found: The finalists.
        shown: The metrics that these name.
        form: How they are printed.
        is_all: Whether a table has all that is known of the scores, each in a column of its own.
    """
    rows = [one.row() for one in found]
    if form is not Format.TABLE:
        print_rows(rows, form)
        return
    scores = main_scores({name: 0.0 for one in found for name in one.metrics}, shown)
    of_scores = [pattern.format(score) for score in scores for pattern in _OF_SCORE]
    others = [name for name in dict.fromkeys((*shown, "model_bytes")) if name not in of_scores]
    failed = ["failed"] if any(one.failed for one in found) else []
    epochs = ["epochs"] if len({one.epochs for one in found}) > 1 else []
    if is_all:
        print_rows(
            rows, form, columns=("key", *of_scores, *others, "seeds", *failed, "epochs", "is_on_front", "verified")
        )
        return
    short = [row | _in_short(one.metrics, scores) for row, one in zip(rows, found, strict=True)]
    print_rows(short, form, columns=("key", *_short_names(scores), *others, "seeds", *epochs, *failed, "verified"))


def main_scores(metrics: Collection[str], shown: Iterable[str]) -> list[str]:
    """Which of the metrics that are shown are scores with a reading of the test split; else the first such score.

    Args:
        metrics: That finalists have.
        shown: What a search or a question names.
    """
    scores = [name for name in dict.fromkeys(shown) if f"test_{name}" in metrics]
    return scores or [name.removeprefix("test_") for name in metrics if name.startswith("test_")][:1]


def with_deviation(metrics: Mapping[str, float], name: str) -> str:
    """A mean with its standard deviation over the seeds, where there are several: "0.9688 ± 0.0147"."""
    mean, deviation = (cell(name, metrics.get(one)) for one in (name, f"{name}_deviation"))
    return mean if f"{name}_deviation" not in metrics else f"{mean} ± {deviation}"


def _short_names(scores: Sequence[str]) -> dict[str, str]:
    """The columns of scores in the order of a short table, and which metric stands in each.

    A single score's losses go by short names, several scores' are left out: so the table fits a terminal.
    """
    if len(scores) != 1:
        return {one: one for score in scores for one in (score, f"test_{score}")}
    [score] = scores
    return {score: score, "drop": f"{score}_drop", f"test_{score}": f"test_{score}", "test_drop": f"test_{score}_drop"}


def _in_short(metrics: Mapping[str, float], scores: Sequence[str]) -> Row:
    """A finalist's scores as texts, their deviations beside them."""
    return {
        title: cell(name, metrics.get(name)) if name.endswith("_drop") else with_deviation(metrics, name)
        for title, name in _short_names(scores).items()
    }
