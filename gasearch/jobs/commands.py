"""The commands that our texts advise, completed where they are shown: with `--db` where the database was named by it.

Texts are written, and some of them stored, without it: whoever reads them later may name the same database otherwise.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from gasearch.errors import GasearchError
from gasearch.jobs import logs
from gasearch.settings import DATABASE_VARIABLE, database_url
from gasearch.storage.passwords import hidden

#: The commands that ask a search, whose name stands first, and the others that use a database. `db restore` is none:
#: it needs another one than that with which something is wrong.
OF_A_SEARCH: Final = (
    *("resume", "stop", "delete", "tune", "finalize", "ensemble", "reproduce", "export", "report"),
    *("status", "best", "trade", "front", "history", "show", "plot", "compare", "why", "failures"),
)
OF_A_DATABASE: Final = (
    *("run", "verify", "list", "db check", "db backup", "db upgrade", "db current"),
    *("submit", "queue", "controller", "token create", "token list", "token revoke", "token audit"),
)
_COMMAND: Final = re.compile(
    rf"(?<![\w./-])gasearch (?:(?:{'|'.join(OF_A_SEARCH)}) \w[\w.-]*+|(?:{'|'.join(OF_A_DATABASE)})\b)(?! --db )"
)

#: What our own commands in processes of their own advise: their GASEARCH_DB is not that of the user's shell.
_OPTION_VARIABLE: Final = "GASEARCH_DB_OPTION"
_option: ContextVar[str] = ContextVar("option", default="")


def name_database(url: str | None) -> None:
    """Note that the user named the database by `--db`, until the context ends; None or "": that they did not."""
    _option.set(option(url) if url else "")


def option(url: str) -> str:
    """The `--db` option as the shell needs it; a password in the URL is not repeated."""
    return f" --db {shlex.quote(hidden(url, 'PASSWORD'))}"


def completed(text: str) -> str:
    """The text, in which each command that it advises names the database, if the user did."""
    named = _named()
    return _COMMAND.sub(lambda found: found[0] + named, text) if named else text


def child_environment(url: str) -> dict[str, str]:
    """For a command of ours in a process of its own: its database, what it advises, and what it logs.

    Not by an argument: a password in it must not show in the process list.
    """
    return os.environ | {DATABASE_VARIABLE: url, _OPTION_VARIABLE: _named()} | logs.chosen()


@contextmanager
def advising(url: str) -> Iterator[None]:
    """Let what is advised inside name the database, unless it is the one that commands use without being told.

    Raises:
        GasearchError: what was raised inside, completed.
    """
    token = _option.set(option(url) if url != database_url() else "")
    try:
        yield
    except GasearchError as error:
        error.args = (completed(str(error)),)
        raise
    finally:
        _option.reset(token)


def _named() -> str:
    return _option.get() or os.environ.get(_OPTION_VARIABLE, "")
