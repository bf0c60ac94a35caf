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
from gasearch.storage.sql import open_archive, open_reader
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


# --- what can't be read -----------------------------------------------------------------------------------------


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
