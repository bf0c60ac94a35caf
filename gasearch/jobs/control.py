"""What anyone may do to a search from outside: ask it to stop, delete it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing

from gasearch.jobs.weights import weights_folder
from gasearch.storage.records import SearchRecord
from gasearch.storage.sql import open_archive, open_reader


def stop_search(name: str, *, db_url: str, notice: Callable[[str], None]) -> SearchRecord:
    """Ask a running search to stop; returns it as it stood.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        notice: Takes what the user should know.

    Raises:
        UnknownSearch: if there is none of that name.
        WrongState: if nobody runs it.
    """
    _require_known(name, db_url)
    with closing(open_archive(db_url, notice=notice)) as archive:
        return archive.request_stop(name)


def delete_search(name: str, *, db_url: str, notice: Callable[[str], None]) -> SearchRecord:
    """Delete all that is stored of a search, and the weights that it keeps on this machine; returns it as it stood.

    What other searches took over from it is theirs, and what was exported stays.

    Args:
        name: Of the search.
        db_url: Where it is stored.
        notice: Takes what the user should know.

    Raises:
        UnknownSearch: if there is none of that name.
        WrongState: if somebody runs it.
    """
    _require_known(name, db_url)
    with closing(open_archive(db_url, notice=notice)) as archive:
        deleted = archive.delete_search(name)
    shutil.rmtree(weights_folder(deleted), ignore_errors=True)
    return deleted


def _require_known(name: str, db_url: str) -> None:
    """Look first by a connection that only reads: a mistyped URL must create no database.

    Raises:
        UnknownSearch: if there is none of that name.
    """
    with closing(open_reader(db_url)) as reader:
        reader.search(name)
