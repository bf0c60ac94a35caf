"""What the environment decides: the database, the cache, and the token of the service."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_DATABASE = "sqlite:///gasearch.db"


def database_url(option: str | None = None) -> str:
    """The database to use: the option, else GASEARCH_DB, else a SQLite file in the working directory."""
    return option or os.environ.get("GASEARCH_DB") or DEFAULT_DATABASE


def cache_folder() -> Path:
    """Where what can be made again is kept: GASEARCH_CACHE, else a folder of ours in the user's cache folder (XDG)."""
    own = os.environ.get("GASEARCH_CACHE")
    if own:
        return Path(own).expanduser().absolute()  # workers may run in another folder
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "gasearch"
