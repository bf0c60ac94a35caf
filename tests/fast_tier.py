"""The fast tier of the tests, `pytest --fast`: what needs no other process, so neither Ray, PostgreSQL nor a command.

No list says which tests those are. One that asks for a process is left out in that moment, whoever asks for it and
whatever becomes of the refusal; so the tier can't hold a test that needs one. Tests of which one run took more than
`MOST` seconds of CPU are left out by their measured time: `pytest --fast --measure` runs all and writes down which.
"""

from __future__ import annotations

import multiprocessing.process
import sys
import time
from pathlib import Path

import pytest

#: Every way to another process that Python reports to an audit hook before it goes there.
EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}

LEFT_OUT = "needs another process"
LONG = Path(__file__).with_name("long_tests.txt")  #: One test function a line, as measured.
MOST = 0.5  #: CPU seconds, of the slowest run of a function, what it sets up included.

#: What the running test asked for, oldest first; None while none runs: pytest begins workers of its own.
asked: list[str] | None = None


def pytest_addoption(parser):
    """The options that ask for this tier."""
    parser.addoption("--fast", action="store_true", help="leave out tests that ask for another process, and long ones")
    parser.addoption("--measure", action="store_true", help=f"with --fast: run long ones too, and list them in {LONG}")


def pytest_configure(config):
    """From now on no test begins a process."""
    if config.getoption("--fast"):
        sys.addaudithook(refuse)
        multiprocessing.process.BaseProcess.start = refuse_start
        config.pluginmanager.register(Tier(config))


def refuse(event, arguments):
    """An audit hook: what begins a process raises, and is noted for the case that somebody catches that."""
    if event in EVENTS and asked is not None:
        asked.append(f"{event} {arguments[0] if arguments else ''}".strip())
        raise pytest.skip.Exception(f"{LEFT_OUT}: {asked[-1]}")


def refuse_start(process):
    """In the place of `Process.start`: `spawn` goes where no audit hook is asked."""
    refuse("os.fork", ())


def function_of(nodeid):
    """A test's name without its parameters."""
    return nodeid.partition("[")[0]


class Tier:
    """Counts a test that asked for a process as left out, also where it passed or failed with the refusal."""

    def __init__(self, config):
        self.is_measuring = config.getoption("--measure")
        self.long = set()

    def pytest_collection_modifyitems(self, config, items):
        """Leave out what was measured as long."""
        if not self.is_measuring and LONG.exists():
            long = set(LONG.read_text().split())
            config.hook.pytest_deselected(items=[item for item in items if function_of(item.nodeid) in long])
            items[:] = [item for item in items if function_of(item.nodeid) not in long]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        """Begin a test with nothing asked."""
        global asked
        asked = []
        item.user_properties.append(("began_cpu_s", time.process_time()))
        try:
            return (yield)
        finally:
            asked = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """A refusal is what the test came to."""
        report = yield
        report.cpu_s = time.process_time() - dict(item.user_properties)["began_cpu_s"]
        is_done = call.when == "teardown" and not report.failed
        if asked and not is_done and not report.skipped:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), item.location[1], f"{LEFT_OUT}: {asked[0]}")
        return report

    def pytest_runtest_logreport(self, report):
        """Note what took long; in the process that writes the list, whichever ran the test."""
        if report.when == "call" and report.outcome != "skipped" and report.cpu_s > MOST:
            self.long.add(function_of(report.nodeid))

    def pytest_sessionfinish(self, session):
        """Write the list of a run with `--measure`."""
        if self.is_measuring and not hasattr(session.config, "workerinput"):
            LONG.write_text("\n".join([*sorted(self.long), ""]))


def pytest_terminal_summary(terminalreporter, config):
    """Say in one line how many were left out."""
    if config.getoption("--fast"):
        skipped = terminalreporter.stats.get("skipped", ())
        count = sum(LEFT_OUT in str(report.longrepr) for report in skipped)
        terminalreporter.write_line(f"{count} tests left out: each asks for another process (make test runs them)")
