import os
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from gasearch.errors import StoreError
from gasearch.storage import patience
from gasearch.storage.sql import current, open_archive, open_reader, upgrade
from tests.doubles.connections import listening, writing
from tests.doubles.records import UNCHANGED, candidate, measured, new_search


def silent(message):
    """No one listens."""


@pytest.fixture
def path(tmp_path, migrated_sqlite_url):
    return tmp_path / "store.db"


@pytest.fixture
def started(migrated_sqlite_url):
    """An archive with a search of 2,000 candidates, and its lease."""
    archive = open_archive(migrated_sqlite_url, notice=silent)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(2000)])
    yield archive, lease
    archive.close()


# --- what can't be opened ---------------------------------------------------------------------------------------


def open_for_writing(url):
    open_archive(url, notice=silent).close()


@pytest.mark.parametrize("opener", [open_for_writing, open_reader, current, lambda url: upgrade(url, silent)])
@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("results.db", r"a database is named by a URL such as sqlite:///results.db or .*; got 'results.db'"),
        ("", r"a database is named by a URL"),
        ("mysql://u:secret@host/db", r"'mysql' databases are not supported; use sqlite:///"),
        ("sqlite://", r"must be a file, to outlive the process"),
        ("sqlite:///:memory:", r"must be a file, to outlive the process"),
        ("postgresql+asyncpg://u:secret@host/db", r"'postgresql\+asyncpg' databases are not supported"),
        ("//u:secret@host/db", r"a database is named by a URL .*; got '//u:\*\*\*@host/db'"),
    ],
)
def test_a_url_of_no_database_is_refused(opener, url, complaint):
    with pytest.raises(StoreError, match=complaint) as caught:
        opener(url)
    assert "secret" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"the folder .*/nowhere of the database sqlite:.* does not exist: create it"):
        open_for_writing(f"sqlite:///{tmp_path}/nowhere/store.db")


@pytest.mark.parametrize("opener", [open_reader, current])
def test_a_reader_creates_no_database(tmp_path, opener):
    with pytest.raises(
        StoreError, match=r"there is no database sqlite:.*: run a search first, or name another one with"
    ):
        opener(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opener", [open_for_writing, open_reader, current])
def test_a_foreign_file_is_no_database(tmp_path, opener):
    (tmp_path / "notes.txt").write_text("Shopping list: " + 500 * "eggs, ")
    with pytest.raises(StoreError, match=r"notes.txt is not a SQLite database: name another file with --db"):
        opener(f"sqlite:///{tmp_path}/notes.txt")
    assert (tmp_path / "notes.txt").read_text().startswith("Shopping list")


def test_a_folder_is_no_database(tmp_path):
    for opener in (open_for_writing, open_reader):
        with pytest.raises(StoreError, match=r"is a folder: name a file in it with --db"):
            opener(f"sqlite:///{tmp_path}")


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "store.db").touch()
    with pytest.raises(StoreError, match=r"holds no gasearch data"):
        open_reader(f"sqlite:///{tmp_path}/store.db")
    open_for_writing(f"sqlite:///{tmp_path}/store.db")
    open_reader(f"sqlite:///{tmp_path}/store.db").close()


def test_a_truncated_file_is_said_to_be_damaged(path, migrated_sqlite_url, started):
    archive, lease = started
    archive.close()
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(StoreError, match=r"is damaged: restore it from a backup"):
        read_candidates(migrated_sqlite_url, lease)


def read_candidates(url, lease):
    reader = open_reader(url)
    try:
        return list(reader.candidates(lease.search_id))
    finally:
        reader.close()


def start_as_nobody(work):
    """Run work in a child process without the rights of root; its number."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            work()
        except StoreError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(4)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    return child


def status_of(child):
    """The exit status of a child process, when it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def public_folder():
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="gasearch-test-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user to be")


@needs_root
def test_a_store_of_another_user_can_be_read_but_not_written(capfd, public_folder, migrated_sqlite_file):
    shutil.copy(migrated_sqlite_file, public_folder / "store.db")
    os.chmod(public_folder / "store.db", 0o644)
    url = f"sqlite:///{public_folder}/store.db"

    def read_before_and_after_a_write():
        reader = open_reader(url)
        assert reader.searches() == []
        os.write(ready, b"!")
        os.read(wait, 1)
        assert [search.name for search in reader.searches()] == ["digits"]

    wait, go = os.pipe()
    is_ready, ready = os.pipe()
    reading = start_as_nobody(read_before_and_after_a_write)
    os.read(is_ready, 1)
    archive = open_archive(url, notice=silent)
    archive.create_search(new_search(), owner="root", ttl_s=60.0)
    archive.close()
    os.write(go, b"!")
    assert status_of(reading) == 0

    def write():
        archive = open_archive(url, notice=silent)
        archive.create_search(new_search(), owner="nobody", ttl_s=60.0)

    assert status_of(start_as_nobody(write)) == 4
    assert "is read-only for this user: make the file and its folder writable" in capfd.readouterr().err


