"""The commands of the service and of the database: serve, db check, backup, restore, upgrade, current."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gasearch.cli.app import Db, Form, LogForm, LogLevel, NothingFound, app, ask, database_name, examples, option
from gasearch.cli.console import Format, clean_stdout, print_rows, printable, say
from gasearch.errors import GasearchError
from gasearch.jobs.commands import completed
from gasearch.settings import database_url

#: What the extra `serve` installs.
_LIBRARIES = ("fastapi", "uvicorn", "starlette", "prometheus_client")
db_app = typer.Typer(
    help="The database: its schema, its soundness, its copies.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(db_app, name="db")


@app.command(epilog=examples("gasearch serve", "GASEARCH_TOKEN=... gasearch serve --host 0.0.0.0 --port 8080"))
def serve(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="0: any free one.")] = 8080,
    allowed: Annotated[
        list[str] | None, option("--allow-host", "NAME", "A further name by which browsers may call it.")
    ] = None,
    log_level: LogLevel = None,
    log_form: LogForm = None,
    db: Db = None,
) -> None:
    """Serve searches as JSON under /api/v1, read-only.

    Every call needs a token: one of `gasearch token create`, or the server's own in GASEARCH_TOKEN; without that, one
    is made and shown once. On loopback a link that logs a browser in, once, is shown too.
    """
    try:
        from gasearch.web import serve as serve_forever
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _LIBRARIES:
            raise
        raise GasearchError(f"the service needs {error.name}: pip install 'gasearch[serve]'") from error
    serve_forever(database_url(db), host=host, port=port, allowed_hosts=allowed or (), notice=say)


@db_app.command("check", epilog=examples("gasearch db check", "gasearch db check --format json"))
def db_check(db: Db = None, form: Form = Format.TABLE) -> None:
    """Check every row: checksums, references, and that front and statistics follow from the outcomes.

    Changes nothing, also while a search runs. Exit status 1 where something is wrong, with a line for each finding, and
    where there is no search: then nothing was checked.
    """
    from gasearch.jobs.stored_check import check_database

    url = database_url(db)
    with clean_stdout():
        findings = check_database(url)
    if form is Format.TABLE:
        for found in findings:
            print(printable(found.text))
    else:
        print_rows([{"search_id": found.search_id, "finding": found.text} for found in findings], form)
    if findings:
        count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        raise GasearchError(f"{count}: go on from a backup (gasearch db restore), or run what is concerned anew")
    if not ask(db, lambda reader: reader.searches()):
        raise NothingFound(f"{database_name(db)} holds no search: nothing was checked")
    if form is Format.TABLE:
        print("everything is as it was written")


@db_app.command("backup", epilog=examples("gasearch db backup monday.db", "gasearch db backup --force latest.db"))
def db_backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new SQLite file.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")] = False,
    db: Db = None,
) -> None:
    """Copy the database, also a running search's, into one SQLite file, and check the copy.

    The file can be used as it is (--db sqlite:///FILE), or brought back into any database by `gasearch db restore`.
    """
    from gasearch.jobs.backup import back_up
    from gasearch.storage.copying import file_url

    with clean_stdout():
        back_up(database_url(db), file, is_forced=force, notice=say)
    print(f"wrote {file}; ask it with --db {shlex.quote(file_url(file))}")


@db_app.command("restore", epilog=examples("gasearch db restore monday.db --db postgresql://host/searches"))
def db_restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `gasearch db backup` wrote.", show_default=False)],
    db: Db = None,
) -> None:
    """Copy a backup into an empty database, SQLite or PostgreSQL."""
    from gasearch.jobs.backup import restore

    with clean_stdout():
        restore(file, database_url(db), notice=say)
    print(f"restored {file}")


@db_app.command("upgrade", epilog=examples("gasearch db upgrade --db postgresql://host/searches"))
def db_upgrade(db: Db = None) -> None:
    """Bring the database's schema to this version's."""
    from gasearch.storage.sql import current, upgrade

    url = database_url(db)
    with clean_stdout():
        upgrade(url, say)
        revision, _ = current(url)
    print(f"the schema is at {revision}")


@db_app.command("current", epilog=examples("gasearch db current"))
def db_current(db: Db = None) -> None:
    """Print the schema's revision, and this version's."""
    from gasearch.storage.sql import current

    with clean_stdout():
        revision, head = current(database_url(db))
    if revision == head:
        print(f"{revision} (up to date)")
    else:
        print(completed(f"{revision or 'no schema'} (this version's is {head}; upgrade with: gasearch db upgrade)"))
