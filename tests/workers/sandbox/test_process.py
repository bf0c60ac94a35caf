"""One trial's process: what it says, and how it is said that it has ended. Whole evaluations are in test_host.py."""

import os
import signal
import sys

import pytest
from gasearch_workers.sandbox.channel import Imported, Ready, TryImport
from gasearch_workers.sandbox.process import Ended, TrialProcess


@pytest.fixture
def trial(tmp_path):
    found = TrialProcess(folder=str(tmp_path), environment=dict(os.environ), data=None, device="cpu", paths=sys.path)
    yield found
    found.close()


def said_by(trial, *, within_s=60.0, check=lambda: None):
    return trial.listen(within_s=within_s, check=check)


def test_it_says_that_it_is_ready_and_does_what_it_is_asked(trial):
    assert said_by(trial) == Ready(device="custom")
    trial.order(TryImport(evaluator="tests.doubles.evaluators:measure"))
    assert said_by(trial) == Imported(problem="")


def test_one_that_is_killed_has_ended(trial):
    said_by(trial)
    os.kill(trial.pid, signal.SIGKILL)
    with pytest.raises(Ended, match=r"^killed by signal 9 \(killed\): the system may have run out of memory$"):
        said_by(trial)
    assert not trial.is_running


def test_one_that_says_nothing_is_looked_at_until_its_time_is_up(trial):
    said_by(trial)
    looks = []
    with pytest.raises(TimeoutError):
        said_by(trial, within_s=0.7, check=lambda: looks.append(1))
    assert looks


def test_what_looks_at_it_may_end_the_wait(trial):
    said_by(trial)

    def check():
        raise RuntimeError("too much")

    with pytest.raises(RuntimeError, match="too much"):
        said_by(trial, check=check)


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (Ended(3, place="", words=""), "exit status 3"),
        (Ended(0, place="", words="bye"), "exit status 0; its last words: bye"),
        (Ended(-11, place="toy.py, line 3 in f", words="bye"), "killed by signal 11 (segmentation fault) at toy.py, l"),
    ],
)
def test_an_end_is_told_with_its_place_or_its_last_words(ended, text):
    assert str(ended).startswith(text)
