"""A PostgreSQL that goes away and comes back, breaks off, gives way or falls silent; a SQLite file that is locked."""

import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from sqlalchemy import Engine, event, make_url

from gasearch.errors import LeaseLost, StoreError
from gasearch.jobs.stored_check import check_database
from gasearch.objectives.fitness import FrontChange
from gasearch.storage import engines, patience
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import finish
from tests.doubles.records import UNCHANGED, candidate, measured, new_search
from tests.doubles.searches import digest
from tests.doubles.tcp_proxy import Proxy

LONG = 600.0
FAST = {"population: 8": "population: 8, surrogate: false"}  #: Proposals cost nothing.
pytestmark = pytest.mark.timeout(170)


def silent(message):
    """No one listens."""


def digest_of(url):
    with closing(open_reader(url)) as reader:
        return digest(reader)


@pytest.fixture
def archive(postgresql_url):
    archive = open_archive(postgresql_url, notice=silent)
    archive.be_patient(60.0, notice=silent)
    yield archive
    archive.close()


@pytest.fixture
def lease(archive):
    lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
    archive.add_candidates(lease, [candidate(number) for number in range(300)])
    return lease


def completed(archive, lease):
    return [one.candidate for one in archive.evaluations(lease.search_id)]


# --- a real search ------------------------------------------------------------------------------------------------


@pytest.fixture
def reference(gasearch):
    """What the search comes to when nothing happens, on SQLite."""

    def run(spec):
        assert gasearch.here("run", spec).status == 0
        return digest_of(gasearch.url)

    return run


@contextmanager
def over_postgresql(gasearch, url):
    """Let the commands use that database."""
    before = gasearch.url
    gasearch.url = gasearch.environment["GASEARCH_DB"] = url
    yield
    gasearch.url = gasearch.environment["GASEARCH_DB"] = before


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_server_that_is_stopped_at_once_and_started_again_costs_a_search_nothing(
    gasearch, reference, postgresql, postgresql_url, times
):
    spec = gasearch.write_spec(truth="unhurried", **FAST, **{"evaluations: 40": f"evaluations: {30 + 40 * times}"})
    expected = reference(spec)
    with over_postgresql(gasearch, postgresql_url):
        process = gasearch.start("run", spec)
        for turn in range(times):
            gasearch.wait_for(10 + 40 * turn, process)
            postgresql.stop()
            time.sleep(1.5)
            assert process.poll() is None
            postgresql.start()
            before = gasearch.completed()
            while gasearch.completed() == before:
                assert process.poll() is None, finish(process).err
                time.sleep(0.02)
        done = finish(process)
    assert done.status == 0, done.err
    assert done.err.count("doesn't answer (") == done.err.count("answers again after") == times, done.err
    assert "trying again for 10 min" in done.err
    assert digest_of(postgresql_url) == expected
    assert check_database(postgresql_url) == []


@pytest.mark.slow
@pytest.mark.parametrize("times", [100])
def test_connections_that_are_ended_at_random_cost_a_search_nothing(
    gasearch, reference, postgresql, postgresql_url, times
):
    spec = gasearch.write_spec(truth="unhurried", **FAST, **{"evaluations: 40": "evaluations: 200"})
    expected = reference(spec)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed of the instants: {seed}")
    draw, ended = random.Random(seed), 0
    with over_postgresql(gasearch, postgresql_url):
        process = gasearch.start("run", spec)
        gasearch.wait_for(1, process)
        while process.poll() is None and ended < times:
            time.sleep(draw.random() * 0.1)
            postgresql.drop_connections(to=postgresql_url)
            ended += 1
        done = finish(process)
    assert (done.status, ended) == (0, times), done.err
    assert digest_of(postgresql_url) == expected
    assert check_database(postgresql_url) == []


