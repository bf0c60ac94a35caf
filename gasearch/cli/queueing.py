"""The commands of the queue: submit, queue, controller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gasearch.cli.app import Db, Form, LogForm, LogLevel, Override, app, argument, ask, examples, option
from gasearch.cli.console import Format, clean_stdout, print_rows, say
from gasearch.cli.fetching import naming_the_download
from gasearch.errors import BadInput
from gasearch.jobs.commands import completed
from gasearch.query.answers import Row
from gasearch.query.queue import QueuedSearch, queued_named, queued_searches
from gasearch.settings import database_url

HIGHEST_PRIORITY = 1000
_COLUMNS = ("place", "name", "state", "priority", "submitter", "controller", "since", "waits_for", "exit_status")


@app.command(
    epilog=examples(
        "gasearch submit search.yaml",
        "gasearch submit search.yaml --set name=urgent --priority 10",
        "gasearch submit --resume digits-cnn --evaluations 400",
    )
)
def submit(
    spec: Annotated[Path | None, argument("[SPEC]", "A YAML, TOML or JSON file; see: gasearch init.")] = None,
    overrides: Override = None,
    again: Annotated[str | None, option("--resume", "NAME", "Go on with this search instead.")] = None,
    evaluations: Annotated[int | None, option("--evaluations", "N", "Its new budget, in all.", min=1)] = None,
    hours: Annotated[float | None, option("--hours", "H", "Its new wall time, in all.", min=0)] = None,
    priority: Annotated[
        int,
        option("--priority", "N", "A higher one goes first; default: 0.", min=-HIGHEST_PRIORITY, max=HIGHEST_PRIORITY),
    ] = 0,
    db: Db = None,
) -> None:
    """Check a spec as `check` does, and put its search into the queue: a controller runs it when its turn comes."""
    from gasearch.jobs.queue import submit_further, submit_new
    from gasearch.spec.loader import load_spec

    if (spec is None) == (again is None):
        raise BadInput("say which one: gasearch submit SPEC, or gasearch submit --resume NAME")
    url = database_url(db)
    if again is not None:
        if overrides:
            raise BadInput("--set belongs to a spec; a search that goes on takes --evaluations and --hours")
        with clean_stdout():
            name = submit_further(
                again, db_url=url, notice=say, evaluations=evaluations, hours=hours, priority=priority
            ).name
    else:
        assert spec is not None
        if evaluations is not None or hours is not None:
            raise BadInput("--evaluations and --hours belong to --resume; a spec takes --set budget.evaluations=N")
        with clean_stdout(), naming_the_download(spec, overrides):
            name = submit_new(load_spec(spec, overrides or ()), db_url=url, notice=say, priority=priority).name
    found = ask(db, lambda reader: queued_named(reader, name))
    place = "" if found is None or found.place is None else f", place {found.place}"
    print(completed(f"{name} is in the queue{place}; see: gasearch queue; take it out with: gasearch stop {name}"))


@app.command("queue", epilog=examples("gasearch queue", "gasearch queue --ended 20", "gasearch queue --format json"))
def queue_command(
    ended: Annotated[int, option("--ended", "N", "So many of those that have ended, too.", min=0, max=100_000)] = 0,
    form: Form = Format.TABLE,
    db: Db = None,
) -> None:
    """List what controllers run and what waits for one, in the order of its turns."""
    found = ask(db, lambda reader: queued_searches(reader, ended=ended))
    if form is not Format.TABLE:
        print_rows([one.row() for one in found], form)
    elif not found:
        say("the queue is empty; fill it with: gasearch submit SPEC")
    else:
        print_rows([_cells(one) for one in found], form, _COLUMNS)


@app.command(epilog=examples("gasearch controller", "gasearch controller --searches 4 --db postgresql://host/searches"))
def controller(
    searches: Annotated[int, option("--searches", "N", "How many run at once; default: 1.", min=1, max=256)] = 1,
    poll: Annotated[
        float, option("--poll", "S", "The seconds between two looks at the queue; default: 2.", min=0.05, max=3600)
    ] = 2.0,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End when nothing runs, and nothing that waits may begin.")
    ] = False,
    log_level: LogLevel = None,
    log_form: LogForm = None,
    db: Db = None,
) -> None:
    """Run what is submitted, each search in a process of its own; several controllers share one queue.

    Ctrl-C or SIGTERM stops its searches and hands them back. If it is killed, another one looks after them.
    """
    from gasearch.jobs.controller import Controller

    with clean_stdout():
        Controller(database_url(db), notice=say, searches=searches, poll_s=poll, is_until_empty=until_empty).run()


def _cells(one: QueuedSearch) -> Row:
    """A row for people: what is nothing is left out, times to the second."""
    row = one.row() | {"since": f"{one.since:%Y-%m-%d %H:%M:%S}"}
    return {name: value for name, value in row.items() if value not in (None, "")}
