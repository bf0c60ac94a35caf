"""What the writer does when PostgreSQL breaks off: each write may be repeated, and counts once."""

import logging
import threading
import time
from dataclasses import replace

import psycopg
import pytest
from gasearch_workers.messages import Calibration
from sqlalchemy import Engine, event

from gasearch.errors import StoreError, UnknownSearch
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.access import LOCAL, AuditRecord
from gasearch.storage.records import EventRecord, ReplicateRecord, SearchStatus, TuningTrial
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.connections import listening, writing
from tests.doubles.records import (
    UNCHANGED,
    candidate,
    export,
    final,
    generation,
    measured,
    new_search,
    new_submission,
    new_token,
    verification,
)

LONG = 600.0


def silent(message):
    """No one listens."""


@pytest.fixture
def archive(postgresql_url):
    archive = open_archive(postgresql_url, notice=silent)
    yield archive
    archive.close()


@pytest.fixture
def lease(archive):
    lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
    archive.add_candidates(lease, [candidate(number) for number in range(12)])
    return lease


def test_a_lost_connection_is_made_again(postgresql, postgresql_url, archive, lease):
    for number in range(5):
        postgresql.drop_connections(to=postgresql_url)
        assert archive.add_evaluations(lease, [(measured(number, accuracy=0.5), FrontChange(entered=(number,)))])
        assert archive.renew(lease, ttl_s=LONG) is False
        assert archive.counts(lease.search_id).completed == number + 1
    assert [found.candidate for found in archive.evaluations(lease.search_id)] == list(range(5))


def lose_the_answer_of_the_next_commit():
    """The next commit happens, but its connection breaks before we hear of it."""

    def commit_and_break(connection):
        driver = connection.connection.dbapi_connection
        driver.execute("COMMIT")
        driver.close()
        raise_as_driver_would = psycopg.OperationalError("server closed the connection unexpectedly")
        connection._handle_dbapi_exception(raise_as_driver_would, None, None, None, None)

    event.listen(Engine, "commit", commit_and_break, once=True)


def test_an_outcome_whose_commit_was_not_answered_counts_once_and_is_ours(archive, lease):
    lose_the_answer_of_the_next_commit()
    assert archive.add_evaluations(lease, [(measured(0, accuracy=0.5), FrontChange(entered=(0,)))])
    assert archive.counts(lease.search_id).completed == archive.counts(lease.search_id).front_size == 1
    lose_the_answer_of_the_next_commit()
    assert not archive.add_evaluations(lease, [(measured(0, arrival=1, accuracy=0.9), FrontChange(entered=(0,)))])
    assert archive.counts(lease.search_id).completed == 1


def test_outcomes_whose_commit_was_not_answered_count_once_and_are_ours(archive, lease):
    both = [
        (measured(0, arrival=0), FrontChange(entered=(0,))),
        (measured(1, arrival=1), FrontChange(entered=(1,), left=(0,))),
    ]
    lose_the_answer_of_the_next_commit()
    assert archive.add_evaluations(lease, both)
    assert [one.candidate for one in archive.evaluations(lease.search_id)] == [0, 1]
    assert [one.number for one in archive.front(lease.search_id)] == [1]


def test_outcomes_of_which_one_is_stored_are_not_ours_after_a_lost_connection_either(
    postgresql, postgresql_url, archive, lease
):
    assert archive.add_evaluations(lease, [(measured(1, arrival=0), UNCHANGED)])
    postgresql.drop_connections(to=postgresql_url)
    assert not archive.add_evaluations(
        lease, [(measured(0, arrival=1), UNCHANGED), (measured(1, arrival=2), UNCHANGED)]
    )
    assert [one.candidate for one in archive.evaluations(lease.search_id)] == [1]


def test_a_connection_that_is_lost_before_a_batch_prints_nothing(
    postgresql, postgresql_url, archive, lease, monkeypatch, capsys
):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a program without any log
    postgresql.drop_connections(to=postgresql_url)
    assert archive.add_evaluations(lease, [(measured(0, arrival=0), UNCHANGED), (measured(1, arrival=1), UNCHANGED)])
    assert capsys.readouterr().err == ""


