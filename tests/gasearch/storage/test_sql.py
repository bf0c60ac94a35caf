import gc
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from gasearch.errors import NoStore, StoreError
from gasearch.storage.schema import HEAD
from gasearch.storage.sql import current, database_file, open_archive, open_reader, sqlite_file, upgrade_if_older
from tests.doubles.connections import writing
from tests.doubles.old_stores import make_old_store


def test_a_store_is_created_by_who_writes_and_by_no_one_else(sqlite_url):
    for opener in (open_reader, current, lambda url: upgrade_if_older(url, pytest.fail)):
        with pytest.raises(NoStore, match=r"there is no database"):
            opener(sqlite_url)
    said = []
    open_archive(sqlite_url, notice=said.append).close()
    assert [sentence.partition(" sqlite")[0] for sentence in said] == ["creating the database"]
    assert current(sqlite_url) == (HEAD, HEAD)
    open_reader(sqlite_url).close()


def test_an_older_store_is_upgraded_once(sqlite_url):
    make_old_store(sqlite_url, "0002")
    said = []
    for _ in range(2):
        upgrade_if_older(sqlite_url, said.append)
    assert len(said) == 1
    assert f"from revision 0002 to {HEAD}" in said[0]


def test_the_file_of_a_store_is_known_where_it_is_one(migrated_sqlite_url, tmp_path):
    assert database_file(migrated_sqlite_url) == tmp_path / "store.db"
    assert database_file("sqlite:///results.db") == Path("results.db")
    assert sqlite_file(migrated_sqlite_url).is_same()
    assert database_file("postgresql://me@host/db") is sqlite_file("postgresql://me@host/db") is None


@contextmanager
def engines_disposed():
    """Counts the engines that are disposed of."""
    disposed = []

    def note(engine):
        disposed.append(engine)

    event.listen(Engine, "engine_disposed", note)
    try:
        yield disposed
    finally:
        event.remove(Engine, "engine_disposed", note)


@pytest.mark.parametrize("opener", [open_reader, lambda url: open_archive(url, notice=pytest.fail)])
def test_a_store_that_was_opened_keeps_its_connections_until_it_is_closed(migrated_sqlite_url, opener):
    with engines_disposed() as disposed:
        opened = opener(migrated_sqlite_url)
        gc.collect()
        assert disposed == []
        opened.close()
        assert disposed != []


def test_a_store_that_can_t_be_opened_leaves_no_connection(sqlite_url, tmp_path):
    (tmp_path / "store.db").write_bytes(b"no database" * 100)
    with engines_disposed() as disposed, pytest.raises(StoreError):
        open_reader(sqlite_url)
    assert len(disposed) == 1


def test_who_opens_a_store_to_write_waits_longer_than_for_one_write(migrated_sqlite_url, monkeypatch):
    monkeypatch.setattr("gasearch.storage.engines.BUSY_S", 0)
    done = threading.Event()

    def open_and_close():
        open_archive(migrated_sqlite_url, notice=pytest.fail).close()
        done.set()

    opening = threading.Thread(target=open_and_close)
    with writing(migrated_sqlite_url) as other:
        other.exec_driver_sql("DELETE FROM searches")  # holds SQLite's only lock of writers
        opening.start()
        assert not done.wait(0.3)
    opening.join(30)
    assert done.is_set()
