"""`gasearch` and `python -m gasearch`: the command line."""

from __future__ import annotations

import signal
import sys
from collections import namedtuple

from gasearch.errors import Interrupted
from gasearch.search.interrupts import interrupts_noted


def main() -> None:
    """Run the command that the process was started with, and exit.

    Ctrl-C ends it with a word from the first import on.
    """
    with interrupts_noted() as interrupt:
        try:
            from gasearch import cli
        except BaseException:
            if not interrupt.was_pressed:
                raise
            print("gasearch: interrupted", file=sys.stderr)
            _end(Interrupted.exit_status)
    _end(cli.run())


def _end(status: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Nothing is left to stop: the status stands.
    # Python kills itself by SIGINT at its end where one fell into an `exec` of source (dataclasses, SQLAlchemy), though
    # it was handled. The next source that runs makes it forget that; `namedtuple` runs some.
    namedtuple("Forget", ())
    sys.exit(status)


if __name__ == "__main__":
    main()