REPLICATE = ReplicateRecord(candidate=3, replicate=1, completed=0)
WRITES_AND_READS = {
    "candidates": (
        lambda archive, lease: archive.add_candidates(lease, [candidate(20), candidate(21)]),
        lambda archive, lease: len(list(archive.candidates(lease.search_id))),
    ),
    "replicates": (
        lambda archive, lease: archive.add_replicates(lease, [REPLICATE, replace(REPLICATE, candidate=4)]),
        lambda archive, lease: archive.replicates(lease.search_id),
    ),
    "event": (
        lambda archive, lease: archive.add_event(lease, EventRecord(kind="retry", message="")),
        lambda archive, lease: len(archive.events(lease.search_id)),
    ),
    "generation": (
        lambda archive, lease: archive.add_generation(lease, generation(0)),
        lambda archive, lease: len(archive.generations(lease.search_id)),
    ),
    "calibration": (
        lambda archive, lease: archive.add_calibration(lease, Calibration(device="cpu", reference_latency_ms=1.0)),
        lambda archive, lease: len(archive.calibrations(lease.search_id)),
    ),
    "trial": (
        lambda archive, lease: archive.add_trial(
            lease.search_id, TuningTrial(key="k", study="s", number=0, recipe_json="{}", value=1.0, message="")
        ),
        lambda archive, lease: len(archive.trials(lease.search_id, "k")),
    ),
    "final": (
        lambda archive, lease: archive.add_final(lease.search_id, final(0), b"a"),
        lambda archive, lease: len(archive.finals(lease.search_id)),
    ),
    "failed final": (
        lambda archive, lease: archive.add_final(lease.search_id, final(0, failure="died", metrics=(), test=())),
        lambda archive, lease: len(archive.finals(lease.search_id)),
    ),
    "token": (
        lambda archive, lease: archive.add_token(new_token(), lifetime_s=9, actor=LOCAL).name,
        lambda archive, lease: (len(archive.tokens()), len(archive.audits(count=9))),
    ),
    "audit": (
        lambda archive, lease: archive.add_audit(AuditRecord(who="bob", action="login")),
        lambda archive, lease: len(archive.audits(count=9)),
    ),
    "submission": (
        lambda archive, lease: archive.submit(new_submission("next"), actor=LOCAL).id,
        lambda archive, lease: (len(archive.submissions()), len(archive.audits(count=9))),
    ),
    "export": (
        lambda archive, lease: archive.add_export(lease.search_id, export()),
        lambda archive, lease: len(archive.exports(lease.search_id, export().key)),
    ),
    "verification": (
        lambda archive, lease: archive.add_verification(lease.search_id, verification()),
        lambda archive, lease: len(archive.verifications(lease.search_id)),
    ),
    "spec": (
        lambda archive, lease: archive.update_spec(lease, spec_json="{1}"),
        lambda archive, lease: archive.search("digits").spec_json,
    ),
    "reference": (
        lambda archive, lease: archive.set_reference(lease, ideal=(1.0,), point=(0.0,)),
        lambda archive, lease: archive.search("digits").reference_ideal,
    ),
    "release": (
        lambda archive, lease: archive.release(lease, state=SearchStatus.STOPPED, reason="enough"),
        lambda archive, lease: archive.search("digits").reason,
    ),
    "claim": (
        lambda archive, lease: archive.claim("digits", owner="alice", ttl_s=LONG).owner,
        lambda archive, lease: archive.search("digits").owner,
    ),
    "stop request": (
        lambda archive, lease: archive.request_stop("digits").name,
        lambda archive, lease: archive.search("digits").is_stop_requested,
    ),
    "new search": (
        lambda archive, lease: archive.create_search(new_search("other"), owner="bob", ttl_s=LONG).epoch,
        lambda archive, lease: len(archive.searches()),
    ),
}


@pytest.mark.parametrize("name", WRITES_AND_READS)
def test_every_write_may_be_repeated_after_an_unanswered_commit(postgresql, archive, lease, name):
    write, read = WRITES_AND_READS[name]
    twin_url = postgresql.new_database(is_migrated=True)
    twin = open_archive(twin_url, notice=silent)
    twin_lease = twin.create_search(new_search(), owner="alice", ttl_s=LONG)
    twin.add_candidates(twin_lease, [candidate(number) for number in range(12)])

    lose_the_answer_of_the_next_commit()
    assert write(archive, lease) == write(twin, twin_lease)
    assert read(archive, lease) == read(twin, twin_lease)

    twin.close()
    postgresql.drop_database(twin_url)


