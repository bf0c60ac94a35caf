"""A database of the first schema, with rows that the version of that time wrote (`rows_0001.json`)."""

from dataclasses import replace

import pytest
from gasearch_workers.messages import FailureKind, Measurement
from sqlalchemy import text

from gasearch.errors import StoreError
from gasearch.storage import sql
from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.records import SearchStatus
from tests.doubles.old_stores import make_old_store
from tests.doubles.records import UNCHANGED, candidate, failed, full_measurement, measured, outcome_of

#: Everything that the first schema knew.
OLD_MEASUREMENT = replace(full_measurement(), images_seen=None, energy_source=None)


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request):
    """A database as version 0.1.0 left it, on each kind of database."""
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "empty_postgresql_url")
    make_old_store(url, "0001")
    return url


def test_rows_of_the_first_schema_read_back_intact_after_the_upgrade(old_url):
    sql.upgrade(old_url, lambda message: None)
    reader = sql.open_reader(old_url)
    assert list(reader.evaluations(1)) == [
        outcome_of(0, OLD_MEASUREMENT),
        measured(
            1, attempt=2, accuracy=0.5, params=10, macs=9, model_bytes=100, latency_ms=0.25, latency_spread_ms=0.01,
            train_seconds=2.0,
        ),
        failed(2),
        measured(3),
    ]  # fmt: skip
    assert list(reader.candidates(1)) == [candidate(number) for number in range(4)]
    assert [network.number for network in reader.front(1)] == [0, 1]
    assert reader.counts(1).retries == 1
    reader.close()


def test_a_search_of_the_first_schema_goes_on_in_the_new_one(old_url):
    sql.upgrade(old_url, notice=lambda message: None)
    archive = sql.open_archive(old_url, notice=pytest.fail)
    lease = archive.claim("digits", owner="bob", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(4)])
    new = outcome_of(4, Measurement(accuracy=0.9, energy_j=0.5, energy_source="rapl", images_seen=180_000))
    assert archive.add_evaluations(lease, [(new, UNCHANGED)])
    assert list(archive.evaluations(1))[-1] == new
    [best] = archive.best(1, metric="images_seen", is_maximized=True)
    assert best.number == 4
    archive.release(lease, state=SearchStatus.STOPPED, reason="")
    archive.close()


def test_metrics_that_are_new_follow_from_old_rows_too(old_url):
    sql.upgrade(old_url, lambda message: None)
    reader = sql.open_reader(old_url)
    best, whole = reader.best(1, metric="efficiency", is_maximized=False, count=9)
    assert (best.number, best.metrics["efficiency"]) == (1, (2.0 + 18 * 0.25 / 1000) / 100)
    assert whole.number == 0
    reader.close()


@pytest.mark.parametrize("change", ["images_seen = 7", "energy_source = 'rapl'", "accuracy = 0.75"])
def test_a_changed_row_of_the_first_schema_is_noticed(old_url, change):
    sql.upgrade(old_url, lambda message: None)
    engine = writing_engine(parse_url(old_url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE evaluations SET {change} WHERE candidate = 3"))
    engine.dispose()
    reader = sql.open_reader(old_url)
    with pytest.raises(StoreError, match=r"evaluation of candidate 3, attempt 1 .* doesn't match its checksum"):
        list(reader.evaluations(1))
    reader.close()


def test_a_failed_attempt_of_the_first_schema_is_still_one(old_url):
    sql.upgrade(old_url, lambda message: None)
    engine = writing_engine(parse_url(old_url))
    with engine.connect() as connection:
        kind = connection.execute(text("SELECT failure FROM evaluations WHERE candidate = 1 AND attempt = 1")).scalar()
    engine.dispose()
    assert kind == FailureKind.WORKER_LOST
