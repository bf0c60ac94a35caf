"""The parts that all commands share: the Typer application, the options, and the way to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

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


#: The commands under a title each, in the order in which a user comes to them; a test holds that none is missing.
GROUPS: Final = {
    "Set up": ("init", "data", "check", "sensitivity"),
    "Search": ("run", "status", "stop", "resume", "list", "failures", "delete"),
    "Choose": ("front", "best", "trade", "show", "why", "compare"),
    "See": ("history", "plot", "report"),
    "Deploy": ("tune", "finalize", "ensemble", "export", "verify", "reproduce"),
    "Keep and serve": ("db", "serve", "submit", "queue", "controller", "token"),
}


class _Commands(typer.core.TyperGroup):
    """The commands; Typer takes a reader that has gone for a failure of the command, which has done its work."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands by `GROUPS`."""
        longest = max(map(len, self.commands))
        for title, names in GROUPS.items():
            width = formatter.width - 6 - longest
            rows = [(name.ljust(longest), self.commands[name].get_short_help_str(width)) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows)

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


def argument(metavar: str, text: str) -> Any:
    """An argument with its help."""
    return typer.Argument(metavar=metavar, help=text, show_default=False)


def option(name: str, metavar: str | None, text: str, *names: str, **more: Any) -> Any:
    """An option whose help says all of its default that is worth saying.

    Args:
        name: With its dashes.
        metavar: Of its value; None for a flag.
        text: Its help.
        *names: Shorter ones.
        **more: What else Typer's options have.
    """
    return typer.Option(name, *names, metavar=metavar, help=text, **{"show_default": False, **more})


def options_of(**given: object) -> list[str]:
    """Options as they stand in a command: one for each value of a list, none for None."""
    listed = {f"--{name}": value if isinstance(value, list) else [value] for name, value in given.items()}
    return [part for name, values in listed.items() for one in values if one is not None for part in (name, str(one))]


def _note_database(db: str | None) -> str | None:
    commands.name_database(db)
    return db


KEY = argument("KEY", "The network: its key, or a unique beginning of it.")
Name = Annotated[str, argument("NAME", "The search.")]
Key = Annotated[str, KEY]
Keys = Annotated[list[str], argument("KEY", "The networks: their keys, or a unique beginning of each.")]
Spec = Annotated[Path, argument("SPEC", "A YAML, TOML or JSON file; see: gasearch init.")]
Override = Annotated[
    list[str] | None, option("--set", "KEY=VALUE", "Overrides one key, such as budget.evaluations=50.")
]
Db = Annotated[
    str | None,
    option(
        "--db",
        "URL",
        "The database, or a SQLite file such as results.db; default: GASEARCH_DB, else gasearch.db here.",
        callback=_note_database,
    ),
]
Form = Annotated[
    Format, option("--format", "table|json|csv", "With json or csv, stdout holds nothing else.", show_default=True)
]
Where = Annotated[list[str] | None, option("--where", "LIMIT", 'Such as "latency_ms <= 2"; repeatable.')]
By = Annotated[
    str | None,
    option(
        "--by",
        "METRIC",
        'The metric that ranks; default: the first objective. "name:max" or "name:min" says which is better.',
    ),
]
Workers = Annotated[
    int | None,
    option("--workers", "N", "How many; default: the spec's; 0: in this process, without Ray.", min=0, max=1024),
]
Upgrade = Annotated[
    bool, option("--upgrade", None, "Bring the database of a server to this version's schema, without being asked.")
]
Supervise = Annotated[bool, option("--supervise", None, "Start it again whenever it dies.")]
Detach = Annotated[bool, option("--detach", None, "Run in the background, with a log file.")]


def _of_logging(name: str, metavar: str, text: str, callback: Callable[[Any], None], variable: str) -> Any:
    """An option of the log, which takes effect while it is read: commands leave its value alone."""
    more = {"expose_value": False, "envvar": variable, "show_envvar": False}
    return option(name, metavar, text, callback=callback, **more)


def _choose_level(level: logs.LogLevel | None) -> None:
    logs.choose(level=level)


def _choose_form(form: logs.LogForm | None) -> None:
    logs.choose(form=form)


LEVEL_HELP = "The least that is logged, on stderr; default: warning."
LogLevel = Annotated[
    logs.LogLevel | None,
    _of_logging("--log-level", "debug|info|warning|error", LEVEL_HELP, _choose_level, logs.LEVEL_VARIABLE),
]
LogForm = Annotated[
    logs.LogForm | None,
    _of_logging(
        "--log-format", "text|json", "With json, a line of the log is an object.", _choose_form, logs.FORM_VARIABLE
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

    with clean_stdout(), closing(open_reader(database_url(db))) as reader:
        return question(reader)
