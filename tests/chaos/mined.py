"""An archive with a mine at every write: it may kill its process before or after any of them, and logs each one."""

from __future__ import annotations

import inspect
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gasearch.storage.archive import Archive, ArchiveReader

#: What only the owner of a search may call, without what writes nothing.
NO_WRITES = {"be_patient"}
WRITES = tuple(
    name
    for name, _ in inspect.getmembers(Archive, inspect.isfunction)
    if not name.startswith("_") and not hasattr(ArchiveReader, name) and name not in NO_WRITES
)
#: The order of their calls depends on the clock: mines by the number of a write of any kind leave it out.
FROM_THE_CLOCK = "renew"


class MinedArchive:
    """An `Archive` around another one."""

    def __init__(self, archive: Archive, *, mines: Sequence[Mapping[str, Any]] = (), log: str | None = None) -> None:
        """Lay mines.

        Args:
            archive: Does the work.
            mines: Each a `method` ("*": any, save `renew`), the number `count` of the call, from 1 on, and `is_before`.
            log: File that gets a line of JSON for each write that was acknowledged.
        """
        self._archive, self._mines = archive, mines
        self.calls: Counter[str] = Counter()
        self._log = None if log is None else os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._archive, name)
        return self._mined(name, found) if name in WRITES else found

    def _mined(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            if name != FROM_THE_CLOCK:
                self.calls["*"] += 1
            self._step_on(name, is_before=True)
            answer = write(*arguments, **options)
            self._step_on(name, is_before=False)
            self._acknowledge(name, arguments, answer)
            return answer

        return call

    def _step_on(self, name: str, *, is_before: bool) -> None:
        for mine in self._mines:
            is_here = mine["method"] in (name, "*" if name != FROM_THE_CLOCK else name)
            if is_here and mine["is_before"] is is_before and self.calls[mine["method"]] == mine["count"]:
                self._die()

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _acknowledge(self, name: str, arguments: Sequence[Any], answer: Any) -> None:
        if self._log is not None:
            line = {"pid": os.getpid(), "method": name, "wrote": _written(name, arguments, answer)}
            os.write(self._log, (json.dumps(line) + "\n").encode())


def _written(name: str, arguments: Sequence[Any], answer: Any) -> Any:
    """What a reader must find from now on."""
    match name:
        case "create_search" | "claim":
            return answer.epoch
        case "add_candidates":
            return [[record.number, record.key] for record in arguments[1]]
        case "add_evaluations" if answer:
            return [[record.candidate, record.result.attempt, record.arrival] for record, _ in arguments[1]]
        case "add_generation":
            return arguments[1].number
        case _:
            return None


def acknowledged(log: Path) -> list[dict[str, Any]]:
    """The writes of a log, in order."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
