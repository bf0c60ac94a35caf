"""Searches in the background: the same command again, in a session of its own that outlives the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.commands import child_environment
from gasearch.jobs.logs import LEVEL_VARIABLE, LogLevel
from gasearch.storage.sql import database_file

POLL_S = 0.2
PATIENCE_S = 20.0  #: A start with Ray takes 5 to 12 s here; after this long we leave it to its log.
MOST_WORDS = 8192  #: Bytes of a log's end that are looked at.
_SENTENCE = "\ngasearch: "  #: How a command's last sentence begins.


def launch_detached(
    argv: Sequence[str],
    *,
    name: str,
    db_url: str,
    is_up: Callable[[int], bool],
    patience_s: float = PATIENCE_S,
) -> tuple[int, Path]:
    """Start `gasearch ARGV` in a new session, its output in a log file, and wait until it is up.

    Args:
        argv: The command and its arguments, without `--detach` and `--db`.
        name: The search, which names the log file.
        db_url: The database.
        is_up: Whether the process of this number holds the search; asked a few times a second.
        patience_s: After so long it counts as started even if it isn't up yet.

    Returns:
        The process id and the log file.

    Raises:
        BadInput: if the log file can't be written.
        GasearchError: if the process ends within that time with a failure; the text is its last line.
    """
    log = log_file(name, db_url)
    try:
        stream = log.open("ab")
    except OSError as error:
        raise BadInput(f"can't write the log file {log}: {error.strerror}") from error
    with stream:
        start = stream.tell()
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            [sys.executable, "-m", "gasearch", *argv],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={LEVEL_VARIABLE: str(LogLevel.INFO)} | child_environment(db_url),  # unless another level was chosen
            start_new_session=True,
            preexec_fn=_ignore_hangups,
        )
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and not is_up(process.pid):
        try:
            status = process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue
        if status != 0:
            raise _failure(status, log, start)
        break
    process.returncode = 0  # Not ours any more: keeps Popen from warning about a child that still runs.
    return process.pid, log


def _ignore_hangups() -> None:
    """Nor is it ended by a SIGHUP that reaches it nevertheless; what it starts inherits that."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def log_file(name: str, db_url: str) -> Path:
    """`gasearch-NAME.log` next to a SQLite file, else in the working folder.

    Raises:
        BadInput: if the URL is none of a database.
    """
    file = database_file(db_url)
    return (Path() if file is None else file.parent) / f"gasearch-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.log"


def last_words(log: Path, start: int) -> str:
    """The last line that a command wrote into its log file, or its last sentence of several lines; "" without any.

    Args:
        log: The file.
        start: Where that command's part begins.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(max(start, stream.seek(0, os.SEEK_END) - MOST_WORDS))
            text = stream.read().decode(errors="replace").strip()
    except OSError:
        return ""
    sentence = text.rpartition("\n")[2] if _SENTENCE not in f"\n{text}" else f"\n{text}".rpartition(_SENTENCE)[2]
    return sentence.strip()


def _failure(status: int, log: Path, start: int) -> GasearchError:
    """The background process's last words as an error with its exit status."""
    words = last_words(log, start).rpartition("\n")[2] or f"it ended with exit status {status}"
    error = GasearchError(f"the search did not start: {words} (log: {log})")
    error.exit_status = status if status > 0 else 1
    return error
