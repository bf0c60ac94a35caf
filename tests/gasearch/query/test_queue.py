"""What is answered about the queue."""

from contextlib import closing

import pytest

from gasearch.query.queue import queued_named, queued_searches
from gasearch.storage.access import LOCAL
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.records import new_search, new_submission


@pytest.fixture
def archive(migrated_sqlite_url):
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as opened:
        yield opened


def submit(archive, name, **changes):
    archive.submit(new_submission(name, **changes), actor=LOCAL)


def claim(archive, ttl_s=600.0):
    return archive.claim_submission(controller="vm/4711/x-1", ttl_s=ttl_s)


def test_what_runs_comes_first_then_what_waits_by_its_place_then_what_has_ended(archive):
    for name, priority in (("done", 9), ("runs", 8), ("late", 0), ("soon", 1)):
        submit(archive, name, priority=priority)
    archive.end_submission(claim(archive).claim, exit_status=1, message="no")
    claim(archive)
    found = queued_searches(archive, ended=9)
    assert [(one.name, one.place, one.state) for one in found] == [
        ("runs", None, "claimed"), ("soon", 1, "queued"), ("late", 2, "queued"), ("done", None, "ended"),
    ]  # fmt: skip
    assert [one.controller for one in found] == ["process 4711 on vm", None, None, "process 4711 on vm"]
    assert (found[3].exit_status, found[3].message) == (1, "no")
    assert queued_searches(archive) == found[:3]
    assert found[3].since >= found[0].since
    assert found[1].row()["place"] == 1


def test_one_is_found_by_its_name_with_its_place(archive):
    submit(archive, "a")
    submit(archive, "b")
    assert queued_named(archive, "b").place == 2
    archive.stop_submission("b", actor=LOCAL)
    assert (queued_named(archive, "b").place, queued_named(archive, "b").state) == (None, "ended")
    assert queued_named(archive, "c") is None


def test_what_a_submission_waits_for_is_said(archive):
    for name in ("a", "b"):
        submit(archive, name, submitter="bob", searches=1, device_hours=0.5)
    assert [one.waits_for for one in queued_searches(archive)] == ["", ""]
    claimed = claim(archive, ttl_s=0.0)
    assert [one.waits_for for one in queued_searches(archive)] == [
        "another controller: its own is gone", "its turn: bob may have 1 at once",
    ]  # fmt: skip
    lease = archive.create_search(new_search("a"), owner="alice", ttl_s=60.0)
    archive.renew(lease, ttl_s=60.0, worker_s=1980.0)
    archive.release(lease, state=SearchStatus.STOPPED, reason="")
    archive.end_submission(claimed.claim, exit_status=130, message="")
    assert queued_named(archive, "b").waits_for == "device-hours: bob has spent 0.55 of 0.5"