#: What may be lost while a submission is worked on: what comes before, the write, and what it leaves.
OF_A_SUBMISSION = {
    "claim": (
        lambda archive: None,
        lambda archive, _: archive.claim_submission(controller="one", ttl_s=LONG).epoch,
        ("claimed", 1, False, None),
    ),
    "renewal": (
        lambda archive: archive.claim_submission(controller="one", ttl_s=LONG).claim,
        lambda archive, _: len(archive.renew_submissions(controller="one", ttl_s=LONG)),
        ("claimed", 1, False, None),
    ),
    "end": (
        lambda archive: archive.claim_submission(controller="one", ttl_s=LONG).claim,
        lambda archive, claim: archive.end_submission(claim, exit_status=1, message="no") or 1,
        ("ended", 1, False, 1),
    ),
    "hand back": (
        lambda archive: archive.claim_submission(controller="one", ttl_s=LONG).claim,
        lambda archive, claim: archive.hand_back(claim) or 1,
        ("queued", 1, False, None),
    ),
    "stop of what is queued": (
        lambda archive: None,
        lambda archive, _: archive.stop_submission("next", actor=LOCAL).id,
        ("ended", 0, False, 130),
    ),
    "stop of what runs": (
        lambda archive: archive.claim_submission(controller="one", ttl_s=LONG).claim,
        lambda archive, _: archive.stop_submission("next", actor=LOCAL).id,
        ("claimed", 1, True, None),
    ),
}


@pytest.mark.parametrize("name", OF_A_SUBMISSION)
def test_what_is_done_to_a_submission_may_be_repeated_after_an_unanswered_commit(archive, name):
    before, write, left = OF_A_SUBMISSION[name]
    archive.submit(new_submission("next"), actor=LOCAL)
    claim = before(archive)
    lose_the_answer_of_the_next_commit()
    assert write(archive, claim) == 1
    found = archive.submission("next")
    assert (found.state, found.epoch, found.is_stop_requested, found.exit_status) == left


def test_a_verification_like_an_earlier_one_is_stored_though_its_first_try_came_to_nothing(archive, lease):
    archive.add_verification(lease.search_id, verification())

    def break_before(connection):
        broken = psycopg.OperationalError("server closed the connection unexpectedly")
        connection.connection.dbapi_connection.close()
        connection._handle_dbapi_exception(broken, None, None, None, None)

    event.listen(Engine, "commit", break_before, once=True)
    archive.add_verification(lease.search_id, verification())
    assert len(archive.verifications(lease.search_id)) == 2


def test_of_two_final_trainings_stored_at_once_the_one_that_succeeded_stays(postgresql_url, archive, lease):
    failed = final(0, failure="died", message="gone", metrics=(), test=())
    for _ in range(10):
        barrier = threading.Barrier(2)
        others = open_archive(postgresql_url, notice=silent)

        def store(by, record, packed, barrier=barrier):
            barrier.wait()
            by.add_final(lease.search_id, record, packed)

        threads = [
            threading.Thread(target=store, args=given) for given in ((archive, failed, None), (others, final(0), b"a"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        others.close()
        [stored] = archive.finals(lease.search_id)
        assert stored.failure is None
        with writing(postgresql_url) as connection:
            connection.exec_driver_sql("DELETE FROM finals")


def test_a_connection_that_breaks_twice_is_an_error(archive, lease):
    def break_always(connection):
        broken = psycopg.OperationalError("server closed the connection unexpectedly")
        connection.connection.dbapi_connection.close()
        connection._handle_dbapi_exception(broken, None, None, None, None)

    refused = pytest.raises(StoreError, match=r"can't be reached: server closed the connection unexpectedly")
    with listening("commit", break_always), refused:
        archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
    assert archive.add_evaluations(lease, [(measured(0), UNCHANGED)])


def test_a_change_of_owner_waits_for_a_write_under_way(postgresql_url, archive, lease):
    """Else the old owner's row could become visible after the new one has replayed the log."""
    archive.renew(lease, ttl_s=0.0)
    done = []
    other = open_archive(postgresql_url, notice=silent)

    def claim():
        other.claim("digits", owner="bob", ttl_s=LONG)
        done.append("claimed")

    def hold(connection):
        claiming.start()
        time.sleep(0.3)
        done.append("committed")

    claiming = threading.Thread(target=claim)
    event.listen(Engine, "commit", hold, once=True)
    assert archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
    claiming.join(timeout=30)
    other.close()
    assert done == ["committed", "claimed"]


def test_an_unknown_search_is_unknown_after_a_restart_too(postgresql, postgresql_url, archive, lease):
    reader = open_reader(postgresql_url)
    reader.searches()
    postgresql.drop_connections(to=postgresql_url)
    with pytest.raises(UnknownSearch):
        reader.search("digit")
    reader.close()
