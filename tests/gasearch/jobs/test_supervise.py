"""What a supervisor makes of each end of a controller; these controllers are scripts of one line."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from gasearch.errors import StoreError
from gasearch.jobs import supervise as module
from gasearch.jobs.supervise import Standing, Supervisor
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_reader

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def supervised(monkeypatch, tmp_path):
    """Supervises a script of one line; returns the status, the commands that were run, and the notices."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    log = tmp_path / "log"

    def run(script, *standings, first=("run",), again=("resume",), notices=None):
        completed = iter(standings)
        last = [None]

        def standing(name, db_url):
            assert (name, db_url) == ("small", "sqlite:///secret.db")
            last[0] = next(completed, last[0])
            if isinstance(last[0], StoreError):
                raise last[0]
            return last[0]

        monkeypatch.setattr(module, "standing_of", standing)
        noted = f"import sys; print(*sys.argv[1:], file=open({str(log)!r}, 'a')); {script}"
        monkeypatch.setattr(module, "PROGRAM", (sys.executable, "-c", noted))
        notices = [] if notices is None else notices
        status = Supervisor(first, again, name="small", db_url="sqlite:///secret.db", notice=notices.append).run()
        return status, log.read_text().split(), notices

    return run


def stored(measured, *, state=SearchStatus.RUNNING, is_finished=False):
    return Standing(measured=measured, state=SearchStatus.FINISHED if is_finished else state)


@pytest.mark.parametrize("status", [0, 2, 3, 5, 130])
def test_an_end_that_another_start_would_not_change_is_the_end(supervised, status):
    assert supervised(f"sys.exit({status})", None) == (status, ["run"], [])


def test_a_controller_that_died_before_its_search_was_stored_runs_again_then_resumes(supervised):
    status, commands, notices = supervised(DIES, None, None, None, stored(0), stored(1), stored(2, is_finished=True))
    assert (status, commands) == (0, ["run", "run", "resume", "resume"])
    assert notices == [
        "small was killed by SIGKILL; starting it again in 0.01 s",
        "small was killed by SIGKILL; starting it again in 0.02 s",
        "small was killed by SIGKILL; starting it again in 0.01 s",
        "small was killed by SIGKILL, but is finished; see: gasearch front small",
    ]


@pytest.mark.parametrize(
    ("script", "end", "last"),
    [
        (DIES, "was killed by SIGKILL", 137),
        ("sys.exit(1)", "ended with status 1", 1),
    ],
)
def test_five_starts_without_a_new_measurement_are_enough(supervised, script, end, last):
    status, commands, notices = supervised(script, stored(3), first=("resume",))
    assert (status, commands) == (last, ["resume"] * 6)
    assert [notice.rpartition(" ")[0] for notice in notices[:5]] == [
        f"small {end}; starting it again in {pause}" for pause in ("0.01", "0.02", "0.04", "0.08", "0.16")
    ]
    assert notices[5] == (
        f"small {end}; it was started 5 times again without one new measurement: giving up; "
        "go on with: gasearch resume small"
    )


AWAY = StoreError("the database can't be reached")


def test_a_database_that_is_away_is_waited_for_as_long_as_it_takes(supervised):
    standings = [stored(3), *[AWAY] * 8, stored(3), stored(5), stored(5), stored(9, is_finished=True)]
    status, commands, notices = supervised("sys.exit(4)", *standings, first=("resume",))
    assert (status, commands) == (0, ["resume"] * 12)
    assert [notice.rpartition(" starting it again in ")[2] for notice in notices[:9]] == [
        f"{0.01 * 2**turn:g} s" for turn in range(9)
    ]


def test_a_search_that_is_stored_while_the_database_was_reached_is_never_begun_anew(supervised, monkeypatch):
    monkeypatch.setattr(module, "FIRST_LOOK_S", 0.01)
    slow = "import time; time.sleep(0.2); sys.exit(4)"
    status, commands, _ = supervised(slow, None, None, stored(0), AWAY, stored(1, is_finished=True))
    assert (status, commands) == (0, ["run", "resume"])


