"""The commands of the service and of the database's schema: serve, db upgrade, db current."""

from __future__ import annotations

from typing import Annotated

import typer

from gasearch.cli.app import Db, app, examples
from gasearch.console import clean_stdout, say
from gasearch.errors import GasearchError
from gasearch.settings import database_url

db_app = typer.Typer(help="The database's schema.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(db_app, name="db")


@app.command(epilog=examples("gasearch serve", "GASEARCH_TOKEN=... gasearch serve --host 0.0.0.0 --port 8080"))
def serve(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="0: any free one.")] = 8080,
    allowed: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="A further name by which browsers may call it.", show_default=False
        ),
    ] = None,
    db: Db = None,
) -> None:
    """Serve searches as JSON under /api/v1, read-only.

    Every call needs the token in GASEARCH_TOKEN; without one, a token is made and shown once.
    """
    try:
        from gasearch.web import serve as serve_forever
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("fastapi", "uvicorn", "starlette"):
            raise
        raise GasearchError(f"the service needs {error.name}: pip install 'gasearch[serve]'") from error
    serve_forever(database_url(db), host=host, port=port, allowed_hosts=allowed or (), notice=say)


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
        print(f"{revision or 'no schema'} (this version's is {head}; upgrade with: gasearch db upgrade)")
