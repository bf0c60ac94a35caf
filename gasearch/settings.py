"""What the environment decides: the database, and the folders for what can be made again and for secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gasearch.errors import BadInput

DEFAULT_DATABASE = "sqlite:///gasearch.db"
DATABASE_VARIABLE = "GASEARCH_DB"  #: Of the environment.
FILE_ENDINGS = (".db", ".sqlite", ".sqlite3")  #: Of names that stand for a SQLite file without being a URL.
_SCHEME = re.compile(r"//|[A-Za-z][\w+.-]*:")  #: How a URL begins, or what was meant as one.


def database_url(option: str | None = None) -> str:
    """The URL of the database to use: the option's, else GASEARCH_DB's, else that of a file in the working directory.

    A plain path that ends as those of SQLite files do, "results.db", stands for that file. What is neither a URL nor
    such a path comes back as it is, for whoever opens it to refuse.
    """
    text = option or os.environ.get(DATABASE_VARIABLE) or DEFAULT_DATABASE
    if not is_sqlite_path(text):
        return text
    return "sqlite:///" + text.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def is_sqlite_path(text: str) -> bool:
    """Whether a text names a SQLite file by its plain path: "results.db", "/data/all.sqlite"."""
    return _SCHEME.match(text) is None and text.lower().endswith(FILE_ENDINGS)


def database_patience_s() -> float:
    """How long a search waits for a database that is away: GASEARCH_DB_PATIENCE in seconds, else 10 minutes.

    Raises:
        BadInput: if that is no number of seconds.
    """
    text = os.environ.get("GASEARCH_DB_PATIENCE") or "600"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= 1e9:
        raise BadInput(f"GASEARCH_DB_PATIENCE is a number of seconds; got {text!r}")
    return seconds


def cache_folder() -> Path:
    """Where what can be made again is kept: GASEARCH_CACHE, else a folder of ours in the user's cache folder (XDG).

    Raises:
        BadInput: if neither is known.
    """
    return _folder("GASEARCH_CACHE", "XDG_CACHE_HOME", ".cache")


def state_folder() -> Path:
    """Where secrets of ours are kept: GASEARCH_STATE, else a folder of ours in the user's state folder (XDG).

    Raises:
        BadInput: if neither is known.
    """
    return _folder("GASEARCH_STATE", "XDG_STATE_HOME", ".local/state")


def _folder(own: str, shared: str, default: str) -> Path:
    """A folder of ours, absolute, since workers may run elsewhere."""
    try:
        if os.environ.get(own):
            return Path(os.environ[own]).expanduser().absolute()
        parent = os.environ.get(shared)
        return (Path(parent) if parent else Path.home() / default) / "gasearch"
    except RuntimeError as error:  # a user, or a home, that there isn't
        raise BadInput(f"there is no home folder ({error}): name a folder by {own}") from error
