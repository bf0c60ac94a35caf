"""The file of a database: whole whenever nobody has it open, and given up when it is taken away from a search."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from gasearch.errors import StoreLost
from gasearch.search.ownership import StopSignal, kept_alive
from gasearch.storage import sql_writer
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import ROOT, finish
from tests.doubles.records import UNCHANGED, candidate, measured, new_search


def silent(message):
    """No one listens."""


@pytest.fixture
def told_in_a_copy(gasearch, tmp_path):
    """How many outcomes a copy of the file alone has, without the log beside it."""

    def completed():
        copy = tmp_path / "elsewhere" / "copy.db"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "store.db", copy)
        with closing(open_reader(f"sqlite:///{copy}")) as reader:
            return reader.counts(reader.search("small").id).completed

    return completed


def log_size(folder):
    log = folder / "store.db-wal"
    return log.stat().st_size if log.exists() else 0


def test_a_finished_search_lies_in_its_file_alone(gasearch, told_in_a_copy):
    assert gasearch.here("run", gasearch.write_spec()).status == 0
    assert sorted(path.name for path in gasearch.folder.iterdir()) == ["small.yaml", "store.db"]
    assert told_in_a_copy() == 40
    for command in (["list"], ["db", "check"], ["db", "current"]):
        assert gasearch.here(*command).status == 0
        assert not (gasearch.folder / "store.db-wal").exists(), command


def test_a_stopped_search_lies_in_its_file_alone(gasearch, told_in_a_copy):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(3, process)
    process.send_signal(signal.SIGINT)
    assert finish(process, timeout_s=30).status == 130
    assert log_size(gasearch.folder) == 0
    assert told_in_a_copy() >= 3


def test_a_search_that_fails_lies_in_its_file_alone(gasearch, told_in_a_copy):
    assert gasearch.here("run", gasearch.write_spec(truth="raises")).status != 0
    assert log_size(gasearch.folder) == 0
    assert told_in_a_copy() == 20


def test_what_a_killed_search_has_left_in_its_log_is_written_back_by_whoever_reads_it(gasearch, told_in_a_copy):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(3, process)
    process.kill()
    finish(process)
    completed = gasearch.completed()
    assert log_size(gasearch.folder) == 0
    assert told_in_a_copy() == completed >= 3


def test_a_reader_that_has_the_file_open_at_the_end_keeps_nothing_out_of_it(gasearch, told_in_a_copy):
    assert gasearch.here("run", gasearch.write_spec(), "--set", "budget.evaluations=8").status == 0
    with closing(open_reader(gasearch.url)) as reader:
        assert len(reader.searches()) == 1
        assert gasearch.here("resume", "small", "--evaluations", "30").status == 0
        assert log_size(gasearch.folder) == 0
        assert told_in_a_copy() == 30


def test_a_reader_in_the_midst_of_its_question_writes_back_what_it_has_hindered(gasearch, told_in_a_copy):
    assert gasearch.here("run", gasearch.write_spec(), "--set", "budget.evaluations=8").status == 0
    path = gasearch.folder / gasearch.url.rpartition("/")[2]
    with closing(open_reader(gasearch.url)), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as asking:
        asking.execute("BEGIN")
        asking.execute("SELECT count(*) FROM searches").fetchall()
        assert gasearch.here("resume", "small", "--evaluations", "30").status == 0
        assert log_size(gasearch.folder) > 0
    assert log_size(gasearch.folder) == 0
    assert told_in_a_copy() == 30


def test_a_running_search_writes_its_log_back_now_and_then(migrated_sqlite_url, tmp_path, monkeypatch):
    with closing(open_archive(migrated_sqlite_url, notice=silent)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(0)])
        archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
        archive.renew(lease, ttl_s=600.0)
        assert log_size(tmp_path) > 0
        monkeypatch.setattr(sql_writer, "CHECKPOINT_EVERY_S", 0.0)
        archive.renew(lease, ttl_s=600.0)
        assert log_size(tmp_path) == 0
        shutil.copy(tmp_path / "store.db", tmp_path / "copy.db")
    with closing(open_reader(f"sqlite:///{tmp_path}/copy.db")) as copy:
        assert [one.candidate for one in copy.evaluations(lease.search_id)] == [0]


def test_a_database_without_a_search_is_not_vouched_for(gasearch):
    assert gasearch.here("db", "upgrade").status == 0
    done = gasearch.here("db", "check")
    assert (done.status, done.out) == (1, "")
    assert done.sentence == f"{gasearch.url} holds no search: nothing was checked"


# --- a file that is taken away ----------------------------------------------------------------------------------


def test_a_search_whose_file_was_deleted_stops(gasearch):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(2, process)
    for end in ("", "-wal", "-shm"):
        (gasearch.folder / f"store.db{end}").unlink()
    done = finish(process, timeout_s=30)
    assert done.status == 4, done.err
    assert done.sentence.startswith(f"the file of {gasearch.url} was deleted or moved away while it was in use: ")
    assert not (gasearch.folder / "store.db").exists()


def test_a_file_that_is_deleted_during_an_evaluation_stops_the_search_without_its_outcome(
    migrated_sqlite_url, tmp_path
):
    stop = StopSignal()
    with closing(open_archive(migrated_sqlite_url, notice=silent)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
        with kept_alive(archive, lease, stop, renewal_s=0.01):
            (tmp_path / "store.db").unlink()
            until = time.monotonic() + 30
            while not stop.is_requested and time.monotonic() < until:
                time.sleep(0.01)
    assert isinstance(stop.error, StoreLost)


def test_a_search_in_whose_file_s_place_another_one_is_put_stops_and_leaves_that_alone(gasearch, tmp_path):
    other = tmp_path / "other.db"
    open_archive(f"sqlite:///{other}", notice=silent).close()
    before = other.read_bytes()
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(2, process)
    os.replace(other, tmp_path / "store.db")
    done = finish(process, timeout_s=30)
    assert done.status == 4, done.err
    assert done.sentence.startswith(f"the file of {gasearch.url} was replaced by another file while it was in use")
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_working_folder_that_changes_takes_no_database_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(open_archive("sqlite:///store.db", notice=silent)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        archive.renew(lease, ttl_s=600.0)
        assert archive.search("digits").is_owned
    assert list((tmp_path / "elsewhere").iterdir()) == []


# --- several at once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_shared", [False, True])
def test_threads_that_each_create_a_database_do_not_mix_their_revisions(tmp_path, is_shared):
    count, errors = 8, []

    def create(turn, number, barrier):
        path = tmp_path / f"store{turn}-{0 if is_shared else number}.db"
        barrier.wait()
        try:
            with closing(open_archive(f"sqlite:///{path}", notice=silent)) as archive:
                archive.create_search(new_search(str(number)), owner="alice", ttl_s=60.0)
        except BaseException as error:
            errors.append(error)

    for turn in range(2):
        barrier = threading.Barrier(count)
        threads = [threading.Thread(target=create, args=(turn, number, barrier)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    found = sorted(tmp_path.glob("*.db"))
    assert len(found) == (2 if is_shared else 16)
    for path in found:
        with closing(open_reader(f"sqlite:///{path}")) as reader:
            assert len(reader.searches()) == (count if is_shared else 1)


SEARCHES_IN_THREADS = """
import sys, threading, gasearch
from pathlib import Path
folder = Path(sys.argv[1])
spec = {"task": {"evaluator": "tests.doubles.evaluators:quick"}, "space": {"family": "custom", "decisions": {
    "a": {"choices": [0, 1, 2, 3]}, "b": {"choices": [0, 1, 2, 3]}}}, "objectives": {"error": "min", "cost": "min"},
    "budget": {"evaluations": 6}, "evolution": {"population": 4}, "workers": {"count": 0}}
found = []
def run(number):
    search = gasearch.run(spec | {"name": f"s{number}"}, db=f"sqlite:///{folder}/{number}.db")
    found.append(search.status().told)
threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(found)
"""


def test_searches_in_threads_of_two_processes_each_find_their_own(tmp_path):
    began = time.monotonic()
    processes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        arguments = [sys.executable, "-c", SEARCHES_IN_THREADS, str(tmp_path / name)]
        processes.append(
            subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        )
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "[6, 6, 6, 6, 6, 6, 6, 6]\n"), err
    print(f"{time.monotonic() - began:.1f} s")
