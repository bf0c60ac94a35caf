import shutil
import sqlite3
from contextlib import closing

import pytest

from gasearch.errors import StoreLost
from gasearch.storage.sqlite_file import SqliteFile, checkpoint, open_file, write_back


@pytest.fixture
def path(tmp_path, migrated_sqlite_file):
    return shutil.copy(migrated_sqlite_file, tmp_path / "a ?%23 name.db")


def test_a_file_that_was_deleted_or_replaced_is_lost(path, tmp_path):
    file = SqliteFile(path, "the store")
    file.require_same()
    path.rename(tmp_path / "away.db")
    with pytest.raises(StoreLost, match=r"the file of the store was deleted or moved away while it was in use"):
        file.require_same()
    shutil.copy(tmp_path / "away.db", path)
    assert not file.is_same()
    with pytest.raises(StoreLost, match=r"was replaced by another file while it was in use"):
        file.require_same()
    (tmp_path / "away.db").replace(path)
    file.require_same()


def test_a_checkpoint_empties_the_log_and_keeps_the_wait_for_locks(path):
    with closing(open_file(path, "mode=rw", patience_s=7.0)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        log = path.with_name(f"{path.name}-wal")
        assert log.stat().st_size > 0
        checkpoint(connection, patience_s=0.1)
        assert log.stat().st_size == 0
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (7000,)


def test_what_a_killed_writer_left_in_the_log_is_written_back(path, tmp_path):
    writer = open_file(path, "mode=rw")
    writer.execute("CREATE TABLE notes (text)")
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    shutil.copy(f"{path}-wal", f"{copy}-wal")
    writer.close()
    write_back(copy)
    assert not copy.with_name("copy.db-wal").exists()
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def test_writing_back_leaves_what_is_no_database_alone(tmp_path):
    for name in ("none.db", "odd.db"):
        write_back(tmp_path / name)
    (tmp_path / "odd.db").write_text("Shopping list")
    (tmp_path / "odd.db-wal").write_text("eggs")
    write_back(tmp_path / "odd.db")
    assert (tmp_path / "odd.db").read_text() == "Shopping list"