def test_nothing_is_started_while_nobody_can_say_whether_the_search_is_stored(supervised):
    standings = [None, AWAY, AWAY, AWAY, AWAY, stored(2), stored(3, is_finished=True)]
    status, commands, notices = supervised("sys.exit(4)", *standings)
    assert (status, commands) == (0, ["run", "resume"])
    assert len(notices) == 4


def test_a_search_that_is_gone_from_its_database_is_not_begun_anew(supervised):
    assert supervised("sys.exit(4)", stored(3), None, first=("resume",)) == (4, ["resume"], [])


def test_a_database_that_never_answered_is_given_up(supervised):
    status, commands, _ = supervised("sys.exit(4)", AWAY)
    assert (status, commands) == (4, ["run"] * 6)


def test_a_search_that_ended_without_a_measurement_is_not_started_again(supervised):
    done = supervised("sys.exit(1)", stored(0), stored(0, state=SearchStatus.FAILED), first=("resume",))
    assert done == (1, ["resume"], [])


def test_progress_is_counted_anew_after_each_new_measurement(supervised):
    standings = [stored(completed) for completed in (0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3)]
    status, commands, _ = supervised(DIES, *standings, stored(3, is_finished=True), first=("resume",))
    assert (status, len(commands)) == (0, 11)


def test_a_run_whose_name_was_taken_never_resumes_the_other_search(supervised):
    _, commands, _ = supervised(DIES, stored(5))
    assert set(commands) == {"run"}


def test_the_database_goes_by_the_environment(supervised):
    check = "import os; sys.exit(0 if os.environ['GASEARCH_DB'] == 'sqlite:///secret.db' else 1)"
    assert supervised(check, None)[0] == 0


def test_each_pause_is_twice_the_one_before_and_the_longest_a_minute():
    assert [module.pause_s(times) for times in (1, 2, 3, 7, 10**6)] == [1.0, 2.0, 4.0, 60.0, 60.0]


def signal_once(is_time, number):
    """Signal this process once it is time."""

    def wait():
        while not is_time():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_controller_s_status_is_the_answer(supervised, number, tmp_path):
    ready = tmp_path / "ready"
    drains = f"signal.signal({int(number)}, lambda *_: sys.exit(130))"
    signal_once(ready.exists, number)
    waits = f"import signal, time; {drains}; open({str(ready)!r}, 'w').close(); time.sleep(60)"
    assert supervised(waits, None) == (130, ["run"], [])


def test_a_controller_that_a_passed_signal_kills_is_not_started_again(supervised, tmp_path):
    ready = tmp_path / "ready"
    signal_once(ready.exists, signal.SIGTERM)
    assert (
        supervised(f"import time; open({str(ready)!r}, 'w').close(); time.sleep(60)", None)[0] == 128 + signal.SIGTERM
    )


def test_a_signal_between_two_starts_ends_it_with_the_command_that_resumes(supervised, monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 60.0)
    notices = []
    signal_once(lambda: notices, signal.SIGTERM)
    status, commands, _ = supervised(DIES, None, notices=notices)
    assert (status, commands) == (130, ["run"])
    assert notices[-1] == "small isn't started again; go on with: gasearch resume small"


def test_the_supervisor_loads_nothing_heavy():
    program = (
        "import sys, gasearch.jobs.supervise; "
        "print([name for name in ('numpy', 'torch', 'ray', 'scipy', 'deap') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_standing_is_read_from_the_database(tmp_path):
    from tests.doubles.archived import fill_database

    url = f"sqlite:///{tmp_path}/store.db"
    assert module.standing_of("digits", url) is None
    fill_database(url, state=SearchStatus.FINISHED)
    assert module.standing_of("other", url) is None
    found = module.standing_of("digits", url)
    assert found is not None
    assert found.state is SearchStatus.FINISHED
    with closing(open_reader(url)) as reader:
        counts = reader.counts(reader.search("digits").id)
    assert sum(counts.failures.values()) > 0
    assert found.measured == counts.completed - sum(counts.failures.values()) > 0
    with pytest.raises(StoreError):
        module.standing_of("digits", f"sqlite:///{tmp_path}")
