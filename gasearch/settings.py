"""What the environment decides: the database, and the token of the service."""

from __future__ import annotations

import os

DEFAULT_DATABASE = "sqlite:///gasearch.db"


def database_url(option: str | None = None) -> str:
    """The database to use: the option, else GASEARCH_DB, else a SQLite file in the working directory."""
    return option or os.environ.get("GASEARCH_DB") or DEFAULT_DATABASE
