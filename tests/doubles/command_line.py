"""The real command line, in processes of their own, over one database in one folder."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from unittest.mock import patch

from gasearch.errors import GasearchError
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import SearchRecord
from gasearch.storage.sql import open_reader

Answer = TypeVar("Answer")
ROOT = Path(__file__).parents[2]

CUSTOM = """
name: small
seed: 5
task: {evaluator: "tests.doubles.evaluators:truth"}
space:
  family: custom
  decisions:
    a: {choices: [0, 1, 2, 3, 4, 5, 6, 7]}
    b: {choices: [0, 1, 2, 3, 4, 5, 6, 7]}
    c: {choices: [0, 1, 2, 3, 4, 5, 6, 7]}
objectives: {error: min, cost: min}
evolution: {population: 8}
budget: {evaluations: 40}
workers: {count: 0}
"""

TRAINED = """
name: small
seed: 5
task: {dataset: digits}
space: {family: mlp, layers: [1, 2], width: [4, 8, 16], weight_bits: [2, 4, 8], activation_bits: [4, 8]}
objectives: {accuracy: max, model_bytes: min}
recipe: {epochs: 1, batch_size: 128}
evolution: {population: 4}
budget: {evaluations: 8}
workers: {count: 0}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence that says how the command failed."""
        assert "Traceback" not in self.err, self.err
        sentences = [line for line in self.err.splitlines() if line.startswith("gasearch: ")]
        assert len(sentences) == 1, self.err
        assert "unexpected error" not in sentences[0]
        return sentences[0].removeprefix("gasearch: ")


class CommandLine:
    """Runs `gasearch` in a folder; each process has a session of its own, so that signals reach it alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/store.db"
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "GASEARCH_DB": self.url, "COLUMNS": "200"}
        self.environment.pop("GASEARCH_DEBUG", None)
        self._processes: list[subprocess.Popen[str]] = []

    def write_spec(self, text: str = CUSTOM, **replacements: str) -> str:
        """Write a spec, each key of the replacements put at the place of that word; returns the file's name."""
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "small.yaml").write_text(text)
        return "small.yaml"

    def start(
        self, *arguments: str, prepare: Callable[[], None] | None = None, stdout: IO[str] | int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start a command; `prepare` runs in the new process before it begins."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gasearch", *arguments],
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )
        self._processes.append(process)
        return process

    def run(self, *arguments: str, prepare: Callable[[], None] | None = None, timeout_s: float = 120) -> Done:
        """Run a command to its end."""
        return finish(self.start(*arguments, prepare=prepare), timeout_s=timeout_s)

    def here(self, *arguments: str) -> Done:
        """Run a command in this process: for what doesn't depend on being one of its own, and needs torch."""
        from gasearch import cli

        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(self.folder),
            patch.dict(os.environ, {"GASEARCH_DB": self.url}),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            status = cli.call(arguments)
        return Done(status=status, out=out.getvalue(), err=err.getvalue())

    def resumes(self, *, completed: int, name: str = "small") -> None:
        """Require that `resume` completes the search."""
        done = self.here("resume", name, "--workers", "0")
        assert done.status == 0, done.err
        assert self.completed(name) == completed
        assert self.record(name).state.value == "finished"

    def record(self, name: str = "small") -> SearchRecord:
        """The search as it is stored."""
        return self.ask(lambda reader: reader.search(name))

    def is_stored(self, name: str = "small") -> bool:
        """Whether the search has begun."""
        try:
            return self.ask(lambda reader: reader.counts(reader.search(name).id).candidates) > 0
        except GasearchError:
            return False

    def completed(self, name: str = "small") -> int:
        """How many outcomes are stored; 0 while there is no such search."""
        try:
            return self.ask(lambda reader: reader.counts(reader.search(name).id).completed)
        except GasearchError:
            return 0

    def ask(self, question: Callable[[ArchiveReader], Answer]) -> Answer:
        """What the store answers."""
        with closing(open_reader(self.url)) as reader:
            return question(reader)

    def wait_for(self, completed: int, process: subprocess.Popen[str], *, timeout_s: float = 60) -> None:
        """Wait until so many outcomes are stored, while the process runs."""
        until = time.monotonic() + timeout_s
        while self.completed() < completed:
            assert process.poll() is None, finish(process).err
            assert time.monotonic() < until
            time.sleep(0.005)

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def finish(process: subprocess.Popen[str], *, timeout_s: float = 120) -> Done:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=timeout_s)
    return Done(status=process.returncode, out=out or "", err=err)
