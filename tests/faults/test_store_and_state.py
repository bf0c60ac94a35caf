"""A store that can't be reached or is full, and commands that don't fit the state of a search."""

import resource
import sqlite3
from contextlib import closing

import pytest

from tests.doubles.command_line import CUSTOM, finish

LONG = {"evaluations: 40": "evaluations: 300", "population: 8": "population: 8, surrogate: false"}  #: And fast.
MORE_PAGES = 16  #: Than an empty store has: then the disk is full.


def test_a_postgresql_that_nobody_serves_is_named_without_its_password(gasearch):
    url = "postgresql://me:s3cret@127.0.0.1:1/searches"
    done = gasearch.run("run", gasearch.write_spec(), "--db", url)
    assert done.status == 4
    assert "the database postgresql+psycopg://me:***@127.0.0.1:1/searches can't be reached" in done.sentence
    assert "Is it running, and is the address right?" in done.sentence
    assert "s3cret" not in done.out + done.err
    assert gasearch.here("status", "small", "--db", url).status == 4


def test_a_sqlite_file_in_a_missing_folder_is_named(gasearch):
    url = f"sqlite:///{gasearch.folder}/nowhere/store.db"
    done = gasearch.here("run", gasearch.write_spec(), "--db", url)
    assert done.status == 4
    assert f"the folder {gasearch.folder}/nowhere of the database {url} does not exist: create it" in done.sentence
    assert not (gasearch.folder / "nowhere").exists()


def test_a_full_disk_ends_the_search_which_resumes_when_there_is_space(gasearch, migrated_sqlite_file):
    with closing(sqlite3.connect(migrated_sqlite_file)) as connection:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
    hook = f"""
import sqlite3
connect = sqlite3.dbapi2.connect
def connect_to_small_disk(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.execute("PRAGMA max_page_count = {pages + MORE_PAGES}")
    return connection
sqlite3.dbapi2.connect = sqlite3.connect = connect_to_small_disk
"""
    (gasearch.folder / "sitecustomize.py").write_text(hook)
    python_path = gasearch.environment["PYTHONPATH"]
    gasearch.environment["PYTHONPATH"] = f"{gasearch.folder}:{python_path}"
    done = gasearch.run("run", gasearch.write_spec(truth="quick", **LONG))
    assert done.status == 4, done.err
    assert f"the disk that holds {gasearch.url} is full: free some space, then resume the search" in done.sentence
    assert 0 < gasearch.completed() < 300
    gasearch.resumes(completed=300)


def test_a_file_that_may_not_grow_ends_the_search_which_resumes_when_it_may(gasearch):
    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))

    done = gasearch.run("run", gasearch.write_spec(truth="quick", **LONG), prepare=limit_files)
    assert done.status == 4, done.err
    assert f"the disk that holds {gasearch.url}" in done.sentence
    assert 0 < gasearch.completed() < 300
    with closing(sqlite3.connect(gasearch.folder / "store.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    gasearch.resumes(completed=300)


def test_a_second_run_of_the_same_name_is_refused_with_both_ways_on(gasearch):
    spec = gasearch.write_spec()
    assert gasearch.here("run", spec).status == 0
    done = gasearch.run("run", spec)
    assert done.status == 2
    assert (
        "there is a search named 'small' already (finished): go on with `gasearch resume small --evaluations 80`"
        in done.sentence
    )
    assert "--set name=OTHER" in done.sentence
    assert gasearch.completed() == 40
    assert gasearch.here("run", spec, "--set", "name=other").status == 0


@pytest.mark.parametrize("command", ["resume", "status", "best", "stop"])
def test_an_unknown_search_is_answered_by_the_nearest_name(gasearch, command):
    gasearch.here("run", gasearch.write_spec(), "--set", "budget.evaluations=4")
    done = gasearch.here(command, "smal")
    assert done.status == 2
    assert "'smal'" in done.sentence
    assert "did you mean 'small'" in done.sentence


def test_resuming_where_there_is_no_store_says_so_and_creates_none(gasearch):
    done = gasearch.run("resume", "small")
    assert done.status == 4
    assert f"there is no database {gasearch.url}" in done.sentence
    assert list(gasearch.folder.iterdir()) == []


def test_a_finished_search_is_not_resumed_but_extended(gasearch):
    gasearch.here("run", gasearch.write_spec())
    done = gasearch.run("resume", "small")
    assert done.status == 2
    assert "'small' is finished: all 40 evaluations are done" in done.sentence
    assert "extend it with: gasearch resume small --evaluations 80" in done.sentence
    assert gasearch.record().state.value == "finished"
    assert gasearch.here("resume", "small", "--evaluations", "20").status == 2
    assert gasearch.here("resume", "small", "--evaluations", "80").status == 0
    assert gasearch.completed() == 80


def test_a_space_that_is_spent_before_the_budget_ends_the_search_for_good(gasearch):
    tiny = CUSTOM.replace("[0, 1, 2, 3, 4, 5, 6, 7]", "[0, 1]")
    done = gasearch.here("run", gasearch.write_spec(tiny))
    assert (done.status, gasearch.completed()) == (0, 8)
    assert "networks are evaluated; no further one of the space meets the constraints" in done.err
    done = gasearch.here("resume", "small")
    assert done.status == 2
    assert "no further one of the space meets the constraints; widen the space in a new one" in done.sentence


def test_a_search_that_runs_is_not_taken_from_its_owner(gasearch):
    spec = gasearch.write_spec(truth="unhurried", **{"evaluations: 40": "evaluations: 1000"})
    owner = gasearch.start("run", spec)
    gasearch.wait_for(2, owner)
    for command in (["resume", "small"], ["run", spec]):
        done = gasearch.here(*command)
        assert done.status == 2
        assert f"process {owner.pid} on " in done.sentence or "already" in done.sentence
    assert f"process {owner.pid} on " in gasearch.here("resume", "small").sentence
    assert gasearch.here("stop", "small").status == 0
    _, err = owner.communicate(timeout=30)
    assert owner.returncode == 130, err
    assert "gasearch: small stopped (stop requested) after" in err
    assert "gasearch resume small" in err
    assert gasearch.record().state.value == "stopped"


def test_a_controller_whose_search_was_taken_over_writes_no_more(gasearch):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(2, process)
    with closing(sqlite3.connect(gasearch.folder / "store.db", isolation_level=None)) as connection:
        connection.execute("UPDATE searches SET epoch = epoch + 1, owner = 'elsewhere/1/0-0'")
        completed = gasearch.completed()
        done = finish(process, timeout_s=30)
        assert done.status == 3, done.err
        assert "another controller has taken it over, or it was released; nothing more was written" in done.sentence
        assert gasearch.completed() == completed
        assert gasearch.record().owner == "elsewhere/1/0-0"
        connection.execute("UPDATE searches SET lease_until = 0")
    gasearch.resumes(completed=40)


def test_an_answer_that_finds_no_space_says_so(gasearch):
    gasearch.here("run", gasearch.write_spec(truth="quick"))
    with open("/dev/full", "w") as full:
        done = finish(gasearch.start("front", "small", "--format", "json", stdout=full))
    assert done.status == 1
    assert done.sentence == "can't print the answer to stdout: No space left on device; free some space, then ask again"
