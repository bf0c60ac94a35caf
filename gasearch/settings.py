"""What the environment decides: the database, and the folders for what can be made again and for secrets."""

from __future__ import annotations

import os
from pathlib import Path

from gasearch.errors import BadInput

DEFAULT_DATABASE = "sqlite:///gasearch.db"
DATABASE_VARIABLE = "GASEARCH_DB"  #: Of the environment.


def database_url(option: str | None = None) -> str:
    """The database to use: the option, else GASEARCH_DB, else a SQLite file in the working directory."""
    return option or os.environ.get(DATABASE_VARIABLE) or DEFAULT_DATABASE


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
