from dataclasses import replace

import pytest

from gasearch.errors import LeaseLost
from gasearch.storage.leases import is_running, own_search, require_lease, update_search
from gasearch.storage.owner import current_owner
from gasearch.storage.sql import open_archive
from tests.doubles.connections import writing
from tests.doubles.records import new_search


@pytest.fixture
def lease(migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=pytest.fail)
    yield archive.create_search(new_search(), owner="alice/4711/1", ttl_s=600.0)
    archive.close()


@pytest.mark.parametrize("change", [{"epoch": 2}, {"owner": "bob"}, {"search_id": 7}])
@pytest.mark.parametrize("check", [require_lease, own_search])
def test_a_lease_that_differs_in_anything_is_lost(migrated_sqlite_url, lease, check, change):
    with writing(migrated_sqlite_url) as connection:
        check(connection, lease)
        with pytest.raises(LeaseLost, match=r"the search no longer belongs to .* \(epoch \d\): another controller has"):
            check(connection, replace(lease, **change))


def test_a_change_of_a_search_keeps_its_checksums(migrated_sqlite_url, lease):
    with writing(migrated_sqlite_url) as connection:
        update_search(connection, own_search(connection, lease), {"reason": "because", "is_stop_requested": True})
        row = own_search(connection, lease)
    archive = open_archive(migrated_sqlite_url, notice=pytest.fail)
    assert (archive.search("digits").reason, row["is_stop_requested"]) == ("because", True)
    archive.close()


@pytest.mark.parametrize(
    ("is_owned", "owner", "expected"),
    [(True, "elsewhere/1/1", True), (False, "elsewhere/1/1", False), (True, current_owner(), True)],
    ids=["elsewhere", "expired", "here"],  # the owner here is another in each process that collects the tests
)
def test_a_search_runs_while_its_lease_is_valid_and_its_owner_not_known_to_be_dead(is_owned, owner, expected):
    assert is_running({"is_owned": is_owned, "owner": owner}) is expected
