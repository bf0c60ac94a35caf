"""Databases of every released schema, with the rows of their time, upgraded to the newest one."""

import contextlib
import os
import pty
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from gasearch.errors import StoreError
from gasearch.jobs.start import go_on
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.storage import sql
from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.owner import current_owner
from gasearch.storage.tables import REVISIONS
from tests.doubles.command_line import CommandLine
from tests.doubles.old_stores import make_old_store, rows_in

ROOT = Path(__file__).parents[3]
DATABASES = ("sqlite", "postgresql")


def silent(message):
    """No one listens."""


@pytest.fixture(params=DATABASES)
def url(request):
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "empty_postgresql_url")


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_the_upgrade_changes_no_row_of_before_and_leaves_a_sound_database(url, revision):
    make_old_store(url, revision)
    sql.upgrade(url, silent)
    before, after = rows_in(url, revision)
    assert after == before
    assert check_database(url) == []


def test_checksums_are_made_anew_over_several_parts(sqlite_url):
    revision = runpy.run_path(str(ROOT / "alembic/versions/0006_one_kind_of_checksum.py"))
    make_old_store(sqlite_url, "0005")
    engine = writing_engine(parse_url(sqlite_url))
    first, count = 1000, 2 * revision["PART"] + 1
    with engine.begin() as connection:
        row = dict(connection.execute(text("SELECT * FROM evaluations ORDER BY candidate LIMIT 1")).mappings().one())
        attempts = [row | {"attempt": first + number, "arrival": first + number} for number in range(count)]
        attempts = [row | {"checksum": revision["checksum_of_before"](row)} for row in attempts]
        names = ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO evaluations ({', '.join(row)}) VALUES ({names})"), attempts)
    engine.dispose()
    sql.upgrade(sqlite_url, silent)
    with contextlib.closing(sql.open_reader(sqlite_url)) as reader:
        found = [one.result.attempt for one in reader.attempts_of(row["search_id"], row["candidate"])]
    assert found[-count:] == list(range(first, first + count))


def test_a_search_of_0_3_goes_on_after_the_upgrade(url):
    """It has replicates, stopped trainings, failures and retried attempts, and a front under a limit."""
    make_old_store(url, "0003")
    sql.upgrade(url, silent)
    record = go_on("old", db_url=url, observer=Silent(), evaluations=40)
    assert record.state.value == "finished"
    with_all = sql.open_reader(url)
    counts = with_all.counts(record.id)
    with_all.close()
    assert (counts.completed, counts.retries, counts.failures["diverged"]) == (40, 4, 2)
    assert counts.stopped >= 8
    assert counts.replicates >= 4
    assert check_database(url) == []


def test_a_row_of_before_that_changes_after_the_upgrade_is_found(url):
    make_old_store(url, "0003")
    sql.upgrade(url, silent)
    engine = writing_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE candidates SET operator = 'another' WHERE number = 7"))
    engine.dispose()
    reader = sql.open_reader(url)
    with pytest.raises(
        StoreError, match=r"candidate 7 \(search 1\) doesn't match its checksum: the row was changed or"
    ):
        list(reader.candidates(1))
    reader.close()


# --- several at once, and in the middle ---------------------------------------------------------------------------

UPGRADE = """
import sys, time
from gasearch.storage.sql import upgrade
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
upgrade(sys.argv[1], print)
"""


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("database", "count"), [("sqlite", 4), ("postgresql", 8)])
def test_of_several_upgrades_at_once_one_does_it_and_all_succeed(request, database, count):
    url = request.getfixturevalue("sqlite_url" if database == "sqlite" else "empty_postgresql_url")
    make_old_store(url, "0003")
    at = str(time.time() + 0.6 * count)
    processes = [start(UPGRADE, url, at) for _ in range(count)]
    outputs = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, outputs
    assert "".join(out for out, _ in outputs).count("upgrading the database") == 1
    before, after = rows_in(url, "0003")
    assert after == before
    assert check_database(url) == []


#: Stops inside the transaction of the upgrade after so many statements, saying so; waits there to be killed.
UPGRADE_AND_STOP = """
import sys, time
from sqlalchemy import Engine, event
from gasearch.storage import schema
from gasearch.storage.sql import upgrade
left = int(sys.argv[2])
def count(*call):
    global left
    left -= 1
    if left == 0:
        print("there", flush=True)
        time.sleep(600)
alone = schema._run_alembic
def counted(connection):
    event.listen(connection, "after_cursor_execute", count)
    alone(connection)
schema._run_alembic = counted
upgrade(sys.argv[1], lambda message: None)
print("done", flush=True)
"""