@pytest.mark.slow
def test_a_stop_is_heard_while_the_database_is_away(gasearch, postgresql, postgresql_url):
    spec = gasearch.write_spec(truth="unhurried", **FAST, **{"evaluations: 40": "evaluations: 500"})
    with over_postgresql(gasearch, postgresql_url):
        process = gasearch.start("run", spec)
        gasearch.wait_for(3, process)
        postgresql.stop()
        time.sleep(4.0)
        os.kill(process.pid, signal.SIGINT)
        done = finish(process, timeout_s=60)  # its patience is ten minutes
        postgresql.start()
        assert done.status == 4, done.err
        assert "can't be reached" in done.sentence
        gasearch.environment.pop("GASEARCH_DB")
        assert gasearch.here("resume", "small", "--evaluations", "12").status == 0
        assert gasearch.completed() == 12


@pytest.mark.slow
def test_patience_ends_with_the_way_on(gasearch, postgresql, postgresql_url):
    gasearch.environment["GASEARCH_DB_PATIENCE"] = "2"
    spec = gasearch.write_spec(truth="unhurried", **FAST, **{"evaluations: 40": "evaluations: 500"})
    with over_postgresql(gasearch, postgresql_url):
        process = gasearch.start("run", spec)
        gasearch.wait_for(3, process)
        postgresql.stop()
        done = finish(process, timeout_s=60)
        postgresql.start()
    assert done.status == 4
    assert "can't be reached" in done.sentence


# --- single writes --------------------------------------------------------------------------------------------------


@pytest.fixture
def proxied(postgresql_url):
    """Makes a proxy to the database's server and the URL that leads through it."""
    proxies = []

    def through(**options):
        url = make_url(postgresql_url)
        proxy = Proxy(f"{url.query['host']}/.s.PGSQL.5432", **options)
        proxies.append(proxy)
        direct = url.set(host="127.0.0.1", port=proxy.port).difference_update_query(["host"])
        return proxy, direct.update_query_dict(
            {"sslmode": "disable", "gssencmode": "disable", "connect_timeout": "2"}
        ).render_as_string()

    yield through
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_an_outcome_whose_commit_is_cut_off_before_the_answer_counts_once(proxied, archive, lease, times):
    proxy, url = proxied(cut_commits=3)
    through = open_archive(url, notice=silent)
    through.be_patient(60.0, notice=silent)
    number = 0
    while proxy.cut < times:
        if number % 100 == 0:
            through.add_candidates(lease, [candidate(300 + number + one) for one in range(100)])
        assert through.add_evaluations(lease, [(measured(number, accuracy=0.5), FrontChange(entered=(number,)))])
        number += 1
    through.close()
    assert completed(archive, lease) == list(range(number))
    assert archive.counts(lease.search_id).front_size == number


def test_a_server_that_falls_silent_is_left_and_found_again(proxied, archive, lease, monkeypatch):
    monkeypatch.setattr(engines, "SILENCE_S", 1.0)
    proxy, url = proxied()
    notices = []
    through = open_archive(url, notice=silent)
    through.be_patient(60.0, notice=notices.append)
    assert through.add_evaluations(lease, [(measured(0), UNCHANGED)])
    proxy.is_silent = True
    threading.Timer(2.5, lambda: setattr(proxy, "is_silent", False)).start()
    assert through.add_evaluations(lease, [(measured(1), UNCHANGED)])
    through.close()
    assert completed(archive, lease) == [0, 1]
    assert "doesn't answer (" in notices[0]


@pytest.fixture
def listen_to_commits():
    """Has a function called at each commit until the test ends."""
    listeners = []

    def listen(listener):
        event.listen(Engine, "commit", listener)
        listeners.append(listener)

    yield listen
    for listener in listeners:
        event.remove(Engine, "commit", listener)


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01", "08006"])
def test_a_transaction_that_gives_way_is_done_again(archive, lease, listen_to_commits, state):
    turns = []

    def give_way(connection):
        turns.append(state)
        if len(turns) % 3:
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$")

    listen_to_commits(give_way)
    for number in range(4):
        assert archive.add_evaluations(lease, [(measured(number), UNCHANGED)])
    assert completed(archive, lease) == list(range(4))
    assert len(turns) == 12


