"""What may be done to a search from outside, and to which."""

from __future__ import annotations

from contextlib import closing

import pytest

from gasearch.errors import StoreError, UnknownSearch, WrongState
from gasearch.jobs.control import delete_search, stop_search
from gasearch.jobs.weights import weights_folder
from gasearch.storage.access import LOCAL
from gasearch.storage.owner import current_owner
from gasearch.storage.sql import open_archive
from tests.doubles.records import new_submission
from tests.doubles.searches import new_search

ACTIONS = (stop_search, delete_search)


def ignore(message):
    del message


@pytest.fixture
def archive(tmp_path):
    with closing(open_archive(f"sqlite:///{tmp_path}/store.db", notice=ignore)) as opened:
        yield opened


@pytest.mark.parametrize("act", ACTIONS)
def test_a_mistyped_database_is_not_created(tmp_path, act):
    with pytest.raises(StoreError):
        act("small", db_url=f"sqlite:///{tmp_path}/typo.db", notice=ignore)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("act", ACTIONS)
def test_a_search_that_is_not_there_is_named(tmp_path, archive, act):
    with pytest.raises(UnknownSearch, match="small"):
        act("small", db_url=f"sqlite:///{tmp_path}/store.db", notice=ignore)


def test_what_runs_can_be_stopped_and_not_deleted(tmp_path, archive):
    lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=60)
    url = f"sqlite:///{tmp_path}/store.db"
    with pytest.raises(WrongState, match="is being run"):
        delete_search("small", db_url=url, notice=ignore)
    stopped = stop_search("small", db_url=url, notice=ignore)
    assert (stopped.search.name, stopped.submission, stopped.has_left_the_queue) == ("small", None, False)
    assert archive.renew(lease, ttl_s=60, active_s=0.0), "whoever runs it hears of the stop"


def test_with_a_search_go_its_weights_and_no_others(tmp_path, archive, monkeypatch):
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path / "cache"))
    kept = archive.create_search(new_search("kept"), owner=current_owner(), ttl_s=60)
    lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=60)
    archive.release(lease, state="stopped", reason="test")
    folders = [weights_folder(archive.search(name)) for name in ("small", "kept")]
    for folder in folders:
        folder.mkdir(parents=True)
    delete_search("small", db_url=f"sqlite:///{tmp_path}/store.db", notice=ignore)
    assert [folder.exists() for folder in folders] == [False, True]
    assert [one.id for one in archive.searches()] == [kept.search_id]


def test_what_waits_leaves_the_queue_and_is_then_unknown(tmp_path, archive):
    archive.submit(new_submission("small"), actor=LOCAL)
    url = f"sqlite:///{tmp_path}/store.db"
    stopped = stop_search("small", db_url=url, notice=ignore)
    assert (stopped.has_left_the_queue, stopped.search, stopped.submission.exit_status) == (True, None, 130)
    with pytest.raises(UnknownSearch, match="small"):
        stop_search("small", db_url=url, notice=ignore)


def test_of_a_claimed_search_both_its_controller_and_its_owner_hear_of_a_stop(tmp_path, archive):
    archive.submit(new_submission("small"), actor=LOCAL)
    archive.claim_submission(controller="one", ttl_s=60)
    lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=60)
    stopped = stop_search("small", db_url=f"sqlite:///{tmp_path}/store.db", notice=ignore)
    assert (stopped.has_left_the_queue, stopped.search.id) == (False, lease.search_id)
    assert archive.renew(lease, ttl_s=60)
    assert archive.submission("small").is_stop_requested


def test_a_search_that_waits_to_go_on_is_not_deleted(tmp_path, archive):
    lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=60)
    archive.release(lease, state="stopped", reason="test")
    archive.submit(new_submission("small", spec_json=None), actor=LOCAL)
    url = f"sqlite:///{tmp_path}/store.db"
    with pytest.raises(WrongState, match="'small' is in the queue: take it out with `gasearch stop small` first"):
        delete_search("small", db_url=url, notice=ignore)
    assert stop_search("small", db_url=url, notice=ignore).has_left_the_queue
    assert delete_search("small", db_url=url, notice=ignore).name == "small"
