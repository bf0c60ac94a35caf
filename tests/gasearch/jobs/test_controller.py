"""Controllers, real processes over one queue, with real searches of a custom evaluator: killed, stopped, limited."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest

from gasearch.errors import StoreError
from gasearch.jobs.control import stop_search
from gasearch.jobs.controller import Controller
from gasearch.jobs.queue import Submitter
from gasearch.jobs.start import launch
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.storage.access import Actor
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.queued import LONG_S, Controllers, ignore, spec_of, submit, submit_unchecked, until
from tests.doubles.records import new_search
from tests.doubles.searches import digest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def controllers(tmp_path, migrated_sqlite_url):
    started = Controllers(tmp_path, migrated_sqlite_url)
    yield started
    started.close()


@pytest.fixture
def url(controllers):
    return controllers.url


def all_ended(url):
    with closing(open_reader(url)) as reader:
        return not reader.submissions()


def ends(url):
    """Of each name every end there was."""
    found = {}
    with closing(open_reader(url)) as reader:
        for one in reader.ended_submissions(count=999):
            found.setdefault(one.name, []).append(one.exit_status)
    return found


def digest_of(url, name):
    with closing(open_reader(url)) as reader:
        return digest(reader, name)


def undisturbed(tmp_path, **options):
    """What a search of that kind finds when nobody disturbs it."""
    url = f"sqlite:///{tmp_path}/undisturbed.db"
    launch(spec_of("whole", **options), db_url=url, observer=Silent())
    return digest_of(url, "whole")


def status_of(process):
    return process.wait(LONG_S)


# --- from the queue to its end ------------------------------------------------------------------------------------


def test_the_queue_is_worked_off_in_turn_and_each_search_ends_with_its_status(controllers, url, tmp_path):
    submit(url, "later", evaluations=6)
    submit(url, "first", evaluations=6, priority=5)
    submit_unchecked(url, "wrong", evaluator="there_is_none")
    submit_unchecked(url, "failing", evaluator="not_a_number", evaluations=4)
    assert status_of(controllers.start("--until-empty")) == 0
    assert ends(url) == {"first": [0], "later": [0], "wrong": [2], "failing": [1]}
    ended = {name: controllers.submission(name) for name in ends(url)}
    assert ended["first"].message == "all 6 evaluations are done"
    assert "there_is_none" in ended["wrong"].message
    assert ended["failing"].message.startswith("failing failed: ")
    assert ended["first"].ended_at < ended["later"].ended_at < ended["wrong"].ended_at
    assert (ended["first"].epoch, ended["first"].worker_seconds > 0) == (1, True)
    assert "search started search=first" in (tmp_path / "gasearch-first.log").read_text()
    assert check_database(url) == []
    assert "first ended with status 0: all 6 evaluations are done\n" in controllers.words()
    assert list(tmp_path.glob("gasearch-controller-*")) == [], "nor is a spec left behind"


@pytest.mark.slow
def test_several_run_at_once_and_no_submitter_has_more_than_may_be(controllers, url):
    bob = Submitter(actor=Actor(name="bob"), searches=1)
    for number in range(2):
        submit(url, f"bob-{number}", submitter=bob, evaluations=30)
    submit(url, "eve", evaluations=30)
    process, most = controllers.start("--searches", "3", "--until-empty"), set()
    while process.poll() is None:
        with closing(open_reader(url)) as reader:
            claimed = {one.name for one in reader.submissions() if one.state == "claimed"}
        most.add(frozenset(claimed))
        assert not {"bob-0", "bob-1"} <= claimed
        time.sleep(0.02)
    assert ends(url) == {"bob-0": [0], "bob-1": [0], "eve": [0]}
    assert frozenset({"bob-0", "eve"}) in most


# --- a wish to stop -------------------------------------------------------------------------------------------------


def test_a_stop_reaches_what_runs_and_takes_what_waits_out_of_the_queue(controllers, url):
    submit(url, "runs", evaluations=10_000)
    submit(url, "waits")
    controllers.start()
    until(lambda: controllers.completed("runs") > 2)
    assert stop_search("waits", db_url=url, notice=ignore).has_left_the_queue
    assert not stop_search("runs", db_url=url, notice=ignore).has_left_the_queue
    until(lambda: all_ended(url))
    assert ends(url) == {"runs": [130], "waits": [130]}
    with closing(open_reader(url)) as reader:
        record = reader.search("runs")
    assert (record.state, record.reason) == (SearchStatus.STOPPED, "stop requested")


def test_a_controller_that_is_told_to_end_hands_its_searches_back_and_the_next_one_goes_on(controllers, url, tmp_path):
    submit(url, "small", evaluations=60)
    first = controllers.start()
    until(lambda: controllers.completed("small") > 5)
    first.send_signal(signal.SIGTERM)
    assert status_of(first) == 0
    back = controllers.submission("small")
    assert (back.state, back.controller, back.epoch) == ("queued", None, 1)
    assert "small is handed back into the queue\n" in controllers.words()
    assert 5 < controllers.completed("small") < 60
    assert status_of(controllers.start("--until-empty")) == 0
    assert (ends(url), controllers.submission("small").epoch) == ({"small": [0]}, 2)
    assert digest_of(url, "small") == undisturbed(tmp_path, evaluations=60)


# --- one of several dies ------------------------------------------------------------------------------------------


def kill_one_of_two(controllers, url, names, *, searches, evaluations, after=0):
    """Let two controllers work, kill one in the midst of it once so many have ended; returns what that one held."""
    processes = [controllers.start("--searches", str(searches), "--until-empty") for _ in range(2)]
    owned = f"/{processes[0].pid}/"

    def works_on_some():
        with closing(open_reader(url)) as reader:
            held = [one.name for one in reader.submissions() if one.controller and owned in one.controller]
        return len(ends(url)) >= after and any(0 < controllers.completed(name) < evaluations for name in held)

    until(works_on_some, within_s=10 * LONG_S)
    processes[0].kill()
    processes[0].wait()
    with closing(open_reader(url)) as reader:
        left = [one.name for one in reader.submissions() if one.controller and owned in one.controller]
    assert processes[1].wait(10 * LONG_S) == 0, controllers.words(1)
    assert ends(url) == {name: [0] for name in names}
    return left


def test_what_a_killed_controller_leaves_ends_once_under_the_other_one_and_as_if_undisturbed(
    controllers, url, tmp_path
):
    names = [f"s{number}" for number in range(3)]
    for name in names:
        submit(url, name, evaluations=60)
    left = kill_one_of_two(controllers, url, names, searches=1, evaluations=60)
    assert left
    whole = undisturbed(tmp_path, evaluations=60)
    for name in names:
        assert digest_of(url, name) == whole
    assert [controllers.submission(name).epoch for name in left] == [2] * len(left)
    assert check_database(url) == []


@pytest.mark.slow
def test_the_queue_is_kept_when_everything_is_killed_and_started_again(controllers, url, tmp_path):
    submit(url, "small", evaluations=80)
    submit(url, "next", evaluations=6)
    first = controllers.start()
    until(lambda: controllers.completed("small") > 5)
    first.kill()
    first.wait()
    with closing(open_reader(url)) as reader:
        searching = int(reader.search("small").owner.split("/")[1])
    for process in (parent_of(searching), searching):  # the supervisor first
        os.kill(process, signal.SIGKILL)
    assert status_of(controllers.start("--until-empty")) == 0
    assert ends(url) == {"small": [0], "next": [0]}
    assert digest_of(url, "small") == undisturbed(tmp_path, evaluations=80)


def parent_of(process):
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.mark.slow
def test_a_search_that_is_killed_is_started_again_by_its_supervisor(controllers, url, tmp_path):
    submit(url, "small", evaluations=60)
    controllers.start()
    until(lambda: controllers.completed("small") > 5)
    with closing(open_reader(url)) as reader:
        os.kill(int(reader.search("small").owner.split("/")[1]), signal.SIGKILL)
    until(lambda: all_ended(url))
    assert (ends(url), controllers.submission("small").epoch) == ({"small": [0]}, 1)
    assert digest_of(url, "small") == undisturbed(tmp_path, evaluations=60)


@pytest.mark.slow
def test_a_search_whose_supervisor_is_killed_is_waited_for(controllers, url):
    submit(url, "small", evaluations=60)
    controllers.start()
    until(lambda: controllers.completed("small") > 5)
    with closing(open_reader(url)) as reader:
        os.kill(parent_of(int(reader.search("small").owner.split("/")[1])), signal.SIGKILL)
    until(lambda: all_ended(url))
    assert ends(url) == {"small": [0]}
    assert controllers.completed("small") == 60
    assert "small lost its process; it goes on soon\n" in controllers.words()


# --- who holds what: in this process, without a search --------------------------------------------------------------


@pytest.fixture
def here(url):
    """Runs a controller in a thread of this process; returns it with what it says."""
    threads = []

    def start(**options):
        said = []
        controller = Controller(url, notice=said.append, poll_s=0.05, **options)
        thread = threading.Thread(target=controller.run)
        thread.start()
        threads.append((controller, thread))
        return controller, thread, said

    yield start
    for controller, thread in threads:
        controller.stop()
        thread.join(LONG_S)


def owned_search(url, name, *, owner):
    """A search that somebody runs, as it was submitted."""
    archive = open_archive(url, notice=ignore)
    spec = spec_of(name)
    new = new_search(name, spec_json=spec.to_json(), spec_hash=spec.identity_hash())
    return archive, archive.create_search(new, owner=owner, ttl_s=600.0)


def test_a_search_that_another_process_runs_is_waited_for_and_ends_with_its_end(here, url):
    submit(url, "small")
    archive, lease = owned_search(url, "small", owner="elsewhere/1/x-1")
    with closing(archive):
        here()
        until(lambda: archive.submission("small").state == "claimed")
        time.sleep(0.3)
        assert archive.submission("small").state == "claimed"
        archive.release(lease, state=SearchStatus.FINISHED, reason="its space is exhausted")
        until(lambda: all_ended(url))
        ended = archive.submission("small")
    assert (ended.exit_status, ended.message) == (0, "its space is exhausted")


def test_a_stop_reaches_a_search_that_another_process_runs(here, url):
    submit(url, "small")
    archive, lease = owned_search(url, "small", owner="elsewhere/1/x-1")
    with closing(archive):
        here()
        until(lambda: archive.submission("small").state == "claimed")
        stop_search("small", db_url=url, notice=ignore)
        assert archive.renew(lease, ttl_s=600.0)
        archive.release(lease, state=SearchStatus.STOPPED, reason="stop requested")
        until(lambda: all_ended(url))
        assert archive.submission("small").exit_status == 130


def test_a_controller_whose_claim_is_lost_leaves_the_submission_alone(here, url, monkeypatch):
    monkeypatch.setattr("gasearch.jobs.controller.RENEWAL_S", 0.05)
    monkeypatch.setattr("gasearch.jobs.controller.LEASE_S", 0.0)
    submit(url, "small")
    archive, lease = owned_search(url, "small", owner="elsewhere/1/x-1")
    with closing(archive):
        _, _, said = here(searches=1)
        until(lambda: archive.submission("small").state == "claimed")
        taken = archive.claim_submission(controller="another/1/x-1", ttl_s=600.0)
        until(lambda: any("another controller's by now" in one for one in said))
        archive.release(lease, state=SearchStatus.FINISHED, reason="")
        time.sleep(0.3)
        assert archive.submission("small").claim == taken.claim
        archive.end_submission(taken.claim, exit_status=0, message="mine")
        assert archive.submission("small").message == "mine"


def test_a_command_whose_claim_is_lost_is_stopped_so_that_the_other_controller_goes_on(here, url, monkeypatch):
    monkeypatch.setattr("gasearch.jobs.controller.RENEWAL_S", 0.05)
    monkeypatch.setattr("gasearch.jobs.controller.LEASE_S", 0.0)
    submit(url, "small", evaluations=10_000)
    _, _, said = here(searches=1)
    with closing(open_archive(url, notice=ignore)) as archive:
        until(lambda: [one for one in archive.searches() if archive.counts(one.id).completed > 2])
        taken = archive.claim_submission(controller="another/1/x-1", ttl_s=600.0)
        until(lambda: archive.search("small").state is SearchStatus.STOPPED)
        assert archive.search("small").reason == "interrupted"
        assert archive.submission("small").claim == taken.claim
    assert "small is another controller's by now: its search is left to that one" in said


@pytest.mark.slow
def test_device_hours_that_are_spent_stop_what_runs_and_keep_back_what_waits(here, url, monkeypatch):
    monkeypatch.setattr("gasearch.jobs.controller.RENEWAL_S", 0.2)
    bob = Submitter(actor=Actor(name="bob"), device_hours=1e-7)
    for number in range(2):
        submit(url, f"bob-{number}", submitter=bob, evaluations=10_000)
    _, thread, _ = here(is_until_empty=True)
    thread.join(LONG_S)
    with closing(open_reader(url)) as reader:
        [ended], [waiting] = reader.ended_submissions(count=9), reader.submissions()
        assert reader.search("bob-0").state is SearchStatus.STOPPED
    assert (ended.name, ended.exit_status) == ("bob-0", 130)
    assert ended.message == "stopped: the device-hours of bob are spent"
    assert (waiting.name, waiting.has_time) == ("bob-1", False)


def test_a_controller_in_a_thread_hands_back_what_it_waits_for(here, url):
    submit(url, "small")
    archive, _ = owned_search(url, "small", owner="elsewhere/1/x-1")
    with closing(archive):
        controller, thread, _ = here()
        until(lambda: archive.submission("small").state == "claimed")
        assert archive.submission("small").controller == current_owner()
        controller.stop()
        thread.join(LONG_S)
        assert not thread.is_alive()
        assert archive.submission("small").state == "queued"


# --- the database ---------------------------------------------------------------------------------------------------


def test_a_database_that_is_away_is_waited_for(postgresql, postgresql_url):
    said = []
    controller = Controller(postgresql_url, notice=said.append, poll_s=0.05)
    thread = threading.Thread(target=controller.run)
    thread.start()
    until(lambda: any("the controller runs" in one for one in said))
    postgresql.stop()
    until(lambda: any("the queue is asked again until it answers" in one for one in said))
    postgresql.start()
    until(lambda: any("the database answers again after" in one for one in said))
    submit(postgresql_url, "small")
    archive, lease = owned_search(postgresql_url, "small", owner="elsewhere/1/x-1")
    with closing(archive):
        until(lambda: archive.submission("small").state == "claimed")
        archive.release(lease, state=SearchStatus.FINISHED, reason="")
        until(lambda: all_ended(postgresql_url))
    controller.stop()
    thread.join(LONG_S)
    assert not thread.is_alive()


def test_a_database_that_can_t_be_opened_is_an_error(tmp_path):
    with pytest.raises(StoreError):
        Controller(f"sqlite:///{tmp_path}/missing/store.db", notice=ignore).run()


def test_a_controller_loads_nothing_heavy():
    program = (
        "import sys, gasearch.jobs.controller; "
        "print([name for name in ('numpy', 'torch', 'ray', 'scipy', 'deap', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- many at once ---------------------------------------------------------------------------------------------------

SUBMIT_TEN = """
import sys
from tests.doubles.queued import submit
url, client = sys.argv[1], sys.argv[2]
for number in range(10):
    submit(url, f"c{client}-{number}", evaluations=12, evaluator="quick", priority=number % 3)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_a_hundred_searches_of_ten_clients_each_ends_once_though_one_of_two_controllers_is_killed(
    tmp_path, request, database
):
    url = request.getfixturevalue("migrated_sqlite_url" if database == "sqlite" else "postgresql_url")
    controllers = Controllers(tmp_path, url)
    request.addfinalizer(controllers.close)
    began = datetime.now(UTC)

    def client(number):
        command = [sys.executable, "-c", SUBMIT_TEN, url, str(number)]
        return subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": os.getcwd()}, timeout=600)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(client, range(10)))
    names = [f"c{client}-{number}" for client in range(10) for number in range(10)]
    assert not all_ended(url)
    kill_one_of_two(controllers, url, names, searches=2, evaluations=12, after=30)
    whole = undisturbed(tmp_path, evaluations=12, evaluator="quick")
    for name in names:
        assert digest_of(url, name) == whole
    assert check_database(url) == []
    print(f"100 searches in {(datetime.now(UTC) - began).total_seconds():.0f} s")
