"""The parts that all commands share: the Typer application, the options, and the way to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import typer.core

from gasearch.cli.console import Format, clean_stdout
from gasearch.errors import GasearchError
from gasearch.jobs import commands, logs
from gasearch.settings import database_url
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.passwords import hidden

Answer = TypeVar("Answer")


class ReaderGone(Exception):
    """Nobody reads what we print any more: `head` has its lines."""


class _Commands(typer.core.TyperGroup):
    """The commands; Typer takes a reader that has gone for a failure of the command, which has done its work."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _readers_noted():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _readers_noted():
            return super().invoke(ctx)


@contextmanager
def _readers_noted() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


#: Plain help (`rich_markup_mode=None`) keeps the examples' line breaks and starts faster.
app = typer.Typer(
    name="gasearch",
    cls=_Commands,
    help="Evolutionary search for small quantized networks: how big, how deep, how many bits?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The search.", show_default=False)]
Key = Annotated[
    str, typer.Argument(metavar="KEY", help="The network: its key, or a unique beginning of it.", show_default=False)
]
Spec = Annotated[
    Path, typer.Argument(metavar="SPEC", help="A YAML, TOML or JSON file; see: gasearch init.", show_default=False)
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Overrides one key, such as budget.evaluations=50.", show_default=False
    ),
]


def _note_database(db: str | None) -> str | None:
    commands.name_database(db)
    return db


Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        callback=_note_database,
        metavar="URL",
        help="The database; default: GASEARCH_DB, else sqlite:///gasearch.db.",
        show_default=False,
    ),
]
Form = Annotated[
    Format, typer.Option("--format", metavar="table|json|csv", help="With json or csv, stdout holds nothing else.")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="LIMIT", help='Such as "latency_ms <= 2"; repeatable.', show_default=False),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="METRIC",
        help='The metric that ranks; default: the first objective. "name:max" or "name:min" says which is better.',
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=0, max=1024, help="How many; 0: in this process, without Ray.", show_default=False
    ),
]
Upgrade = Annotated[
    bool,
    typer.Option("--upgrade", help="Bring the database of a server to this version's schema, without being asked."),
]
Supervise = Annotated[bool, typer.Option("--supervise", help="Start it again whenever it dies.")]
Detach = Annotated[bool, typer.Option("--detach", help="Run in the background, with a log file.")]


def _choose_level(level: logs.LogLevel | None) -> None:
    logs.choose(level=level)


def _choose_form(form: logs.LogForm | None) -> None:
    logs.choose(form=form)


#: What is logged is decided while the options are read: commands leave the value alone.
LogLevel = Annotated[
    logs.LogLevel | None,
    typer.Option(
        "--log-level",
        callback=_choose_level,
        expose_value=False,
        envvar=logs.LEVEL_VARIABLE,
        show_envvar=False,
        metavar="debug|info|warning|error",
        help="The least that is logged, on stderr; default: warning.",
        show_default=False,
    ),
]
LogForm = Annotated[
    logs.LogForm | None,
    typer.Option(
        "--log-format",
        callback=_choose_form,
        expose_value=False,
        envvar=logs.FORM_VARIABLE,
        show_envvar=False,
        metavar="text|json",
        help="With json, a line of the log is an object.",
        show_default=False,
    ),
]


class Ended(SystemExit):
    """The command is over with this exit status, and all is said."""


class NothingFound(GasearchError):
    """A question that no network answers; the text says why."""


def examples(*lines: str) -> str:
    r"""Examples as the end of a command's help; the \b keeps Typer from joining the lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def database_name(db: str | None) -> str:
    """The database as messages call it."""
    return hidden(database_url(db))


def ask(db: str | None, question: Callable[[ArchiveReader], Answer]) -> Answer:
    """Open the database to read, ask, close it. What a library prints meanwhile goes to stderr.

    Raises:
        StoreError: if the database can't be reached, or holds another schema.
    """
    from gasearch.storage.sql import open_reader

    with clean_stdout():
        reader = open_reader(database_url(db))
        try:
            return question(reader)
        finally:
            reader.close()
