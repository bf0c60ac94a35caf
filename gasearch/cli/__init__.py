"""The command line: it parses, calls `api` or `query`, prints, and turns errors into exit statuses.

Exit status: 0 done, 1 failed, 2 bad input, 3 lost the lease, 4 store unreachable, 5 paused until the cause is mended,
130 interrupted and resumable.
Nothing heavy is imported before a command needs it: `gasearch --help` answers in well under a second.
"""

from __future__ import annotations

import contextvars
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from gasearch.cli import (
    artifacts,
    choosing,
    explaining,
    fetching,
    finalizing,
    queueing,
    reading,
    reproducing,
    running,
    sensitivity,
    service,
    tokens,
    tuning,
)
from gasearch.cli.app import Ended, ReaderGone, app
from gasearch.cli.console import say
from gasearch.cli.streams import give_up, prepare_streams
from gasearch.errors import BadInput, GasearchError, Interrupted
from gasearch.jobs.logs import logging_to_stderr
from gasearch.search.interrupts import interrupts_noted

__all__ = [
    "artifacts",
    "call",
    "choosing",
    "explaining",
    "fetching",
    "finalizing",
    "queueing",
    "reading",
    "reproducing",
    "run",
    "running",
    "sensitivity",
    "service",
    "tokens",
    "tuning",
]


#: The answer can't be printed: stdout is closed, or goes to a full disk.
_OUTPUT_FAULTS = (errno.EBADF, errno.ENOSPC, errno.EDQUOT)


def run() -> int:
    """Run the command that the process was started with; returns its exit status."""
    prepare_streams()
    return call(sys.argv[1:])


def call(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit status. Errors end as a sentence on stderr."""
    status = 0
    try:
        status = contextvars.copy_context().run(_run, arguments)  # What it notes is gone with it.
        sys.stdout.flush()
    except (BrokenPipeError, ReaderGone):  # whoever read our output has enough
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        advice = "" if error.errno == errno.EBADF else "; free some space, then ask again"
        say(f"gasearch: can't print the answer to stdout: {error.strerror}{advice}")
        return status or 1
    return status


def _run(arguments: Sequence[str]) -> int:
    with interrupts_noted() as interrupt, logging_to_stderr():
        try:
            return _run_app(arguments)
        except ReaderGone:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_FAULTS:
                raise
            if interrupt.was_pressed:
                say("gasearch: interrupted")
                return Interrupted.exit_status
            if _show_traceback():
                return 1
            if isinstance(error, OSError) and error.filename is not None:
                say(f"gasearch: {os.fsdecode(error.filename)!r} can't be used: {error.strerror}")
                return BadInput.exit_status
            say(f"gasearch: unexpected error: {type(error).__name__}: {error}")
            say("That is a defect of gasearch. GASEARCH_DEBUG=1 before the same command shows the traceback.")
            return 1


def _run_app(arguments: Sequence[str]) -> int:
    """Run the command; only what is no error of ours comes out as an exception."""
    try:
        app(list(arguments), prog_name="gasearch")
    except SystemExit as end:
        if end.code == Interrupted.exit_status and not isinstance(
            end, Ended
        ):  # Typer's answer to Ctrl-C where no search was there to stop.
            say("gasearch: interrupted")
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except GasearchError as error:
        _show_traceback()
        say(f"gasearch: {error}")
        return error.exit_status
    return 0


def _show_traceback() -> bool:
    """Print the current traceback if the user asked for it."""
    if os.environ.get("GASEARCH_DEBUG", "0") in ("", "0"):
        return False
    traceback.print_exc()
    return True


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        print(f"gasearch {version('gasearch')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Evolutionary search for small quantized networks: how big, how deep, how many bits?"""
