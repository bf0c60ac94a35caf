"""Which networks wear "verified": those whose newest verification passed."""

from contextlib import closing

import pytest

import gasearch
from gasearch import cli
from gasearch.objectives.fitness import FrontChange
from gasearch.query.verified import verified_networks
from gasearch.storage.records import Verdict
from gasearch.storage.sql import open_archive
from tests.doubles.records import candidate, key_of, measured, new_search, verification

SCORE = (("test_accuracy", 0.5), ("agreement", 1.0))


@pytest.fixture
def archive(migrated_sqlite_url):
    """A search of two networks, both on the front."""
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(0), candidate(1)])
        for number in range(2):
            outcome = measured(number, accuracy=0.5 + number / 10, model_bytes=100 + number)
            archive.add_evaluations(lease, [(outcome, FrontChange(entered=(number,)))])
        yield archive


def verified(archive, *records):
    for one in records:
        archive.add_verification(1, one)
    return verified_networks(archive, 1)


def passed(runtime="onnxruntime 1.31.1", **changes):
    return verification(**{"measured": SCORE, "runtime": runtime} | changes)


def failed(runtime="onnxruntime 1.31.1", **changes):
    return passed(runtime, verdict=Verdict.FAILED, **changes)


def test_without_any_verification_nothing_is_said(archive):
    assert verified_networks(archive, 1) is None


def test_all_runtimes_of_the_newest_artifact_must_have_passed(archive):
    assert verified(archive, passed()) == {key_of(0): True}
    assert verified(archive, failed("openvino 2026.4")) == {key_of(0): False}
    assert verified(archive, passed("openvino 2026.5")) == {key_of(0): True}  # the newest of that runtime
    assert verified(archive, failed(digest="d2")) == {key_of(0): False}
    assert verified(archive, passed(digest="d3"), failed(of=1)) == {key_of(0): True, key_of(1): False}


def test_a_run_that_measured_no_score_verifies_nothing(archive):
    assert verified(archive, passed(measured=(("latency_ms", 1.0),))) == {key_of(0): False}


def test_tables_have_the_column_once_there_is_a_verification(archive, migrated_sqlite_url, capsys):
    def titles():
        assert cli.call(["front", "digits", "--db", migrated_sqlite_url]) == 0
        return capsys.readouterr().out.splitlines()

    assert "verified" not in titles()[0]
    search = gasearch.open("digits", db=migrated_sqlite_url)
    assert ["verified" in one.row() for one in search.front()] == [False, False]
    verified(archive, passed())
    assert [line.split()[-1] for line in titles()] == ["verified", "no", "yes"]
    assert [(one.key, one.row()["verified"]) for one in search.front()] == [(key_of(1), False), (key_of(0), True)]
    assert search.best("accuracy").is_verified is False