@needs_root
def test_a_store_of_another_user_can_be_read_while_it_is_written(public_folder, migrated_sqlite_file):
    shutil.copy(migrated_sqlite_file, public_folder / "store.db")
    url = f"sqlite:///{public_folder}/store.db"
    archive = open_archive(url, notice=silent)
    archive.create_search(new_search(), owner="root", ttl_s=60.0)
    for file in public_folder.iterdir():
        file.chmod(0o644)
    assert status_of(start_as_nobody(lambda: open_reader(url).search("digits"))) == 0
    archive.close()


# --- what breaks on the way -------------------------------------------------------------------------------------


def at_every_begin(statement):
    """Has each connection run the statement before each transaction."""
    return listening("begin", lambda connection: connection.connection.dbapi_connection.execute(statement))


def add_evaluations(archive, lease, acknowledged):
    """Add outcome after outcome, noting each that is stored."""
    for number in range(2000):
        archive.add_evaluations(lease, [(measured(number, accuracy=0.5), UNCHANGED)])
        acknowledged.append(number)


def test_a_full_disk_ends_in_one_sentence_and_a_store_that_reopens(migrated_sqlite_url, started):
    archive, lease = started
    with writing(migrated_sqlite_url) as connection:
        [pages] = connection.exec_driver_sql("PRAGMA page_count").one()
    acknowledged = []
    full = pytest.raises(
        StoreError, match=r"the disk that holds sqlite:.* is full: free some space, then resume the se"
    )
    with at_every_begin(f"PRAGMA max_page_count = {pages + 20}"), full:
        add_evaluations(archive, lease, acknowledged)
    assert 10 < len(acknowledged) < 2000
    reader = open_reader(migrated_sqlite_url)
    assert [found.candidate for found in reader.evaluations(lease.search_id)] == acknowledged
    reader.close()
    number = len(acknowledged)  # there is space again: the connection that failed, and its limit, are gone
    assert archive.add_evaluations(lease, [(measured(number, accuracy=0.5), UNCHANGED)])


def test_a_store_locked_by_another_program_says_so(path, started, monkeypatch):
    monkeypatch.setattr(patience, "SQLITE_PATIENCE_S", 0.3)
    archive, lease = started
    archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked = pytest.raises(StoreError, match=r"stayed locked by another process: end that process, then try")
        with at_every_begin("PRAGMA busy_timeout = 50"), locked:
            archive.add_evaluations(lease, [(measured(1), UNCHANGED)])
    assert archive.add_evaluations(lease, [(measured(1), UNCHANGED)])


@pytest.mark.parametrize(
    "change",
    ["accuracy = 0.99", "arrival = 7", "worker = 'me'", "seed = seed + 1", "curve = '[{}]'", "failure = 'diverged'"],
)
def test_a_row_edited_by_hand_is_found_and_named(path, started, change):
    archive, lease = started
    for number in range(3):
        archive.add_evaluations(lease, [(measured(number, accuracy=0.5), UNCHANGED)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"UPDATE evaluations SET {change} WHERE candidate = 1")
    with pytest.raises(
        StoreError, match=r"evaluation of candidate 1, attempt 1 \(search 1\) doesn't match its checksum"
    ):
        list(archive.evaluations(lease.search_id))


def test_every_flipped_bit_of_an_outcome_is_found_or_harmless(path, migrated_sqlite_url, started):
    archive, lease = started
    completed = [measured(number, accuracy=number / 50, model_bytes=number) for number in range(50)]
    for record in completed:
        archive.add_evaluations(lease, [(record, UNCHANGED)])
    archive.close()
    intact = path.read_bytes()
    draw = random.Random(7)
    found = 0
    for _ in range(60):
        damaged = bytearray(intact)
        damaged[draw.randrange(len(intact))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            reader = open_reader(migrated_sqlite_url)
        except StoreError:
            found += 1
            continue
        try:
            assert [*reader.evaluations(lease.search_id)] == completed
        except StoreError:
            found += 1
        finally:
            reader.close()
    assert found < 60


# --- a power cut ------------------------------------------------------------------------------------------------


def test_a_log_cut_anywhere_leaves_a_prefix_of_what_was_written(tmp_path, path, started):
    archive, lease = started
    for number in range(40):
        archive.add_evaluations(lease, [(measured(number, accuracy=0.5), UNCHANGED)])
    log = Path(f"{path}-wal").read_bytes()
    draw = random.Random(1)
    for trial in range(25):
        copy = tmp_path / f"cut{trial}.db"
        shutil.copy(path, copy)
        Path(f"{copy}-wal").write_bytes(log[: draw.randrange(len(log))])
        archive_or_none = open_archive(f"sqlite:///{copy}", notice=silent)
        completed = [found.candidate for found in archive_or_none.evaluations(lease.search_id)]
        assert completed == list(range(len(completed)))
        archive_or_none.close()
