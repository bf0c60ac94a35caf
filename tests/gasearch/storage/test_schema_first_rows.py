"""Databases of the first two schemas, with the rows of that time (`rows_0001.json`, `rows_0002.json`)."""

from dataclasses import replace

import pytest
from gasearch_workers.messages import CurvePoint, Failure, FailureKind, Measurement
from sqlalchemy import inspect, text

from gasearch.errors import StoreError
from gasearch.objectives.fitness import FrontChange
from gasearch.storage import sql
from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.records import ReplicateRecord, SearchStatus
from tests.doubles.connections import writing
from tests.doubles.old_stores import make_old_store
from tests.doubles.records import (
    PREDICTED,
    UNCHANGED,
    candidate,
    failed,
    full_measurement,
    key_of,
    measured,
    outcome_of,
    trained_again,
)

#: Everything that the first schema knew.
OLD_MEASUREMENT = replace(full_measurement(), images_seen=None, energy_source=None)


OLD_OUTCOMES = [
    outcome_of(0, full_measurement()),
    measured(1, attempt=2, accuracy=0.5, model_bytes=100, images_seen=5389, energy_j=0.5),
    failed(2),
    measured(3),
]


def of(*revisions):
    """Each of these schemas on each kind of database."""
    return [(database, revision) for database in ("sqlite_url", "empty_postgresql_url") for revision in revisions]


@pytest.fixture
def old_url(request):
    """A database as the version of that schema left it."""
    database, revision = request.param
    url = request.getfixturevalue(database)
    make_old_store(url, revision)
    return url


@pytest.fixture
def reader(old_url):
    """The same after the upgrade, to be read."""
    sql.upgrade(old_url, lambda message: None)
    reader = sql.open_reader(old_url)
    yield reader
    reader.close()


@pytest.fixture
def archive(old_url):
    """The same after the upgrade, to be written."""
    sql.upgrade(old_url, lambda message: None)
    archive = sql.open_archive(old_url, notice=pytest.fail)
    yield archive
    archive.close()


@pytest.mark.parametrize("old_url", of("0001"), indirect=True)
def test_rows_of_the_first_schema_read_back_intact_after_the_upgrade(reader):
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


@pytest.mark.parametrize("old_url", of("0001"), indirect=True)
def test_a_search_of_the_first_schema_goes_on_in_the_new_one(archive):
    lease = archive.claim("digits", owner="bob", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(4)])
    new = outcome_of(4, Measurement(accuracy=0.9, energy_j=0.5, energy_source="rapl", images_seen=180_000))
    assert archive.add_evaluations(lease, [(new, UNCHANGED)])
    assert list(archive.evaluations(1))[-1] == new
    [best] = archive.best(1, metric="images_seen", is_maximized=True)
    assert best.number == 4
    archive.release(lease, state=SearchStatus.STOPPED, reason="")


@pytest.mark.parametrize("old_url", of("0001"), indirect=True)
def test_metrics_that_are_new_follow_from_old_rows_too(reader):
    best, whole = reader.best(1, metric="efficiency", is_maximized=False, count=9)
    assert (best.number, best.metrics["efficiency"]) == (1, (2.0 + 18 * 0.25 / 1000) / 100)
    assert whole.number == 0


@pytest.mark.parametrize("old_url", of("0001"), indirect=True)
def test_a_failed_attempt_of_the_first_schema_is_still_one(old_url):
    sql.upgrade(old_url, lambda message: None)
    engine = writing_engine(parse_url(old_url))
    with engine.connect() as connection:
        kind = connection.execute(text("SELECT failure FROM evaluations WHERE candidate = 1 AND attempt = 1")).scalar()
    engine.dispose()
    assert kind == FailureKind.WORKER_LOST


@pytest.mark.parametrize("old_url", of("0002"), indirect=True)
def test_rows_of_the_second_schema_read_back_intact_after_the_upgrade(reader):
    assert list(reader.evaluations(1)) == OLD_OUTCOMES
    assert list(reader.candidates(1)) == [candidate(number) for number in range(4)]
    assert [network.number for network in reader.front(1)] == [0, 1]
    assert [network.number for network in reader.networks(1)] == [0, 1, 2, 3]
    assert reader.replicates(1) == []
    counts = reader.counts(1)
    assert (counts.completed, counts.failures, counts.retries) == (4, {"diverged": 1}, 1)
    assert (counts.stopped, counts.reused, counts.replicates) == (0, 0, 0)
    assert counts.busy_seconds == pytest.approx(5 * 1.530865, abs=1e-5)


