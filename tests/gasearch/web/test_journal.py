"""What the server writes."""

import logging
from contextlib import closing

import pytest

from gasearch.storage.access import LOCAL, AuditRecord
from gasearch.storage.sql import open_archive, open_reader
from gasearch.web.journal import EVERY_S, Journal
from tests.doubles.records import new_token


@pytest.fixture
def token(sqlite_url):
    with closing(open_archive(sqlite_url, notice=lambda message: None)) as archive:
        return archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)


def test_what_is_added_is_written(sqlite_url, token):
    journal = Journal(sqlite_url)
    for number in range(3):
        journal.add(AuditRecord(who="bootstrap", action="login", address=f"192.0.2.{number}"))
    journal.flush()
    with closing(open_reader(sqlite_url)) as reader:
        assert [one.address for one in reader.audits(count=9)] == ["192.0.2.2", "192.0.2.1", "192.0.2.0", ""]


def test_a_use_is_written_once_a_minute(sqlite_url, token):
    clock, uses = [0.0], []
    journal = Journal(sqlite_url, lambda: clock[0])
    for seconds in (0.0, 1.0, EVERY_S - 1, EVERY_S):
        clock[0] = seconds
        journal.note_use(token.id)
        journal.flush()
        with closing(open_reader(sqlite_url)) as reader:
            uses.append(reader.token(token.digest).used_at)
    assert uses[0] is not None
    assert uses[0] == uses[1] == uses[2] < uses[3]


def test_a_database_that_takes_nothing_is_said_in_the_log_and_stops_nobody(tmp_path, caplog):
    journal = Journal(f"sqlite:///{tmp_path}/nowhere/gasearch.db")
    with caplog.at_level(logging.WARNING, logger="gasearch.web"):
        journal.add(AuditRecord(who="bootstrap", action="login"))
        journal.flush()
        journal.note_use(1)
        journal.flush()
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == ["the journal can't be written"] * 2