@pytest.mark.parametrize("state", ["53100", "58030", "23505"])
def test_a_full_or_failing_disk_of_the_server_is_not_tried_again(archive, lease, listen_to_commits, state):
    def fail(connection):
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$")

    listen_to_commits(fail)
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"refused: injected"):
        archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
    assert time.monotonic() - began < 30.0  # its patience is 60 s


def test_who_was_taken_over_while_the_database_was_away_writes_no_more(postgresql, postgresql_url, archive, lease):
    other = open_archive(postgresql_url, notice=silent)
    archive.renew(lease, ttl_s=0.0)
    other.claim("digits", owner="bob", ttl_s=LONG)
    other.close()
    postgresql.drop_connections(to=postgresql_url)
    with pytest.raises(LeaseLost):
        archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
    assert completed(archive, lease) == []


def test_questions_wait_as_well(postgresql, archive, lease):
    postgresql.stop()
    threading.Timer(0.5, postgresql.start).start()
    assert archive.counts(lease.search_id).candidates == 300
    assert len(list(archive.candidates(lease.search_id))) == 300


def test_the_pauses_grow_to_a_few_seconds_and_no_longer(monkeypatch):
    pauses, now = [], [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])

    def sleep(seconds):
        now[0] += seconds
        pauses.append(seconds)

    monkeypatch.setattr(patience.time, "sleep", sleep)
    waiting = patience.Patience(make_url("postgresql+psycopg://host/db"))
    waiting.seconds = 600.0
    notices = []
    waiting.notice = notices.append
    tries = []

    def refuse(is_repeat):
        tries.append(now[0])
        raise patience_error()

    with pytest.raises(StoreError, match="can't be reached"):
        waiting.keep(refuse, lambda: None)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert [round(gap, 1) for gap in gaps[:7]] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert max(gaps) == pytest.approx(4.0, abs=0.1)
    assert tries[-1] == pytest.approx(600.0, abs=5.0)
    assert len(notices) == 10  # once a minute
    assert "doesn't answer (connection refused): trying again for 10 min" in notices[0]


def test_waiting_ends_soon_after_the_user_wants_the_end(monkeypatch):
    monkeypatch.setattr(patience, "GRACE_S", 0.5)
    waiting = patience.Patience(make_url("postgresql+psycopg://host/db"))
    waiting.seconds = 600.0
    wants_end = threading.Event()
    waiting.is_over = wants_end.is_set
    threading.Timer(0.2, wants_end.set).start()

    def refuse(is_repeat):
        raise patience_error()

    began = time.monotonic()
    with pytest.raises(StoreError, match="can't be reached"):
        waiting.keep(refuse, lambda: None)
    assert time.monotonic() - began < 60.0  # its patience is 600 s


def patience_error():
    import psycopg
    from sqlalchemy.exc import OperationalError

    return OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused"))


# --- SQLite -------------------------------------------------------------------------------------------------------


def test_a_file_locked_by_another_program_is_waited_for(tmp_path, migrated_sqlite_url, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_S", 0.3)
    archive = open_archive(migrated_sqlite_url, notice=silent)
    notices = []
    archive.be_patient(60.0, notice=notices.append)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
    archive.add_candidates(lease, [candidate(0)])
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(2.0, lambda: other.execute("ROLLBACK")).start()
    assert archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
    archive.close()
    other.close()
    assert "doesn't answer (database is locked): trying again for 5" in notices[0]
    assert "answers again after" in notices[1]


@pytest.mark.slow
def test_a_stop_is_heard_while_a_file_is_locked(gasearch):
    process = gasearch.start(
        "run", gasearch.write_spec(truth="unhurried", **FAST, **{"evaluations: 40": "evaluations: 500"})
    )
    gasearch.wait_for(3, process)
    with closing(sqlite3.connect(gasearch.folder / "store.db", isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGINT)
        done = finish(process, timeout_s=60)
    assert done.status == 4, done.err
    assert "stayed locked by another process" in done.sentence
    assert gasearch.here("resume", "small", "--evaluations", "12").status == 0
