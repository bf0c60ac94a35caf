"""Submissions, and controllers in processes of their own that run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gasearch.jobs.queue import LOCAL_USER, submit_new
from gasearch.spec.loader import load_spec
from gasearch.storage.access import LOCAL
from gasearch.storage.queue import NewSubmission, SubmissionRecord, SubmissionState
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.custom_search import CUSTOM_SPEC

ROOT = Path(__file__).parents[2]
LONG_S = 90.0  #: A machine with much else to do takes its time.


def ignore(message: str) -> None:
    """Nobody reads it."""
    del message


def submission(name: str = "small", **changes) -> SubmissionRecord:
    """A submission that was claimed, as the store gives it."""
    now = datetime.now(UTC)
    given = {
        "name": name,
        "spec_json": "{}",
        "spec_hash": "0",
        "id": 1,
        "submitted_at": now,
        "state": SubmissionState.CLAIMED,
        "is_stop_requested": False,
        "controller": "one",
        "is_held": True,
        "epoch": 1,
        "exit_status": None,
        "message": "",
        "ended_at": None,
        "seconds_before": 0.0,
        "worker_seconds": None,
        "running": 1,
        "spent_seconds": 0.0,
    }
    return SubmissionRecord(**given | changes)


def spec_of(name: str, *, evaluator: str = "truth", evaluations: int = 24, seed: int = 5):
    """A small search's spec; `truth` takes 15 ms for each network."""
    changes = {
        "name": name,
        "seed": seed,
        "task": {"evaluator": f"tests.doubles.evaluators:{evaluator}"},
        "space": {"family": "custom", "decisions": {one: {"choices": [*range(16)]} for one in "abc"}},
        "constraints": [],
        "budget": {"evaluations": evaluations},
    }
    return load_spec(CUSTOM_SPEC | changes)


def submit(url: str, name: str, *, priority: int = 0, submitter=LOCAL_USER, **options) -> SubmissionRecord:
    """Queue a small search."""
    return submit_new(spec_of(name, **options), db_url=url, notice=ignore, priority=priority, submitter=submitter)


def submit_unchecked(url: str, name: str, **options) -> SubmissionRecord:
    """Queue a small search without a look at it, whatever its evaluator is."""
    spec = spec_of(name, **options)
    with closing(open_archive(url, notice=ignore)) as archive:
        new = NewSubmission(name=name, spec_json=spec.to_json(), spec_hash=spec.identity_hash())
        return archive.submit(new, actor=LOCAL)


def until(is_true: Callable[[], object], *, within_s: float = LONG_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


class Controllers:
    """Controllers over one database, each `gasearch controller` in a session of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *options: str) -> subprocess.Popen[str]:
        """One more."""
        log = (self.folder / f"controller-{len(self._processes)}.log").open("w")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gasearch", "controller", "--poll", "0.1", *options],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "GASEARCH_DB": self.url, "TMPDIR": str(self.folder)},
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def words(self, number: int = 0) -> str:
        """What one of them has said."""
        return (self.folder / f"controller-{number}.log").read_text()

    def submission(self, name: str) -> SubmissionRecord:
        """The newest submission of that name."""
        with closing(open_reader(self.url)) as reader:
            found = reader.submission(name)
        assert found is not None
        return found

    def completed(self, name: str) -> int:
        """How many outcomes a search has; 0 while there is none of that name."""
        with closing(open_reader(self.url)) as reader:
            records = [one for one in reader.searches() if one.name == name]
            return reader.counts(records[0].id).completed if records else 0

    def close(self) -> None:
        """End what still runs: them, and the searches that they began, as one of them would."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
