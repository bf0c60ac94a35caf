"""What becomes of a submission's command; these are scripts of one line."""

import os
import signal
import stat
import sys
import time

import pytest

from gasearch.jobs import job as module
from gasearch.jobs.job import Job
from gasearch.jobs.turns import End
from tests.doubles.queued import submission, until


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts a script of one line as the command of a job."""

    def begin(script, *, is_new=True, **changes):
        monkeypatch.setattr(module, "PROGRAM", (sys.executable, "-c", script))
        job = Job(submission=submission(**changes), log=tmp_path / "log", spec=tmp_path / "spec.json")
        job.start("sqlite:///secret.db", is_new=is_new)
        return job

    return begin


def ended(job, *, is_ending=False):
    """The job after its command's end."""
    job.note_end(job.child.wait(30), is_ending=is_ending)
    return job


def test_the_command_finds_its_spec_in_a_private_file_and_its_database_in_the_environment(start, tmp_path):
    script = "import os, sys; print(sys.argv[1:], open(sys.argv[2]).read(), os.environ['GASEARCH_DB'])"
    job = ended(start(script, spec_json='{"secret": 1}'))
    spec = tmp_path / "spec.json"
    assert (tmp_path / "log").read_text() == (
        f"['run', '{spec}', '--supervise'] {{\"secret\": 1}} sqlite:///secret.db\n"
    )
    assert stat.S_IMODE(spec.stat().st_mode) == 0o600
    job.forget_spec()
    job.forget_spec()
    assert not spec.exists()


def test_a_search_that_goes_on_is_given_its_new_budget(start, tmp_path):
    ended(start("import sys; print(sys.argv[1:])", is_new=False, evaluations=80, hours=0.5))
    assert (tmp_path / "log").read_text() == (
        "['resume', 'small', '--evaluations', '80', '--hours', '0.5', '--supervise']\n"
    )
    assert not (tmp_path / "spec.json").exists()


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (0, End(status=0, message="")),
        (1, End(status=1, message="it is over")),
        (5, End(status=5, message="it is over")),
        (130, End(status=130, message="it is over")),
        (137, End(status=137, message="it is over")),
    ],
)
def test_an_end_of_its_own_is_the_submission_s(start, status, end):
    job = ended(start(f"import sys; print('chatter\\ngasearch: it is over'); sys.exit({status})"))
    assert (job.end, job.is_handed_back, job.refused, job.child) == (end, False, None, None)


@pytest.mark.parametrize("status", [2, 3])
def test_a_refusal_waits_for_a_look_at_the_search(start, status):
    job = ended(start(f"import sys; print('gasearch: no'); sys.exit({status})"))
    assert (job.end, job.refused) == (None, End(status=status, message="no"))


@pytest.mark.parametrize("status", [4, 130, 143, "kill"])
def test_what_is_cut_off_while_the_controller_ends_goes_back_into_the_queue(start, status):
    script = "import os; os.kill(os.getpid(), 9)" if status == "kill" else f"import sys; sys.exit({status})"
    job = ended(start(script), is_ending=True)
    assert (job.end, job.is_handed_back, job.is_over) == (None, True, True)


@pytest.mark.parametrize("is_ending", [False, True])
def test_what_is_cut_off_after_a_wish_to_stop_has_ended(start, is_ending):
    job = start("import sys; sys.exit(130)")
    job.stop_reason = "enough"
    assert ended(job, is_ending=is_ending).end == End(status=130, message="enough")


def test_what_has_finished_nevertheless_is_done(start):
    job = start("pass")
    job.stop_reason = "enough"
    assert ended(job, is_ending=True).end == End(status=0, message="")


def test_a_lost_database_is_waited_for_as_long_as_it_takes_and_longer_each_time(start):
    job, pauses = start("import sys; sys.exit(4)"), []
    for _ in range(8):
        ended(job)
        assert job.end is None
        pauses.append(round(job.starts_at - time.monotonic()))
        job.start("sqlite:///secret.db", is_new=True)
    job.child.wait()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_command_that_is_killed_again_and_again_is_given_up(start):
    job = start("import os; os.kill(os.getpid(), 9)")
    for _ in range(5):
        assert ended(job).end is None
        job.start("sqlite:///secret.db", is_new=True)
    assert ended(job).end == End(status=137, message="")


def test_a_command_that_can_t_be_started_is_an_end(start, tmp_path):
    (tmp_path / "log").mkdir()
    job = start("pass")
    assert (job.child, job.end.status) == (None, 1)
    assert "small can't be started: [Errno 21] Is a directory" in job.end.message


def test_a_signal_reaches_the_command_alone_and_is_counted(start, tmp_path):
    ready = tmp_path / "ready"
    drains = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))"
    job = start(f"import signal, sys, time; {drains}; open({str(ready)!r}, 'w').close(); time.sleep(60)")
    until(ready.exists)
    assert os.getpgid(job.child.pid) == job.child.pid
    job.signal()
    assert job.child.wait(30) == 130
    job.signal()  # it has gone: nobody minds
    assert job.signals == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
