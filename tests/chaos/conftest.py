"""Forked controllers for each test, and the figures of a run, printed at its end."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests.chaos.forks import Forks

FIGURE = "figure"  #: Name of the property of a test that holds a sentence.


@pytest.fixture(scope="session")
def _server(tmp_path_factory):
    forks = Forks(tmp_path_factory.mktemp("controllers"))
    yield forks
    forks.close()


@pytest.fixture
def forks(_server):
    """What forks controllers."""
    return _server


@pytest.fixture
def sqlite(migrated_sqlite_file):
    """The URL of an empty SQLite store, in memory where there is such a folder: a kill spares what is written."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        shutil.copy(migrated_sqlite_file, f"{folder}/store.db")
        yield f"sqlite:///{folder}/store.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """The URL of an empty store."""
    return request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgresql_url")


@pytest.fixture
def figure(request):
    """Takes a sentence for the summary at the end."""
    began = time.monotonic()

    def note(sentence):
        line = f"{request.node.name}: {sentence} ({time.monotonic() - began:.0f} s)"
        print(line)
        request.node.user_properties.append((FIGURE, line))

    return note


def pytest_terminal_summary(terminalreporter, config):
    """Print the figures where a long run was asked for; they come with the reports, whichever process ran the test."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    figures = [
        line for report in reports if report.when == "call" for name, line in report.user_properties if name == FIGURE
    ]
    if figures and "slow" in (config.option.markexpr or "").replace("not slow", ""):
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
