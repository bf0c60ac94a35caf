"""The commands that start, stop and finish work: init, check, run, resume, stop, delete, export."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from gasearch.cli.app import (
    KEY,
    Db,
    Detach,
    Ended,
    LogForm,
    LogLevel,
    Name,
    Override,
    Spec,
    Supervise,
    Upgrade,
    Workers,
    app,
    ask,
    examples,
    option,
    options_of,
)
from gasearch.cli.artifacts import check_export, require_checkable
from gasearch.cli.choosing import Found, print_found
from gasearch.cli.console import Format, clean_stdout, say, watching
from gasearch.cli.fetching import naming_the_download
from gasearch.cli.streams import give_up
from gasearch.errors import BadInput, NoStore, StoreError, UnknownSearch
from gasearch.jobs.commands import completed
from gasearch.query.answers import FrontPoint
from gasearch.query.front import best_points, front_points
from gasearch.query.summary import search_summary
from gasearch.settings import database_url
from gasearch.storage.archive import ArchiveReader


@app.command(epilog=examples("gasearch init -o search.yaml", "gasearch init --family mlp > search.yaml"))
def init(
    family: Annotated[
        str,
        typer.Option(
            "--family", metavar="FAMILY", help="mlp, cnn, text, transformer, tagger, recommender, bits or custom."
        ),
    ] = "cnn",
    output: Annotated[Path | None, option("--output", "SPEC", "The new file; default: stdout.", "-o")] = None,
) -> None:
    """Write a commented starter spec."""
    from gasearch.spec.starter import starter_spec

    text = starter_spec(family)
    if output is None:
        print(text, end="")
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadInput(f"{output} exists already: remove it, or choose another name with -o") from None
    except OSError as error:
        raise BadInput(f"can't write {output}: {error.strerror}") from error
    print(f"wrote {output}; next: gasearch check {output}")


@app.command(epilog=examples("gasearch check search.yaml", "gasearch check search.yaml --set space.layers='[1, 6]'"))
def check(spec: Spec, overrides: Override = None) -> None:
    """Validate a spec and say what it spans.

    Prints the space's size, its smallest and largest network, and what the budget will take.
    """
    from gasearch.jobs.spec_check import report
    from gasearch.spec.loader import load_spec

    with clean_stdout(), naming_the_download(spec, overrides):
        text = report(load_spec(spec, overrides or ()), say)
    print(text)


@app.command(
    epilog=examples(
        "gasearch run search.yaml",
        "gasearch run search.yaml --set budget.evaluations=50 --workers 2",
        "gasearch run search.yaml --detach --supervise",
    )
)
def run(
    spec: Spec,
    overrides: Override = None,
    workers: Workers = None,
    supervised: Supervise = False,
    detach: Detach = False,
    upgrade: Upgrade = False,
    log_level: LogLevel = None,
    log_form: LogForm = None,
    db: Db = None,
) -> None:
    """Launch a search. Ctrl-C stops it cleanly and names the command that resumes."""
    from gasearch.spec.loader import load_spec

    loaded = load_spec(spec, overrides or ())
    _bring_up_to_date(db, is_wanted=upgrade)
    if detach or supervised:
        first = ["run", str(spec), *options_of(set=overrides, workers=workers)]
        again = ["resume", loaded.name, *options_of(workers=workers)]
        _run_elsewhere(loaded.name, first, again, db, detach=detach, supervised=supervised)
        return
    from gasearch.jobs.start import launch

    with watching() as observer, naming_the_download(spec, overrides):
        record = launch(loaded, db_url=database_url(db), observer=observer, workers=workers)
    _conclude(record.name, record.reason, db)


@app.command(
    epilog=examples(
        "gasearch resume digits-cnn",
        "gasearch resume digits-cnn --evaluations 400",
        "gasearch resume digits-cnn --set budget.device_hours=3 --set workers.count=4",
    )
)
def resume(
    name: Name,
    evaluations: Annotated[int | None, option("--evaluations", "N", "The new budget, in all.", min=1)] = None,
    hours: Annotated[float | None, option("--hours", "H", "The new wall time, in all.", min=0)] = None,
    spec: Annotated[
        Path | None,
        option("--spec", "SPEC", "The file again, to take its budget.* and workers.*; any other change is refused."),
    ] = None,
    overrides: Override = None,
    workers: Workers = None,
    supervised: Supervise = False,
    detach: Detach = False,
    upgrade: Upgrade = False,
    log_level: LogLevel = None,
    log_form: LogForm = None,
    db: Db = None,
) -> None:
    """Go on as if never interrupted, or extend a finished search."""
    _bring_up_to_date(db, is_wanted=upgrade)
    if detach or supervised:
        ask(db, lambda reader: reader.search(name))  # An unknown one is refused at once.
        given = options_of(evaluations=evaluations, hours=hours, spec=spec, set=overrides, workers=workers)
        _run_elsewhere(
            name, ["resume", name, *given], ["resume", name, *given], db, detach=detach, supervised=supervised
        )
        return
    from gasearch.jobs.start import go_on

    with watching() as observer:
        record = go_on(
            name,
            db_url=database_url(db),
            observer=observer,
            source=spec,
            overrides=overrides or (),
            evaluations=evaluations,
            hours=hours,
            workers=workers,
        )
    _conclude(record.name, record.reason, db)


@app.command(epilog=examples("gasearch stop digits-cnn"))
def stop(name: Name, db: Db = None) -> None:
    """Ask a running search to stop; `resume` goes on. One that is queued leaves the queue."""
    from gasearch.jobs.control import stop_search

    if stop_search(name, db_url=database_url(db), notice=say).has_left_the_queue:
        print(f"{name} has left the queue")
        return
    print(completed(f"asked {name} to stop; see: gasearch status {name}; go on with: gasearch resume {name}"))


@app.command(epilog=examples("gasearch delete digits-cnn", "gasearch delete digits-cnn --yes"))
def delete(
    name: Name,
    is_sure: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    db: Db = None,
) -> None:
    """Delete a search: all that is stored of it, and the weights that it keeps. Exported files stay."""
    from gasearch.jobs.control import delete_search

    completed = ask(db, lambda reader: search_summary(reader, name)).told
    if not is_sure:
        if not sys.stdin.isatty():
            raise BadInput(f"nobody can be asked whether to delete {name} with its {completed} evaluations: add --yes")
        say(f"delete {name} with its {completed} evaluations, for good? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            say("nothing was deleted")
            raise Ended(1)
    delete_search(name, db_url=database_url(db), notice=say)
    print(f"deleted {name}")


@app.command(
    epilog=examples(
        "gasearch export digits-cnn 3f2a -o out/",
        "gasearch export digits-cnn 3f2a -o out/ --tuned",
        "gasearch export digits-cnn --to optuna sqlite:///study.db",
    )
)
def export(
    name: Name,
    key: Annotated[str | None, KEY] = None,
    output: Annotated[Path | None, option("--output", "DIR", "The folder to write.", "-o")] = None,
    tuned: Annotated[bool, typer.Option("--tuned", help="Train it by the best recipe that `tune` found.")] = False,
    formats: Annotated[
        str | None,
        option(
            "--formats",
            "NAMES",
            "Further forms, such as qdq,tflite,c; all: each that can hold the network; default: qdq.",
        ),
    ] = None,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="Write the form qdq with zero point 0 everywhere, as TensorRT takes it.")
    ] = False,
    checked: Annotated[bool, typer.Option("--check", help="Run every file, and print what it gives.")] = False,
    to: Annotated[
        tuple[str, str] | None, option("--to", "optuna URL", "The whole search, as a study in a storage of Optuna's.")
    ] = None,
    study: Annotated[str | None, option("--study", "NAME", "Of that study; default: the search's.")] = None,
    db: Db = None,
) -> None:
    """Write one network as files: integer ONNX, packed, torch weights, a model card, a program that predicts.

    With --to, all of the search as a study of Optuna instead.
    """
    if to is not None:
        if key is not None or output is not None:
            raise BadInput("--to takes a whole search: leave out the network's key and -o")
        _export_study(name, *to, study=study, db=db)
        return
    if key is None or output is None:
        raise BadInput(f"say which network goes into which folder: gasearch export {name} KEY -o DIR")
    if checked:
        require_checkable(name, database_url(db))
    from gasearch.deploy.networks import export_network

    with watching() as observer, clean_stdout():
        folder = export_network(
            name,
            key,
            output,
            db_url=database_url(db),
            observer=observer,
            is_tuned=tuned,
            formats=None if formats is None else [form.strip() for form in formats.split(",") if form.strip()],
            is_symmetric=symmetric,
        )
    print(folder)
    if checked:
        check_export(folder, database_url(db))


def _export_study(name: str, tool: str, url: str, *, study: str | None, db: str | None) -> None:
    if tool != "optuna":
        raise BadInput(f"a search can go to optuna; got --to {tool!r}")
    from gasearch.ecosystem.optuna_study import export_study

    own = database_url(db)
    written = ask(db, lambda reader: export_study(reader, name, url, own_url=own, study_name=study, notice=say))
    print(f"{written} trials in the study {study or name}")


def _conclude(name: str, reason: str, db: str | None) -> None:
    """Print what a finished run has found, and what to do with it; it is finished, whether that can be read or not."""
    if reason:
        say(f"{name}: {reason}")

    def question(reader: ArchiveReader) -> tuple[Found, list[FrontPoint]]:
        return Found.of(reader, name, front_points(reader, name)), best_points(reader, name, knee=True)

    try:
        front, knees = ask(db, question)
        print_found(front, Format.TABLE)  # ends here where nothing was measured
        knee = knees[0]
        advised = [f"gasearch best {name} --knee", f"gasearch plot {name} -o {name}.html"]
        if "choices" not in knee.blueprint:  # A custom evaluator's networks are not ours to export.
            advised.append(f"gasearch export {name} {knee.key} -o {name}-model")
        print(completed("\nnext:  " + "\n       ".join(advised)), flush=True)
    except BrokenPipeError:
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        say(f"{name}: can't print the front to stdout: {error.strerror}; see: gasearch front {name}")


def _bring_up_to_date(db: str | None, *, is_wanted: bool) -> None:
    """Upgrade an older database; where that locks others out, only if it is wanted, or somebody at a terminal says so.

    Here, and not when the search begins: no panel is drawn yet, and a child in the background couldn't be answered.
    """
    from gasearch.storage.sql import upgrade_if_older

    def may_upgrade(upgrading: str) -> bool:
        if is_wanted or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            return is_wanted
        return typer.confirm(f"{upgrading}; go on?", err=True)

    with contextlib.suppress(NoStore):  # `run` creates it, `resume` says so
        upgrade_if_older(database_url(db), say, may_upgrade=may_upgrade)


def _run_elsewhere(
    name: str, first: list[str], again: list[str], db: str | None, *, detach: bool, supervised: bool
) -> None:
    """Run the search in another process: in the background, or in one that is started again when it dies.

    Detached, it returns when that process holds the search, or has failed; else it ends with its exit status.
    """
    url = database_url(db)
    if not detach:
        from gasearch.jobs.supervise import Supervisor

        raise Ended(Supervisor(first, again, name=name, db_url=url, notice=say).run())
    from gasearch.jobs.detach import launch_detached

    def holds_search(pid: int) -> bool:
        try:
            record = ask(db, lambda reader: reader.search(name))
            return record.is_owned and record.owner is not None and str(pid) in _process_and_parent(record.owner)
        except (UnknownSearch, StoreError):  # The new process is still creating the one or the other.
            return False

    arguments = [*first, *(["--supervise"] if supervised else [])]
    pid, log = launch_detached(arguments, name=name, db_url=url, is_up=holds_search)
    print(f"{name} runs in the background as process {pid}; its log: {log}")
    print(completed(f"watch it with: gasearch status {name} --watch"))


def _process_and_parent(owner: str) -> set[str]:
    """The numbers of the process that owns a search and of the one that started it: a supervisor, for instance."""
    number = owner.split("/")[1]
    found = {number}
    with contextlib.suppress(OSError):
        found.add(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    return found
