"""The log of the command line and the service: one line an event, in UTC, as text or as JSON, on stderr.

Who calls gasearch from Python has logging of their own: nothing here is set up by an import, or by `gasearch.run`. The
loggers are `gasearch.*` and `gasearch_workers.*`. What an event is about stands in fields, which `extra=` gives:
search, candidate, attempt, and what else belongs to it. What a command says itself, such as its notices and its last
word, is logged at info: by default it isn't said twice.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO

LEVEL_VARIABLE, FORM_VARIABLE = "GASEARCH_LOG_LEVEL", "GASEARCH_LOG_FORMAT"  #: Of the environment.
LOGGERS: Final = ("gasearch", "gasearch_workers", "uvicorn")
FIRST_FIELDS: Final = ("search", "candidate", "attempt")
_PLAIN: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))


class LogLevel(StrEnum):
    """The least important events that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogForm(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class LineFormatter(logging.Formatter):
    """Formats events as lines; `search` is what those of a process are about that don't name their search."""

    def __init__(self, form: LogForm) -> None:
        super().__init__()
        self.form, self.search = form, ""

    def format(self, record: logging.LogRecord) -> str:
        """One line; as text, a traceback stands below it."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        of_event = [name for name in vars(record) if name not in _PLAIN and name[0] != "_"]  # Ray adds one with a "_"
        given = {name: _plain(getattr(record, name)) for name in of_event}
        given.setdefault("search", self.search)
        fields = {name: given.pop(name) for name in FIRST_FIELDS if given.get(name) not in (None, "")} | given
        fields = {name: value for name, value in fields.items() if name not in FIRST_FIELDS or value not in (None, "")}
        traceback = self.formatException(record.exc_info) if record.exc_info else ""
        if self.form is LogForm.JSON:
            line = {"time": at, "level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
            return json.dumps(line | fields | ({"traceback": traceback} if traceback else {}), ensure_ascii=False)
        shown = "".join(f" {name}={_text(value)}" for name, value in fields.items() if name != "traceback")
        head = f"{at} {record.levelname} {record.name}: {_escaped(record.getMessage())}{shown}"
        return "\n  ".join([head, *map(_escaped, traceback.splitlines())])


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment: a live panel, or the recording of an evaluation, takes its place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing ends, or complains, because a line of the log can't be written."""


class _Log:
    """The log of this process, while it has one."""

    handler: logging.Handler | None = None
    formatter = LineFormatter(LogForm.TEXT)
    chosen: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed


@contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Log warnings and errors as text while a command runs, unless `choose` says otherwise."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    _Log.handler, _Log.formatter, _Log.chosen = _Stderr(), LineFormatter(LogForm.TEXT), {}
    _Log.handler.setFormatter(_Log.formatter)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(_Log.handler)
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).removeHandler(_Log.handler)
            logging.getLogger(name).setLevel(level)
        _Log.handler, _Log.chosen = None, {}


def choose(*, level: LogLevel | None = None, form: LogForm | None = None) -> None:
    """Change what is logged, and how, until the command ends; None: as it was."""
    if level is not None:
        _Log.chosen = _Log.chosen | {LEVEL_VARIABLE: str(level)}
        for name in ("gasearch", "gasearch_workers"):
            logging.getLogger(name).setLevel(level.upper())
    if form is not None:
        _Log.chosen = _Log.chosen | {FORM_VARIABLE: str(form)}
        _Log.formatter.form = form


def chosen() -> dict[str, str]:
    """The choices, as variables of the environment of a command of ours in a process of its own."""
    return dict(_Log.chosen)


def stands_in() -> bool:
    """Says that the log replaces what a command would print of a running search: it holds more, or is JSON."""
    is_full = logging.getLogger("gasearch").isEnabledFor(logging.INFO)
    return _Log.handler is not None and (is_full or _Log.formatter.form is LogForm.JSON)


def said_as_json(text: str) -> bool:
    """Write what a command says as a line of the log, where that is JSON: then stderr holds nothing else."""
    if _Log.handler is None or _Log.formatter.form is not LogForm.JSON:
        return False
    fields = {"name": "gasearch.cli", "levelname": "INFO", "levelno": logging.INFO, "msg": text}
    _Log.handler.handle(logging.makeLogRecord(fields))
    return True


@contextmanager
def about(search: str) -> Iterator[None]:
    """Let lines of events that name no search name this one."""
    before, _Log.formatter.search = _Log.formatter.search, search
    try:
        yield
    finally:
        _Log.formatter.search = before


def _plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    match value:
        case dict():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int():
            return value
        case _:
            return str(value)


def _text(value: Any) -> str:
    """A field in a line of text: a word as it is, all else as JSON."""
    if isinstance(value, str) and value and not any(char.isspace() or char in '"=' for char in value):
        return _escaped(value)
    return _escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _escaped(text: str) -> str:
    """The text on one line, without codes that a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
