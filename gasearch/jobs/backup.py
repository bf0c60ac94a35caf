"""Backups of a database, and the way back: each copy is checked before it counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.commands import option
from gasearch.jobs.stored_check import check_database
from gasearch.storage.copying import copy_from_file, copy_to_file, file_url
from gasearch.storage.sql import current


def back_up(url: str, path: Path, *, is_forced: bool, notice: Callable[[str], None]) -> None:
    """Copy a database, also one that is written meanwhile, into a SQLite file that stands for itself.

    The file appears under its name when it is complete, checked and on the disk.

    Args:
        url: The database.
        path: The new file.
        is_forced: Replace the file where there is one.
        notice: Takes a sentence about searches that somebody runs.

    Raises:
        BadInput: if the file exists, or can't be written.
        StoreError: if the database can't be read.
        GasearchError: if it is damaged; then no file is left.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _require_new(path, is_forced)
        owned = copy_to_file(url, partial)
        revision, newest = current(file_url(partial))
        if revision == newest:  # rows of an older version have no checksums yet
            _require_sound(file_url(partial), "the database", "no backup was made")
        _make_durable(partial)
        _require_new(path, is_forced)
        os.replace(partial, path)
        _make_durable(path.absolute().parent)
    except OSError as error:
        raise BadInput(f"can't write {path}: {error.strerror}") from error
    finally:
        for leftover in (partial, *(Path(f"{partial}{end}") for end in ("-wal", "-shm", "-journal"))):
            with suppress(OSError):  # it was never made, for instance since it can't be
                leftover.unlink()
    for name in owned:
        notice(f"{name} is being run: in the copy it is an interrupted search, which `resume` goes on with")


def restore(path: Path, url: str, *, notice: Callable[[str], None]) -> None:
    """Copy a backup into an empty database of either kind.

    Args:
        path: The backup.
        url: The empty database.
        notice: Takes what the user should know.

    Raises:
        BadInput: if there is no such file.
        WrongState: if the database holds a search already.
        StoreError: if one of the two can't be used.
        GasearchError: if the backup is damaged; then nothing was copied.
    """
    try:
        is_file = path.is_file()
    except OSError as error:
        raise BadInput(f"the backup {path} can't be read: {error.strerror}") from error
    if not is_file:
        raise BadInput(f"there is no backup {path}")
    _require_sound(file_url(path), f"the backup {path}", "nothing was restored", named=option(file_url(path)))
    copy_from_file(path, url, notice)
    _require_sound(url, "the restored database", "don't use it")


def _require_new(path: Path, is_forced: bool) -> None:
    if path.is_dir():
        raise BadInput(f"{path} is a folder: name a file in it")
    if path.exists() and not is_forced:
        raise BadInput(f"{path} exists already: choose another name, or replace it with --force")


def _require_sound(url: str, name: str, consequence: str, *, named: str = "") -> None:
    findings = check_database(url)
    if findings:
        more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
        raise GasearchError(
            f"{name} is damaged: {findings[0].text}{more}; {consequence}; see: gasearch db check{named}"
        )


def _make_durable(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
