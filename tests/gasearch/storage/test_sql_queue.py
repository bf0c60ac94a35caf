"""The queue's statements: what they cost in a queue that has grown long; what they do is in the contract."""

from contextlib import closing

import pytest
from sqlalchemy import insert, select, text

from gasearch.storage import checksums, tables
from gasearch.storage.checksums import stamped
from gasearch.storage.rows import row_of
from gasearch.storage.sql import open_archive
from gasearch.storage.sql_queue import HOLDERS, is_claimable
from tests.doubles.connections import reading, writing
from tests.doubles.records import new_submission


def fill(url, count, **changes):
    """Rows as the store writes them."""
    row = {"submitted_at": 1.0, "seconds_before": 0.0, "state": "queued", "message": "", "is_stop_requested": False}
    row |= {"controller": None, "epoch": 0, "lease_until": 0.0, "exit_status": None, "ended_at": None}
    row |= {"worker_seconds": None} | changes
    given = [row_of(new_submission(f"s{number}", submitter=f"t{number % 10}", searches=1)) for number in range(count)]
    with writing(url) as connection:
        connection.execute(insert(tables.submissions), [stamped(one | row, checksums.SUBMISSIONS) for one in given])


def steps_of_sqlite(url, statement):
    """How SQLite goes about a statement."""
    with reading(url) as connection:
        compiled = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
        return [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]


def test_whether_there_is_anything_to_claim_is_asked_of_the_open_ones_alone(migrated_sqlite_url):
    fill(migrated_sqlite_url, 500, state="ended", ended_at=2.0, exit_status=0)
    [step, *_] = steps_of_sqlite(migrated_sqlite_url, HOLDERS)
    assert "uq_submissions_open" in step or "ix_submissions_ended_at" in step


def test_an_idle_queue_is_asked_and_not_locked(migrated_sqlite_url):
    fill(migrated_sqlite_url, 1, state="claimed", controller="elsewhere/1/x-1", lease_until=1e12)
    with (
        closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive,
        writing(migrated_sqlite_url) as other,
    ):
        other.execute(select(tables.submissions))  # holds SQLite's only lock of writers
        assert archive.claim_submission(controller="one", ttl_s=60.0) is None


@pytest.mark.parametrize(
    ("holder", "answer"),
    [
        ({"state": "queued", "controller": None, "is_held": False}, True),
        ({"state": "claimed", "controller": "elsewhere/1/x-1", "is_held": True}, False),
        ({"state": "claimed", "controller": "elsewhere/1/x-1", "is_held": False}, True),
    ],
)
def test_what_waits_or_was_left_behind_can_be_claimed(holder, answer):
    assert is_claimable(holder) is answer


def test_a_long_queue_is_gone_through_in_turn(migrated_sqlite_url):
    fill(migrated_sqlite_url, 3000)
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        claimed = [archive.claim_submission(controller="one", ttl_s=60.0).name for _ in range(10)]
        assert claimed == [f"s{number}" for number in range(10)]
        assert archive.claim_submission(controller="one", ttl_s=60.0) is None
