import math

import pytest

from gasearch.storage.sql import open_archive
from tests.doubles.records import UNCHANGED, candidate, columns_of, failed, measured, new_search, trained_again

TIMES = {"macs": 9, "train_seconds": 2.0, "latency_ms": 0.25, "model_bytes": 100}
RECORDS = (
    measured(0, accuracy=0.5, **TIMES),
    measured(1, others=(("cells", 3.0), ("error", 0.5))),
    failed(2),
    measured(3, others=(("error", 0.25),)),
    trained_again(0, arrival=4, gain=0.0, accuracy=0.25),
)


@pytest.fixture
def archive(migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=pytest.fail)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(4)])
    assert archive.add_evaluations(lease, [(record, UNCHANGED) for record in RECORDS])
    yield archive
    archive.close()


@pytest.mark.parametrize("metrics", [["accuracy"], ["error", "cells", "accuracy"], ["efficiency", "flops"], []])
def test_columns_hold_what_the_records_say(archive, metrics):
    found, expected = archive.outcomes(1, metrics), columns_of(RECORDS, metrics)
    assert len(found) == len(RECORDS)
    assert (found.candidates, found.is_newest, found.is_measured) == (
        expected.candidates,
        expected.is_newest,
        expected.is_measured,
    )
    for name in metrics:
        assert found.metrics[name].tolist() == pytest.approx(expected.metrics[name].tolist(), nan_ok=True)


def test_a_metric_that_no_outcome_has_is_nan_everywhere(archive):
    assert all(map(math.isnan, archive.outcomes(1, ["heat"]).metrics["heat"]))
    names = ("accuracy", "error", "efficiency", "heat", "ERROR")
    assert [archive.has_metric(1, name) for name in names] == [True, True, True, False, False]
