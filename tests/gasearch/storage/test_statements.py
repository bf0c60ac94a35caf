import pytest
from sqlalchemy import bindparam, func, insert, select, update

from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.sql import open_archive
from gasearch.storage.statements import Prepared, insert_once, is_stored
from gasearch.storage.tables import calibrations
from tests.doubles.records import new_search

ROW = {"search_id": 1, "device": "cpu", "reference_latency_ms": 0.25, "created_at": 1.0, "checksum": None}
SLOWER = (
    update(calibrations).where(calibrations.c.device == bindparam("of")).values(reference_latency_ms=bindparam("ms"))
)


@pytest.fixture(params=["migrated_sqlite_url", "postgresql_url"])
def connection(request):
    url = request.getfixturevalue(request.param)
    archive = open_archive(url, notice=pytest.fail)
    archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.close()
    engine = writing_engine(parse_url(url))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_a_row_goes_in_once(connection):
    for latency_ms in (0.25, 0.5):
        connection.execute(insert_once(connection, calibrations), ROW | {"reference_latency_ms": latency_ms})
    assert connection.execute(select(calibrations.c.reference_latency_ms)).scalars().all() == [0.25]


def test_a_row_is_stored_where_all_that_is_asked_about_is_the_same(connection):
    connection.execute(insert(calibrations), ROW)
    assert is_stored(connection, calibrations, ROW, "device", "checksum")
    assert not is_stored(connection, calibrations, ROW | {"checksum": "c"}, "device", "checksum")


def test_a_prepared_statement_runs_for_each_row_and_counts_what_it_changed(connection):
    add, slow = (Prepared(one, connection.engine) for one in (insert(calibrations), SLOWER))
    assert add.execute(connection, [ROW | {"device": name} for name in "abc"]).rowcount == 3
    assert slow.execute(connection, [{"of": name, "ms": 7.0} for name in "acx"]).rowcount == 2
    assert connection.execute(select(func.sum(calibrations.c.reference_latency_ms))).scalar() == 14.25