@pytest.mark.parametrize("old_url", of("0002"), indirect=True)
def test_a_search_of_the_second_schema_has_no_context_and_counted_no_workers(reader):
    found = reader.search("digits")
    assert (found.context, found.active_seconds, found.worker_seconds) == ("", 2.5, 0.0)
    assert reader.reusable("", [key_of(0)]) == {}
    assert [(one.operator, one.children, one.measured, one.entered) for one in reader.operators(1)] == [
        ("sample", 4, 3, 2)
    ]


@pytest.mark.parametrize("old_url", of("0002"), indirect=True)
def test_a_search_of_the_second_schema_goes_on_in_the_new_one(archive):
    lease = archive.claim("digits", owner="bob", ttl_s=600.0)
    archive.renew(lease, ttl_s=600.0, active_s=1.0, worker_s=2.0)
    assert archive.search("digits").worker_seconds == 2.0
    archive.add_candidates(lease, [candidate(4, predicted=PREDICTED)])
    archive.add_replicates(lease, [ReplicateRecord(candidate=0, replicate=1, completed=4)])
    curve = (CurvePoint(epoch=0.5, train_loss=None, accuracy=0.125),)
    stopped = outcome_of(4, Failure(kind=FailureKind.STOPPED, message="", curve=curve))
    again = trained_again(0, arrival=5, gain=0.0, accuracy=0.25)
    assert archive.add_evaluations(lease, [(stopped, UNCHANGED)])
    assert archive.add_evaluations(lease, [(again, FrontChange(left=(0,)))])
    assert list(archive.evaluations(1)) == [*OLD_OUTCOMES, stopped, again]
    assert archive.network(1, key_of(0)).metrics == {"accuracy": 0.25}
    assert archive.network(1, key_of(4)).predicted == PREDICTED
    archive.release(lease, state=SearchStatus.STOPPED, reason="")


@pytest.mark.parametrize("old_url", of("0002"), indirect=True)
def test_an_outcome_still_needs_its_candidate_after_the_upgrade(archive):
    lease = archive.claim("digits", owner="bob", ttl_s=600.0)
    with pytest.raises(StoreError, match=r"refused"):
        archive.add_evaluations(lease, [(outcome_of(99, Measurement(), arrival=9), UNCHANGED)])


@pytest.mark.parametrize("old_url", of("0002"), indirect=True)
def test_the_upgrade_leaves_one_check_of_the_kinds_of_failure_and_no_other_table(old_url):
    sql.upgrade(old_url, lambda message: None)
    engine = writing_engine(parse_url(old_url))
    with engine.connect() as connection:
        inspector = inspect(connection)
        [check] = inspector.get_check_constraints("evaluations")
        assert "'stopped'" in check["sqltext"]
        assert [name for name in inspector.get_table_names() if name.startswith("_alembic")] == []
    engine.dispose()


@pytest.mark.parametrize("old_url", of("0001", "0002"), indirect=True)
@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("change", ["accuracy = 0.75", "epochs = 4"])
def test_a_row_that_was_changed_before_the_upgrade_or_after_it_is_noticed(old_url, change, is_before):
    changes = f"UPDATE evaluations SET {change} WHERE candidate = 3"
    if is_before:
        with writing(old_url) as connection:
            connection.exec_driver_sql(changes)
    sql.upgrade(old_url, lambda message: None)
    if not is_before:
        with writing(old_url) as connection:
            connection.exec_driver_sql(changes)
    require_noticed(old_url)


@pytest.mark.parametrize("old_url", of("0001", "0002"), indirect=True)
@pytest.mark.parametrize("change", ["replicate = 1", "gain = 0.5", "images_seen = 7", "energy_source = 'rapl'"])
def test_a_column_that_an_old_row_lacked_is_not_filled_unnoticed(old_url, change):
    sql.upgrade(old_url, lambda message: None)
    with writing(old_url) as connection:
        connection.exec_driver_sql(f"UPDATE evaluations SET {change} WHERE candidate = 3")
    require_noticed(old_url)


def require_noticed(url):
    reader = sql.open_reader(url)
    with pytest.raises(StoreError, match=r"evaluation of candidate 3, attempt 1 .* doesn't match its checksum"):
        list(reader.evaluations(1))
    reader.close()
