"""Processes that start others, found by a mark in their environment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time

from gasearch_workers.machine.processes import descendants, end_processes, marked

MARK = f"GASEARCH_TRIAL=test-{os.getpid()}"


def start_family(command):
    """A shell that runs a command and waits for a word that never comes."""
    name, _, value = MARK.partition("=")
    return subprocess.Popen(
        ["/bin/sh", "-c", f"{command}\necho ready\nread word"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value, "PATH": os.environ["PATH"]},
        start_new_session=True,
    )


@contextlib.contextmanager
def one_family():
    """A process with two children, one in a session of its own."""
    process = start_family("sleep 600 & setsid sleep 601 &")
    assert process.stdout.readline() == b"ready\n"
    # The shell doesn't wait for what it starts: not until its second child has become a leader of its own.
    wait_until(lambda: sorted(os.getsid(child) == process.pid for child in descendants(process.pid)) == [False, True])
    yield process
    end_processes(lambda: {process.pid, *descendants(process.pid), *marked(MARK)})
    process.communicate()


def wait_until(condition, *, within_s=10):
    until = time.monotonic() + within_s
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()