def kill_in_mid_upgrade(url, statements):
    process = start(UPGRADE_AND_STOP, url, str(statements))
    assert process.stdout.readline() == "there\n", process.stderr.read()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("statements", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_an_upgrade_that_is_killed_halfway_leaves_the_old_schema_and_can_be_done_again(url, statements):
    make_old_store(url, "0003")
    kill_in_mid_upgrade(url, statements)
    assert sql.current(url)[0] == "0003"
    before, after = rows_in(url, "0003")
    assert after == before
    sql.upgrade(url, silent)
    assert rows_in(url, "0003") == (before, before)
    assert check_database(url) == []


def test_a_file_of_an_older_schema_is_backed_up_as_it_is(sqlite_url, tmp_path):
    from gasearch.jobs.backup import back_up

    make_old_store(sqlite_url, "0003")
    back_up(sqlite_url, tmp_path / "before.db", is_forced=False, notice=pytest.fail)
    sql.upgrade(sqlite_url, silent)
    shutil.copy(tmp_path / "before.db", tmp_path / "copy.db")
    assert sql.current(f"sqlite:///{tmp_path}/copy.db")[0] == "0003"
    before, after = rows_in(f"sqlite:///{tmp_path}/copy.db", "0003")
    assert after == before


# --- whom an upgrade locks out ----------------------------------------------------------------------------------


@pytest.fixture
def command_line(tmp_path):
    commands = CommandLine(tmp_path)
    yield commands
    commands.close()


def use(commands, url):
    commands.url = commands.environment["GASEARCH_DB"] = url
    return commands


def test_a_file_is_upgraded_by_whoever_goes_on_with_a_search(command_line, sqlite_url):
    use(command_line, sqlite_url)
    make_old_store(sqlite_url, "0003")
    done = command_line.here("resume", "old", "--evaluations", "34")
    assert done.status == 0, done.err
    assert f"upgrading the database {sqlite_url} from revision 0003 to {REVISIONS[-1]}" in done.err
    assert check_database(sqlite_url) == []


@pytest.mark.parametrize("command", [["resume", "old", "--evaluations", "34"], ["run", "small.yaml"]])
def test_a_server_is_upgraded_only_where_that_is_wanted(command_line, empty_postgresql_url, command):
    use(command_line, empty_postgresql_url).write_spec(**{"evaluations: 40": "evaluations: 4"})
    make_old_store(empty_postgresql_url, "0003")
    refused = command_line.here(*command)
    assert refused.status == 4
    assert refused.sentence.startswith("upgrading postgresql+psycopg://")
    assert refused.sentence.endswith(
        f"from schema 0003 to {REVISIONS[-1]} locks out every older gasearch that uses it: do it by `gasearch db "
        "upgrade`, or go on here with --upgrade"
    )
    assert sql.current(empty_postgresql_url)[0] == "0003"
    done = command_line.here(*command, "--upgrade")
    assert done.status == 0, done.err


@pytest.mark.parametrize(("answer", "status", "revision"), [(b"n\n", 4, "0003"), (b"y\n", 0, REVISIONS[-1])])
def test_a_person_at_a_terminal_is_asked(command_line, empty_postgresql_url, answer, status, revision):
    make_old_store(empty_postgresql_url, "0003")
    ours, terminal = pty.openpty()
    command = [sys.executable, "-m", "gasearch", "resume", "old", "--evaluations", "34"]
    environment = command_line.environment | {"GASEARCH_DB": empty_postgresql_url}
    process = subprocess.Popen(command, stdin=terminal, stderr=terminal, stdout=subprocess.DEVNULL, env=environment)
    os.close(terminal)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours, 4096)
    assert b"locks out every older gasearch that uses it; go on?" in said.replace(b"\r\n", b"")
    os.write(ours, answer)
    with contextlib.suppress(OSError):  # the terminal's end
        while os.read(ours, 4096):
            pass
    assert process.wait(60) == status
    os.close(ours)
    assert sql.current(empty_postgresql_url)[0] == revision


def test_a_file_that_an_older_gasearch_writes_to_is_not_taken_away_from_it(sqlite_url):
    make_old_store(sqlite_url, "0003")
    engine = writing_engine(parse_url(sqlite_url))
    with engine.begin() as connection:
        owner = {"owner": current_owner(), "until": time.time() + 600}
        connection.execute(text("UPDATE searches SET owner = :owner, lease_until = :until"), owner)
    engine.dispose()
    with pytest.raises(StoreError, match=r"locks out the search 'old', which an older gasearch is running: do it by"):
        sql.open_archive(sqlite_url, notice=pytest.fail)
    sql.upgrade(sqlite_url, silent)
