import pytest
from gasearch_workers.messages import FailureKind

from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.records import UNCHANGED, candidate, failed, measured, new_search, trained_again


def fill(archive, records):
    lease = archive.create_search(new_search(), owner="nobody", ttl_s=0.0)
    archive.add_candidates(lease, [candidate(number) for number in range(5)])
    for record in records:
        assert archive.add_evaluations(lease, [(record, UNCHANGED)])
        yield lease.search_id


RECORDS = (
    measured(0, accuracy=0.5),
    failed(1, FailureKind.WORKER_LOST, arrival=-1),
    measured(1, arrival=1, attempt=2),
    failed(2, FailureKind.STOPPED),
    trained_again(0, arrival=3, gain=0.0, accuracy=0.25),
    failed(3, arrival=4),
)


@pytest.fixture
def archive(migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=pytest.fail)
    yield archive
    archive.close()


def test_what_was_remembered_and_what_came_since_are_what_a_fresh_count_finds(archive, migrated_sqlite_url):
    for search_id in fill(archive, RECORDS):
        remembered = archive.counts(search_id)
        fresh = open_reader(migrated_sqlite_url)
        assert remembered == fresh.counts(search_id)
        fresh.close()
    assert (remembered.completed, remembered.stopped, remembered.retries, remembered.replicates) == (5, 1, 1, 1)
    assert remembered.failures == {"diverged": 1}


def test_a_search_that_takes_the_number_of_a_deleted_one_is_counted_anew(archive):
    [*_, before] = fill(archive, RECORDS)
    assert archive.counts(before).completed == 5
    archive.delete_search("digits")
    [after] = fill(archive, RECORDS[:1])
    assert after == before
    assert archive.counts(after).completed == 1
