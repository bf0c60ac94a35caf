"""Backups: of either kind of database, also in use, into one file; and back into either kind."""

import threading
from contextlib import closing

import pytest
from sqlalchemy import select

from gasearch.errors import BadInput, GasearchError, StoreError, WrongState
from gasearch.jobs import start
from gasearch.jobs.backup import back_up, restore
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.storage import sql
from gasearch.storage.damage import snapshot
from gasearch.storage.records import EventRecord
from gasearch.storage.tables import metadata
from tests.doubles.command_line import CommandLine
from tests.doubles.forgery import edit
from tests.doubles.old_stores import make_old_store
from tests.doubles.records import UNCHANGED, candidate, measured, new_search


def silent(message):
    """No one listens."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """A database with a real search of many kinds of rows, on each kind of database."""
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "empty_postgresql_url")
    make_old_store(url, "0003")
    sql.upgrade(url, silent)
    return url


@pytest.fixture
def file(tmp_path):
    return tmp_path / "backups" / "monday 100%.db"


@pytest.fixture(autouse=True)
def folder(file):
    file.parent.mkdir()


def file_url(path):
    return f"sqlite:///{path}"


def rows(url):
    """Every row of every table."""
    with snapshot(url) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def test_a_backup_holds_every_row_in_a_single_file(url, file):
    back_up(url, file, is_forced=False, notice=pytest.fail)
    assert rows(file_url(file)) == rows(url)
    assert check_database(file_url(file)) == []
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_backup_is_restored_into_either_kind_of_database(request, url, file, target, tmp_path, postgresql):
    back_up(url, file, is_forced=False, notice=pytest.fail)
    if target == "sqlite":
        new = file_url(tmp_path / "new.db")
    else:
        new = postgresql.new_database(is_migrated=False)
        request.addfinalizer(lambda: postgresql.drop_database(new))
    restore(file, new, notice=silent)
    assert rows(new) == rows(url)
    record = start.go_on("old", db_url=new, observer=Silent(), evaluations=34)
    assert record.state.value == "finished"
    assert check_database(new) == []


def test_a_backup_of_a_running_search_is_one_that_can_be_gone_on_with(url, file):
    archive = sql.open_archive(url, notice=silent)
    lease = archive.claim("old", owner="alice", ttl_s=600.0)
    notices = []
    back_up(url, file, is_forced=False, notice=notices.append)
    assert archive.renew(lease, ttl_s=600.0) is False  # whose owner has noticed nothing
    archive.close()
    assert notices == ["old is being run: in the copy it is an interrupted search, which `resume` goes on with"]
    with closing(sql.open_reader(file_url(file))) as reader:
        record = reader.search("old")
        assert (record.owner, record.is_owned, record.state.value) == (None, False, "running")
    assert start.go_on("old", db_url=file_url(file), observer=Silent(), evaluations=34).state.value == "finished"
    assert check_database(file_url(file)) == []


def test_a_backup_under_constant_writes_is_one_state_of_the_database(url, file):
    archive = sql.open_archive(url, notice=silent)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number, completed=0) for number in range(2000)])
    is_done = threading.Event()

    def write():
        for number in range(2000):
            if is_done.is_set():
                return
            archive.add_evaluations(lease, [(measured(number), UNCHANGED)])
            archive.add_event(lease, EventRecord(kind="told", message="", candidate=number))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(3):
            back_up(url, file, is_forced=turn > 0, notice=silent)
            with closing(sql.open_reader(file_url(file))) as copy:
                completed, events = copy.counts(lease.search_id).completed, len(copy.events(lease.search_id))
            assert completed - events in (0, 1)
    finally:
        is_done.set()
        writer.join(timeout=60)
        archive.close()


def test_an_existing_file_is_kept_unless_forced(url, file):
    file.write_text("precious")
    with pytest.raises(
        BadInput, match=r"monday 100%.db exists already: choose another name, or replace it with --force"
    ):
        back_up(url, file, is_forced=False, notice=silent)
    assert file.read_text() == "precious"
    back_up(url, file, is_forced=True, notice=silent)
    assert check_database(file_url(file)) == []


def test_a_damaged_database_makes_no_backup(sqlite_url, file):
    make_old_store(sqlite_url, "0003")
    sql.upgrade(sqlite_url, silent)
    edit(sqlite_url, "UPDATE candidates SET operator = 'x' WHERE number IN (1, 2)")
    with pytest.raises(
        GasearchError, match=r"the database is damaged: candidate 1 .* \(and 1 more findings\); no backup was made"
    ):
        back_up(sqlite_url, file, is_forced=False, notice=silent)
    assert list(file.parent.iterdir()) == []


def test_a_damaged_backup_is_not_restored(sqlite_url, file, tmp_path):
    make_old_store(sqlite_url, "0003")
    sql.upgrade(sqlite_url, silent)
    back_up(sqlite_url, file, is_forced=False, notice=silent)
    edit(file_url(file), "UPDATE front SET exited = NULL")
    with pytest.raises(GasearchError, match=r"the backup .*monday 100%.db is damaged: .*; nothing was restored"):
        restore(file, file_url(tmp_path / "new.db"), notice=silent)
    assert not (tmp_path / "new.db").exists()


def test_a_database_with_a_search_is_not_restored_into(url, file):
    back_up(url, file, is_forced=False, notice=silent)
    before = rows(url)
    with pytest.raises(WrongState, match=r"holds 1 searches already: restore into an empty database"):
        restore(file, url, notice=silent)
    assert rows(url) == before


def test_a_restore_that_fails_halfway_leaves_the_database_empty(url, file, tmp_path, monkeypatch):
    from gasearch.storage import copying

    back_up(url, file, is_forced=False, notice=silent)
    monkeypatch.setattr(copying, "CHUNK", 5)

    def break_off(source, statement):
        for count, row in enumerate(copy(source, statement)):
            if count == 20:
                raise KeyboardInterrupt
            yield row

    copy = copying.rows_of
    monkeypatch.setattr(copying, "rows_of", break_off)
    with pytest.raises(KeyboardInterrupt):
        restore(file, file_url(tmp_path / "new.db"), notice=silent)
    assert rows(file_url(tmp_path / "new.db"))["searches"] == []


def test_what_is_no_backup_is_refused(file, tmp_path, sqlite_url):
    with pytest.raises(BadInput, match=r"there is no backup"):
        restore(file, file_url(tmp_path / "new.db"), notice=silent)
    file.write_text("no database " * 200)
    with pytest.raises(StoreError, match=r"is not a SQLite database"):
        restore(file, file_url(tmp_path / "new.db"), notice=silent)
    with pytest.raises(BadInput, match=r"is a folder: name a file in it"):
        back_up(sqlite_url, tmp_path, is_forced=True, notice=silent)
    with pytest.raises(StoreError, match=r"there is no database"):
        back_up(sqlite_url, tmp_path / "new.db", is_forced=False, notice=silent)


def test_a_backup_of_an_older_schema_is_to_be_upgraded_before_it_is_restored(sqlite_url, file, tmp_path):
    make_old_store(sqlite_url, "0003")
    back_up(sqlite_url, file, is_forced=False, notice=silent)
    with pytest.raises(StoreError, match=r"has the older schema 0003 .*: run `gasearch db upgrade`"):
        restore(file, file_url(tmp_path / "new.db"), notice=silent)


def test_the_commands_say_what_they_did(tmp_path, migrated_sqlite_url):
    commands = CommandLine(tmp_path)
    assert (
        commands.here("run", commands.write_spec(truth="quick", **{"evaluations: 40": "evaluations: 10"})).status == 0
    )
    done = commands.here("db", "backup", "copy.db")
    assert (done.status, done.out) == (0, "wrote copy.db; ask it with --db sqlite:///copy.db\n")
    assert commands.here("db", "backup", "copy.db").status == 2
    done = commands.here("db", "restore", "copy.db", "--db", f"sqlite:///{tmp_path}/new.db")
    assert (done.status, done.out) == (0, "restored copy.db\n")
    assert commands.here("best", "small", "--db", f"sqlite:///{tmp_path}/new.db").status == 0
