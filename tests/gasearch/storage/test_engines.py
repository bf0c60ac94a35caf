"""What can't be opened, on either kind of database, and what connections heed."""

import sys

import pytest

from gasearch.errors import BadInput, StoreError
from gasearch.storage.sql import current, open_archive, open_reader, upgrade
from tests.doubles.connections import writing


def silent(message):
    """No one listens."""


def open_for_writing(url):
    open_archive(url, notice=silent).close()


@pytest.mark.parametrize("opener", [open_for_writing, open_reader, current, lambda url: upgrade(url, silent)])
@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("foo", r"URL such as sqlite:///results.db or .*; got 'foo'; a SQLite file of that name is sqlite:///foo$"),
        ("sqlite:results.db", r"a database is named by a URL .*; got 'sqlite:results.db'$"),
        ("", r"a database is named by a URL"),
        ("mysql://u:secret@host/db", r"'mysql' databases are not supported; use sqlite:///"),
        ("sqlite://", r"must be a file, to outlive the process"),
        ("sqlite:///:memory:", r"must be a file, to outlive the process"),
        ("postgresql+asyncpg://u:secret@host/db", r"'postgresql\+asyncpg' databases are not supported"),
        ("//u:secret@host/db", r"a database is named by a URL .*; got '//u:\*\*\*@host/db'"),
    ],
)
def test_a_url_of_no_database_is_refused(opener, url, complaint):
    with pytest.raises(BadInput, match=complaint) as caught:
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


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opener", [open_for_writing, open_reader, current])
def test_an_unreachable_server_is_named_without_its_password(opener):
    with pytest.raises(
        StoreError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:9/db can't be reached: .*refused"
    ) as e:
        opener("postgresql://me:secret@127.0.0.1:9/db")
    assert "secret" not in str(e.value)
    assert "Is it running, and is the address right?" in str(e.value)


def test_a_missing_database_is_named(postgresql):
    with pytest.raises(StoreError, match=r'can\'t be reached: .*database "nowhere" does not exist'):
        open_for_writing(postgresql.url("nowhere"))


def test_a_missing_driver_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StoreError, match=r"needs a driver that is not installed .*: pip install 'gasearch\[postgres\]'"
    ):
        open_reader("postgresql://me:secret@localhost/db")


def test_an_old_style_address_is_understood(postgresql_url):
    open_reader(postgresql_url.replace("postgresql://", "postgres://")).close()


def test_limits_keep_a_session_from_waiting_for_ever(postgresql_url):
    with writing(postgresql_url) as connection:
        for setting, expected in (
            ("statement_timeout", "1min"),
            ("lock_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "1min"),
            ("tcp_keepalives_idle", None),
            ("application_name", "gasearch"),
        ):
            found = connection.exec_driver_sql(f"SHOW {setting}").scalar()
            assert expected is None or found == expected


def test_what_the_address_says_has_precedence(postgresql_url):
    with writing(f"{postgresql_url}&application_name=mine&options=-c%20lock_timeout%3D7s") as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "mine"
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "7s"
