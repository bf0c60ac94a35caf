"""What every archive does; run over each implementation by `tests/gasearch/storage`."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gasearch_workers.messages import STANDARD_METRICS, WHOLE_METRICS, Calibration, Failure, FailureKind, Measurement
from sqlalchemy import func, select

from gasearch.errors import LeaseLost, StoreError, UnknownSearch, WrongState
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import FrontChange
from gasearch.storage import tables
from gasearch.storage.owner import current_owner
from gasearch.storage.records import (
    REUSED,
    EventRecord,
    FailedAttempt,
    GenerationRecord,
    ReplicateRecord,
    SearchStatus,
    Stay,
    TuningTrial,
)
from gasearch.storage.sql import open_archive, open_reader
from tests.contracts.empty_store import LONG, EmptyStore, as_listed, best, numbers
from tests.doubles.connections import reading, writing
from tests.doubles.records import (
    UNCHANGED,
    candidate,
    failed,
    full_measurement,
    key_of,
    measured,
    new_search,
    outcome_of,
)

ROOT = Path(__file__).parents[2]


def fill_every_table(archive, lease, url):
    """At least one row of the search in each table."""
    archive.add_candidates(lease, [candidate(number) for number in range(4)])
    archive.add_replicates(lease, [ReplicateRecord(candidate=0, replicate=1, completed=1)])
    archive.add_evaluations(lease, [(measured(0, accuracy=0.5), FrontChange(entered=(0,)))])
    archive.add_generation(lease, generation(0))
    archive.add_event(lease, EventRecord(kind="retry", message="again"))
    archive.add_calibration(lease, Calibration(device="cpu", reference_latency_ms=1.0))
    archive.add_trial(
        lease.search_id,
        TuningTrial(key=key_of(0), study="recipe", number=0, recipe_json="{}", value=0.5, message=""),
    )
    with writing(url) as connection:
        artifact = {
            "key": key_of(0),
            "kind": "onnx",
            "location": "x",
            "digest": "0",
            "size_bytes": 1,
            "created_at": 0.0,
        }
        connection.execute(tables.artifacts.insert().values(search_id=lease.search_id, **artifact))


def rows_per_table(url, search_id):
    """How many rows of a search each table holds."""
    with reading(url) as connection:
        return {
            table.name: connection.execute(
                select(func.count()).where((table.c.id if table is tables.searches else table.c.search_id) == search_id)
            ).scalar_one()
            for table in tables.metadata.sorted_tables
        }


class ArchiveContract(EmptyStore):
    """What the store does for every search; `archive_retraining_contract.py` has what engines ask for besides."""

    # --- searches -----------------------------------------------------------------------------------------------

    def test_a_new_search_reads_back_as_it_was_given(self, archive, reader):
        before = datetime.now(UTC)
        given = new_search(context="c0ffee")
        archive.create_search(given, owner="alice", ttl_s=LONG)
        found = reader.search("digits")
        assert {name: getattr(found, name) for name in given.__dataclass_fields__} == {
            name: getattr(given, name) for name in given.__dataclass_fields__
        }
        assert (found.state, found.reason) == (SearchStatus.RUNNING, "")
        assert (found.active_seconds, found.worker_seconds) == (0.0, 0.0)
        assert (found.owner, found.is_owned, found.is_stop_requested) == ("alice", True, False)
        assert (found.reference_point, found.reference_ideal) == (None, None)
        assert abs(found.created_at - before) < timedelta(seconds=10)
        assert found.created_at.tzinfo == UTC

    def test_an_endless_space_has_a_finite_size_in_the_store(self, archive):
        archive.create_search(new_search(space_size=float("inf")), owner="alice", ttl_s=LONG)
        assert 1e308 < archive.search("digits").space_size < float("inf")

    def test_a_name_is_given_once(self, archive, lease):
        with pytest.raises(WrongState, match=r"a search named 'digits' already: go on with `gasearch resume digits`"):
            archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        assert archive.counts(lease.search_id).candidates == 12

    def test_searches_are_listed_newest_first(self, archive):
        for name in ("first", "second", "third"):
            archive.create_search(new_search(name), owner="alice", ttl_s=LONG)
        assert [search.name for search in archive.searches()] == ["third", "second", "first"]

    def test_an_unknown_search_is_answered_with_the_nearest_name(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"no search named 'digit-cnn'; did you mean 'digits'\?"):
            archive.search("digit-cnn")

    def test_an_unknown_search_like_no_other_is_answered_with_the_command_that_lists_them(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"no search named 'xyz'; `gasearch list` shows all of them"):
            archive.search("xyz")

    @pytest.mark.parametrize("name", ["", "a\x00b", "\udcff", "'; DROP TABLE searches; --", "%"])
    def test_a_strange_name_is_just_unknown(self, archive, lease, name):
        with pytest.raises(UnknownSearch):
            archive.search(name)
        with pytest.raises(UnknownSearch):
            archive.network(lease.search_id, name or "zzz")

    def test_an_extended_spec_replaces_the_stored_one(self, archive, lease):
        archive.update_spec(lease, spec_json='{"budget":400}')
        assert archive.search("digits").spec_json == '{"budget":400}'

    def test_the_reference_is_fixed_once(self, archive, lease):
        archive.set_reference(lease, ideal=(1.0, -0.1), point=(0.1, -2 / 3))
        archive.set_reference(lease, ideal=(9.0, 9.0), point=(8.0, 8.0))
        found = archive.search("digits")
        assert (found.reference_ideal, found.reference_point) == ((1.0, -0.1), (0.1, -2 / 3))

    def test_a_reference_of_no_number_is_refused(self, archive, lease):
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got nan"):
            archive.set_reference(lease, ideal=(float("nan"), 0.0), point=(0.0, 0.0))
        assert archive.search("digits").reference_point is None

    def test_a_deleted_search_leaves_nothing_of_itself_and_everything_of_others(self, url, archive, reader):
        kept, gone = (archive.create_search(new_search(name), owner="alice", ttl_s=LONG) for name in ("kept", "gone"))
        for lease in (kept, gone):
            fill_every_table(archive, lease, url)
        before = rows_per_table(url, kept.search_id)
        assert rows_per_table(url, gone.search_id) == before
        assert min(before.values()) > 0
        with pytest.raises(WrongState, match="search 'gone' is being run by alice"):
            archive.delete_search("gone")
        assert rows_per_table(url, gone.search_id) == before
        archive.release(gone, state=SearchStatus.FINISHED, reason="")
        assert archive.delete_search("gone").id == gone.search_id
        assert set(rows_per_table(url, gone.search_id).values()) == {0}
        assert rows_per_table(url, kept.search_id) == before
        assert [record.name for record in reader.searches()] == ["kept"]
        with pytest.raises(UnknownSearch, match="gone"):
            archive.delete_search("gone")

    def test_a_search_whose_owner_died_can_be_deleted(self, archive):
        child = subprocess.run(
            [sys.executable, "-c", "from gasearch.storage.owner import current_owner; print(current_owner())"],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        archive.create_search(new_search(), owner=child.stdout.strip(), ttl_s=LONG)
        archive.delete_search("digits")
        assert archive.searches() == []

    # --- the lease ----------------------------------------------------------------------------------------------

    def test_a_valid_lease_keeps_others_away(self, archive, lease):
        with pytest.raises(
            WrongState, match=r"'digits' is being run by alice: wait for it, or end it with `gasearch st"
        ):
            archive.claim("digits", owner="bob", ttl_s=LONG)

    def test_an_unknown_search_cannot_be_claimed(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"did you mean 'digits'"):
            archive.claim("digts", owner="bob", ttl_s=LONG)

    def test_an_expired_lease_can_be_claimed_with_a_greater_epoch(self, archive):
        first = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        assert not archive.search("digits").is_owned
        second = archive.claim("digits", owner="bob", ttl_s=LONG)
        assert second.epoch > first.epoch
        assert (archive.search("digits").owner, archive.search("digits").is_owned) == ("bob", True)

    def test_a_released_search_can_be_claimed_and_runs_again(self, archive, lease):
        archive.release(lease, state=SearchStatus.STOPPED, reason="stopped by the user")
        found = archive.search("digits")
        assert (found.state, found.reason, found.owner) == (SearchStatus.STOPPED, "stopped by the user", None)
        again = archive.claim("digits", owner="bob", ttl_s=LONG)
        found = archive.search("digits")
        assert (found.state, found.reason, again.epoch) == (SearchStatus.RUNNING, "", lease.epoch + 1)

    def test_the_same_owner_may_claim_again_and_fences_its_earlier_self(self, archive, lease):
        again = archive.claim("digits", owner="alice", ttl_s=LONG)
        assert again.epoch == lease.epoch + 1
        with pytest.raises(LeaseLost):
            archive.add_evaluations(lease, [(measured(0, accuracy=0.5), UNCHANGED)])

    def test_the_lease_of_a_dead_process_of_this_host_is_free_at_once(self, archive):
        host, _, start = current_owner().split("/")
        dead = f"{host}/4194303/{start}"
        archive.create_search(new_search(), owner=dead, ttl_s=LONG)
        assert archive.claim("digits", owner=current_owner(), ttl_s=LONG).epoch == 2

    def test_the_lease_of_a_living_process_is_kept(self, archive):
        archive.create_search(new_search(), owner=current_owner(), ttl_s=LONG)
        with pytest.raises(WrongState, match=r"is being run by process \d+ on "):
            archive.claim("digits", owner="elsewhere/1/x-1", ttl_s=LONG)

    def test_renewing_prolongs_the_lease_and_adds_the_time_of_controller_and_workers(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        assert archive.renew(lease, ttl_s=LONG, active_s=1.5, worker_s=3.0) is False
        assert archive.renew(lease, ttl_s=LONG, active_s=2.0, worker_s=4.0) is False
        found = archive.search("digits")
        assert (found.active_seconds, found.worker_seconds) == (3.5, 7.0)
        assert archive.search("digits").is_owned

    def test_renewing_from_another_thread_does_not_disturb_the_writer(self, archive, lease):
        is_done = threading.Event()

        def renew_until_done():
            count = 0
            while not is_done.is_set():
                archive.renew(lease, ttl_s=LONG, active_s=1.0)
                count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            renewed = pool.submit(renew_until_done)
            for number in range(12):
                assert archive.add_evaluations(lease, [(measured(number, accuracy=0.5), UNCHANGED)])
            is_done.set()
        assert archive.search("digits").active_seconds == renewed.result() > 0
        assert archive.counts(lease.search_id).completed == 12

    @pytest.mark.parametrize(
        "write",
        [
            lambda archive, lease: archive.update_spec(lease, spec_json="{}"),
            lambda archive, lease: archive.set_reference(lease, ideal=(1.0,), point=(0.0,)),
            lambda archive, lease: archive.add_candidates(lease, [candidate(50)]),
            lambda archive, lease: archive.add_replicates(
                lease, [ReplicateRecord(candidate=0, replicate=1, completed=0)]
            ),
            lambda archive, lease: archive.add_evaluations(
                lease, [(measured(0, accuracy=1.0), FrontChange(entered=(0,)))]
            ),
            lambda archive, lease: archive.add_generation(lease, generation(0)),
            lambda archive, lease: archive.add_event(lease, EventRecord(kind="retry", message="late")),
            lambda archive, lease: archive.add_calibration(lease, Calibration(device="x", reference_latency_ms=1.0)),
            lambda archive, lease: archive.release(lease, state=SearchStatus.FINISHED, reason="done"),
            lambda archive, lease: archive.renew(lease, ttl_s=LONG, active_s=9.0, worker_s=9.0),
        ],
    )
    def test_an_outdated_lease_writes_nothing(self, archive, write):
        outdated = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        archive.add_candidates(outdated, [candidate(0)])
        archive.claim("digits", owner="bob", ttl_s=LONG)
        before = everything(archive, outdated.search_id)
        with pytest.raises(LeaseLost, match=r"no longer belongs to alice \(epoch 1\): another controller has taken it"):
            write(archive, outdated)
        assert everything(archive, outdated.search_id) == before

    def test_an_expired_lease_that_nobody_took_still_writes(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        archive.add_candidates(lease, [candidate(0)])
        assert archive.counts(lease.search_id).candidates == 1

    def test_of_many_claims_at_once_one_succeeds(self, url, archive):
        archive.create_search(new_search(), owner="alice", ttl_s=0.0)

        def try_to_claim(name):
            mine = open_archive(url, notice=lambda message: None)
            try:
                return mine.claim("digits", owner=name, ttl_s=LONG)
            except WrongState:
                return None
            finally:
                mine.close()

        with ThreadPoolExecutor(4) as pool:
            leases = list(pool.map(try_to_claim, ["b", "c", "d", "e"]))
        assert len([lease for lease in leases if lease]) == 1

    # --- stopping -----------------------------------------------------------------------------------------------

    def test_a_stop_request_reaches_the_owner(self, archive, lease):
        asked = archive.request_stop("digits")
        assert (asked.is_stop_requested, asked.owner) == (False, "alice")
        assert archive.renew(lease, ttl_s=LONG) is True
        assert archive.search("digits").is_stop_requested

    def test_a_stop_request_is_forgotten_by_the_next_owner(self, archive, lease):
        archive.request_stop("digits")
        archive.release(lease, state=SearchStatus.STOPPED, reason="")
        assert not archive.search("digits").is_stop_requested
        assert archive.renew(archive.claim("digits", owner="bob", ttl_s=LONG), ttl_s=LONG) is False

    def test_what_nobody_runs_cannot_be_stopped(self, archive, lease):
        archive.release(lease, state=SearchStatus.FINISHED, reason="")
        with pytest.raises(WrongState, match=r"'digits' can't be stopped: nobody runs it \(it is finished\)"):
            archive.request_stop("digits")

    def test_what_was_interrupted_cannot_be_stopped(self, archive):
        archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        with pytest.raises(WrongState, match=r"nobody runs it \(it is interrupted\)"):
            archive.request_stop("digits")

    def test_an_unknown_search_cannot_be_stopped(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"did you mean 'digits'"):
            archive.request_stop("digit")

    # --- candidates and evaluations -----------------------------------------------------------------------------

    def test_candidates_read_back_as_they_were_given_by_number(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        given = [candidate(number) for number in range(1_203)]  # more than two chunks of a stream
        archive.add_candidates(lease, given[600:])
        archive.add_candidates(lease, given[:600])
        assert list(archive.candidates(lease.search_id)) == given

    def test_no_candidates_are_no_write(self, archive, lease):
        archive.add_candidates(lease, [])
        assert archive.counts(lease.search_id).candidates == 12

    def test_a_batch_of_candidates_is_stored_whole_or_not_at_all(self, archive, lease):
        with pytest.raises(StoreError, match=r"refused"):
            archive.add_candidates(lease, [candidate(20), candidate(21), candidate(5, key="another")])
        assert archive.counts(lease.search_id).candidates == 12

    def test_two_candidates_never_have_the_same_key(self, archive, lease):
        with pytest.raises(StoreError, match=r"refused"):
            archive.add_candidates(lease, [candidate(20, key=key_of(3))])

    def test_a_full_measurement_reads_back_exactly(self, archive, lease):
        given = outcome_of(3, full_measurement(), arrival=0)
        assert archive.add_evaluations(lease, [(given, UNCHANGED)])
        [found] = archive.evaluations(lease.search_id)
        assert found == given
        for name in WHOLE_METRICS:
            assert type(getattr(found.result.outcome, name)) is int
        assert [type(value) for _, value in found.result.outcome.others] == [float, int]

    def test_an_empty_measurement_reads_back_exactly(self, archive, lease):
        given = measured(3, arrival=0)
        archive.add_evaluations(lease, [(given, UNCHANGED)])
        assert list(archive.evaluations(lease.search_id)) == [given]

    @pytest.mark.parametrize("kind", list(FailureKind))
    def test_every_failure_reads_back_exactly(self, archive, lease, kind):
        given = failed(3, kind, arrival=0)
        assert archive.add_evaluations(lease, [(given, UNCHANGED)])
        assert list(archive.evaluations(lease.search_id)) == [given]

    def test_a_message_with_bytes_that_sql_refuses_is_stored_legibly(self, archive, lease):
        message = "Traceback \x00 \ud800 in 'épreuve'"
        archive.add_evaluations(lease, [(outcome_of(3, Failure(kind=FailureKind.CRASHED, message=message)), UNCHANGED)])
        [found] = archive.evaluations(lease.search_id)
        assert found.result.outcome.message == "Traceback \N{SYMBOL FOR NULL} ? in 'épreuve'"

    @pytest.mark.parametrize("count", [12.5, 2**63])
    def test_a_count_that_is_no_count_is_refused(self, archive, lease, count):
        with pytest.raises(StoreError, match=r"outcome of candidate 3 can't be stored: params must be a whole number"):
            archive.add_evaluations(lease, [(measured(3, params=count), UNCHANGED)])
        assert archive.counts(lease.search_id).completed == 0

    def test_outcomes_come_in_the_order_of_arrival(self, archive, lease):
        order = [5, 2, 11, 0, 7]
        for arrival, number in enumerate(order):
            archive.add_evaluations(lease, [(measured(number, arrival=arrival, accuracy=0.5), UNCHANGED)])
        assert [found.candidate for found in archive.evaluations(lease.search_id)] == order
        assert numbers(archive.networks(lease.search_id)) == order

    def test_long_logs_are_streamed_whole(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        archive.add_candidates(lease, [candidate(number) for number in range(501)])
        for number in range(501):
            archive.add_evaluations(lease, [(measured(number, accuracy=number / 501), UNCHANGED)])
        assert [found.candidate for found in archive.evaluations(lease.search_id)] == list(range(501))
        assert numbers(archive.networks(lease.search_id)) == list(range(501))

    def test_outcomes_come_as_columns_in_the_order_of_arrival(self, archive, lease):
        given = [
            measured(5, arrival=0, accuracy=0.5, macs=10, others=(("cells", 2.0), ("heat", 0.25))),
            failed(2, arrival=1),
            measured(0, arrival=2, accuracy=0.75, others=(("heat", 0.5),)),
            outcome_of(7, Measurement(model_bytes=2**40), arrival=3, worker=REUSED),
        ]
        for record in given:
            archive.add_evaluations(lease, [(record, UNCHANGED)])
        archive.add_evaluations(lease, [(failed(8, FailureKind.WORKER_LOST, arrival=-1), UNCHANGED)])
        found = archive.outcomes(lease.search_id, ["accuracy", "heat", "cells", "flops", "model_bytes", "nothing"])
        assert (len(found), list(found.candidates)) == (4, [5, 2, 0, 7])
        assert list(found.seconds) == pytest.approx([one.result.duration_s for one in given])
        assert list(found.finished_at) == [one.result.finished_at for one in given]
        assert list(found.is_measured) == [1, 0, 1, 1]
        assert list(found.is_reused) == [0, 0, 0, 1]
        assert {name: as_listed(column) for name, column in found.metrics.items()} == {
            "accuracy": [0.5, None, 0.75, None],
            "heat": [0.25, None, 0.5, None],
            "cells": [2.0, None, None, None],
            "flops": [20.0, None, None, None],
            "model_bytes": [None, None, None, float(2**40)],
            "nothing": [None] * 4,
        }

    def test_columns_of_metrics_that_follow_from_others_are_those_of_the_networks(self, archive, lease):
        archive.add_evaluations(lease, [(outcome_of(3, full_measurement()), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(4, macs=10, latency_ms=1.0), UNCHANGED)])
        found = archive.outcomes(lease.search_id, ["efficiency"]).metrics["efficiency"]
        expected = [network.metrics.get("efficiency") for network in archive.networks(lease.search_id)]
        assert as_listed(found) == expected
        assert expected[0] is not None

    def test_a_search_without_outcomes_has_empty_columns(self, archive, lease):
        found = archive.outcomes(lease.search_id, ["accuracy"])
        assert (len(found), list(found.metrics["accuracy"])) == (0, [])

    def test_a_metric_is_known_where_a_single_outcome_has_it(self, archive, lease):
        assert not archive.has_metric(lease.search_id, "heat")
        archive.add_evaluations(lease, [(measured(3, arrival=0, macs=5, others=(("cells", 1.0),)), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(4, arrival=1, others=(("heat", 1.0),)), UNCHANGED)])
        known = ("macs", "flops", "cells", "heat")
        assert all(archive.has_metric(lease.search_id, name) for name in known)
        unknown = ("accuracy", "efficiency", "Heat", "hea_", "%", "a\x00b", 'heat",1.0],["cells')
        assert not any(archive.has_metric(lease.search_id, name) for name in unknown)

    def test_the_same_attempt_counts_once(self, archive, lease):
        assert archive.add_evaluations(lease, [(measured(3, arrival=0, accuracy=0.5), FrontChange(entered=(3,)))])
        late = measured(3, arrival=1, accuracy=0.9)
        assert not archive.add_evaluations(lease, [(late, FrontChange(entered=(4,), left=(3,)))])
        assert archive.counts(lease.search_id).completed == 1
        assert numbers(archive.front(lease.search_id)) == [3]
        assert archive.network(lease.search_id, key_of(3)).metrics == {"accuracy": 0.5}

    def test_outcomes_are_stored_together_in_their_order_or_not_at_all(self, archive, lease):
        entering, leaving = FrontChange(entered=(3,)), FrontChange(entered=(4,), left=(3,))
        assert archive.add_evaluations(lease, [(measured(3, arrival=0), entering), (measured(4, arrival=1), leaving)])
        assert archive.stays(lease.search_id, 3) == [Stay(entered=0, exited=1, exited_by=4)]
        again = FrontChange(entered=(3,))
        assert not archive.add_evaluations(
            lease, [(measured(5, arrival=2), again), (measured(4, arrival=3), UNCHANGED)]
        )
        assert [one.candidate for one in archive.evaluations(lease.search_id)] == [3, 4]
        assert numbers(archive.front(lease.search_id)) == [4]

    def test_no_two_outcomes_arrive_at_the_same_place(self, archive, lease):
        archive.add_evaluations(lease, [(measured(3, arrival=0), UNCHANGED)])
        with pytest.raises(StoreError, match=r"refused"):
            archive.add_evaluations(lease, [(measured(4, arrival=0), UNCHANGED)])

    def test_an_outcome_needs_its_candidate(self, archive, lease):
        with pytest.raises(StoreError, match=r"refused"):
            archive.add_evaluations(lease, [(measured(99), UNCHANGED)])

    def test_a_retried_attempt_is_stored_but_not_told(self, archive, lease):
        lost = failed(3, FailureKind.WORKER_LOST, arrival=-1, attempt=1)
        assert archive.add_evaluations(lease, [(lost, UNCHANGED)])
        assert not archive.add_evaluations(lease, [(lost, UNCHANGED)])
        assert list(archive.evaluations(lease.search_id)) == list(archive.networks(lease.search_id)) == []
        assert archive.retried(lease.search_id) == [lost]
        counts = archive.counts(lease.search_id)
        assert (counts.completed, counts.retries, counts.failures) == (0, 1, {})

        archive.add_evaluations(lease, [(failed(3, FailureKind.WORKER_LOST, arrival=0, attempt=2), UNCHANGED)])
        assert archive.retried(lease.search_id) == [lost]
        counts = archive.counts(lease.search_id)
        assert (counts.completed, counts.retries, counts.failures) == (1, 1, {"worker_lost": 1})

    def test_retried_attempts_come_by_candidate_and_attempt(self, archive, lease):
        kinds = [FailureKind.WORKER_LOST, FailureKind.DIED, FailureKind.WORKER_LOST]
        tries = [failed(3, kind, arrival=-1, attempt=attempt) for attempt, kind in enumerate(kinds, 1)]
        for one in (tries[2], *tries[:2]):
            archive.add_evaluations(lease, [(one, UNCHANGED)])
        other = failed(4, FailureKind.OUT_OF_MEMORY, arrival=-1, attempt=7)
        archive.add_evaluations(lease, [(other, UNCHANGED)])
        assert archive.retried(lease.search_id) == [*tries, other]
        assert archive.attempts_of(lease.search_id, 3) == tries
        assert archive.attempts_of(lease.search_id, 5) == []

    def test_counts_say_how_far_a_search_is(self, archive, lease):
        for number, kind in enumerate([FailureKind.DIVERGED, FailureKind.TIMED_OUT, FailureKind.DIVERGED]):
            archive.add_evaluations(lease, [(failed(number, kind), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(3, accuracy=0.5), FrontChange(entered=(3,)))])
        counts = archive.counts(lease.search_id)
        assert (counts.candidates, counts.completed, counts.front_size, counts.generation) == (12, 4, 1, 1)
        assert counts.failures == {"diverged": 2, "timed_out": 1}

    def test_counts_of_an_empty_search_are_zero(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        counts = archive.counts(lease.search_id)
        assert (counts.candidates, counts.completed, counts.failures, counts.retries) == (0, 0, {}, 0)
        assert (counts.front_size, counts.generation) == (0, -1)

    def test_searches_do_not_mix(self, archive, lease):
        other = archive.create_search(new_search("other"), owner="alice", ttl_s=LONG)
        archive.add_candidates(other, [candidate(0), candidate(1)])
        archive.add_evaluations(lease, [(measured(0, accuracy=0.1), FrontChange(entered=(0,)))])
        archive.add_evaluations(other, [(measured(0, accuracy=0.9), FrontChange(entered=(0,)))])
        archive.add_evaluations(other, [(measured(1, accuracy=0.95), FrontChange(entered=(1,), left=(0,)))])
        assert [found.metrics["accuracy"] for found in archive.front(lease.search_id)] == [0.1]
        assert [found.metrics["accuracy"] for found in archive.front(other.search_id)] == [0.95]
        assert [found.result.outcome.accuracy for found in archive.evaluations(lease.search_id)] == [0.1]
        assert archive.network(lease.search_id, key_of(0)).metrics["accuracy"] == 0.1
        assert best(archive, lease) == [0]

    # --- the front ----------------------------------------------------------------------------------------------

    def test_the_newest_failures_come_first(self, archive, lease):
        archive.add_evaluations(lease, [(measured(0, arrival=0, accuracy=0.4), FrontChange())])
        for arrival, number in enumerate((3, 1, 2), start=1):
            failure = Failure(kind=FailureKind.DIVERGED, message=f"number {number}")
            archive.add_evaluations(lease, [(outcome_of(number, failure, arrival=arrival), FrontChange())])
        found = archive.failed(lease.search_id, count=2)
        assert [(one.number, one.failure, one.failure_message) for one in found] == [
            (2, "diverged", "number 2"),
            (1, "diverged", "number 1"),
        ]

    def test_all_failed_attempts_are_listed_but_what_was_stopped(self, archive, lease):
        archive.add_evaluations(lease, [(measured(0, arrival=0, accuracy=0.4), FrontChange())])
        for number, attempt, arrival, kind in (
            (2, 1, -1, FailureKind.DIED),
            (2, 2, 1, FailureKind.DIED),
            (1, 1, 2, FailureKind.STOPPED),
            (3, 1, 3, FailureKind.DIVERGED),
        ):
            archive.add_evaluations(lease, [(failed(number, kind, arrival=arrival, attempt=attempt), FrontChange())])
        assert archive.failures(lease.search_id) == [
            FailedAttempt(
                candidate=number,
                attempt=attempt,
                key=key_of(number),
                failure=kind,
                message=f"{kind} at step 3",
                is_retried=is_retried,
            )
            for number, attempt, kind, is_retried in (
                (2, 1, "died", True),
                (2, 2, "died", False),
                (3, 1, "diverged", False),
            )
        ]

    def test_networks_enter_and_leave_the_front(self, archive, lease):
        archive.add_evaluations(lease, [(measured(4, arrival=0, accuracy=0.4), FrontChange(entered=(4,)))])
        archive.add_evaluations(lease, [(measured(2, arrival=1, accuracy=0.5), FrontChange(entered=(2,)))])
        assert numbers(archive.front(lease.search_id)) == [2, 4]
        archive.add_evaluations(lease, [(measured(7, arrival=2, accuracy=0.9), FrontChange(entered=(7,), left=(2, 4)))])
        assert numbers(archive.front(lease.search_id)) == [7]
        assert [found.is_on_front for found in archive.networks(lease.search_id)] == [False, False, True]
        assert archive.counts(lease.search_id).front_size == 1

    def test_a_front_point_carries_all_that_is_known(self, archive, lease):
        archive.add_evaluations(lease, [(outcome_of(3, full_measurement(), arrival=0), FrontChange(entered=(3,)))])
        [found] = archive.front(lease.search_id)
        given = candidate(3)
        for name in ("number", "key", "generation", "parents", "operator", "network_json"):
            assert getattr(found, name) == getattr(given, name)
        assert found.metrics == full_measurement().metrics()
        assert found.metrics["flops"] == 2 * (2**53 - 1)
        assert (found.is_on_front, found.arrival, found.failure) == (True, 0, None)
        assert found.curve_json.startswith('[{"epoch":1,"train_loss":2.302585092994046,"accuracy":null}')
        assert (found.worker, found.device, found.latency_device) == ("edge-3/4711", "cpu", "A CPU of 2026")
        assert found.energy_source == "rapl"
        assert (found.versions, found.seed) == ("torch 2.13.0; 1 thread", 2**62 + 3)

    # --- best ---------------------------------------------------------------------------------------------------

    @pytest.fixture
    def measured_lease(self, archive, lease):
        """Accuracy and bytes grow with the number; networks 6 and 7 are equal; 8 has failed; 9 has no bytes."""
        for number in range(8):
            accuracy, size = min(number, 6) / 8, 100 * min(number, 6)
            own = (("cells", number % 3),)
            record = measured(number, accuracy=accuracy, model_bytes=size, macs=number, others=own)
            archive.add_evaluations(lease, [(record, UNCHANGED)])
        archive.add_evaluations(lease, [(failed(8), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(9, accuracy=0.99), UNCHANGED)])
        return lease

    def test_the_best_has_the_greatest_or_least_value(self, archive, measured_lease):
        assert best(archive, measured_lease) == [9]
        assert best(archive, measured_lease, metric="model_bytes", is_maximized=False) == [0]

    def test_among_equals_the_first_candidate_is_best(self, archive, measured_lease):
        assert best(archive, measured_lease, count=4) == [9, 6, 7, 5]
        assert best(archive, measured_lease, metric="model_bytes", is_maximized=True, count=3) == [6, 7, 5]

    @pytest.mark.parametrize(
        ("operator", "bound", "expected"), [("<=", 300.0, [3]), ("<", 300.0, [2]), (">=", 600.5, []), (">", 500.0, [6])]
    )
    def test_the_best_is_within_the_limits(self, archive, measured_lease, operator, bound, expected):
        limit = Limit(metric="model_bytes", operator=operator, bound=bound)
        assert best(archive, measured_lease, limits=[limit]) == expected

    def test_all_limits_hold_at_once(self, archive, measured_lease):
        limits = [
            Limit(metric="model_bytes", operator="<=", bound=500.0),
            Limit(metric="accuracy", operator="<", bound=0.5),
        ]
        assert best(archive, measured_lease, limits=limits, count=2) == [3, 2]

    def test_flops_can_be_asked_for(self, archive, measured_lease):
        limit = Limit(metric="flops", operator="<=", bound=6.0)
        assert best(archive, measured_lease, metric="flops", limits=[limit]) == [3]

    @pytest.mark.parametrize("metric", STANDARD_METRICS)
    def test_every_standard_metric_can_be_asked_for_and_limited(self, archive, lease, metric):
        for number, value in enumerate([0, 2, 1]):
            archive.add_evaluations(lease, [(measured(number, **{metric: value}), UNCHANGED)])
        limit = Limit(metric=metric, operator=">=", bound=0.5)
        assert best(archive, lease, metric=metric, is_maximized=False, limits=[limit], count=9) == [2, 1]

    def test_efficiency_can_be_asked_for_where_all_that_it_follows_from_was_measured(self, archive, lease):
        cost = {"macs": 500_000, "latency_ms": 2.0, "model_bytes": 1_000}
        archive.add_evaluations(lease, [(measured(0, train_seconds=10.0, **cost), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(1, train_seconds=5.0, **cost), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(2, **cost), UNCHANGED)])
        assert best(archive, lease, metric="efficiency", is_maximized=False, count=9) == [1, 0]
        [found] = archive.best(lease.search_id, metric="efficiency", is_maximized=True)
        assert found.metrics["efficiency"] == (10.0 + 1_000_000 * 0.002) / 1_000

    def test_own_metrics_can_be_asked_for(self, archive, measured_lease):
        assert best(archive, measured_lease, metric="cells", is_maximized=True, count=2) == [2, 5]
        limit = Limit(metric="cells", operator="<", bound=1.0)
        assert best(archive, measured_lease, limits=[limit], count=9) == [6, 3, 0]

    def test_networks_without_the_metric_are_left_out(self, archive, measured_lease):
        assert best(archive, measured_lease, metric="latency_ms", count=9) == []
        assert best(archive, measured_lease, metric="never_heard_of", count=9) == []
        assert 9 not in best(archive, measured_lease, metric="model_bytes", count=99)

    def test_a_bound_beyond_all_numbers_is_no_limit(self, archive, measured_lease):
        assert best(archive, measured_lease, limits=[Limit(metric="macs", operator="<=", bound=1e30)], count=9)[0] == 6

    # --- one network --------------------------------------------------------------------------------------------

    def test_a_network_is_found_by_a_unique_beginning_of_its_key(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        keys = ["abc0", "abd0", "abd00", "b"]
        archive.add_candidates(lease, [candidate(number, key=key) for number, key in enumerate(keys)])
        assert archive.network(lease.search_id, "abc").number == 0
        assert archive.network(lease.search_id, "b").number == 3
        assert archive.network(lease.search_id, "abd0").number == 1  # whole, though another begins so too

    def test_an_ambiguous_beginning_shows_what_begins_so(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        archive.add_candidates(lease, [candidate(number, key=f"ab{number}") for number in range(9)])
        with pytest.raises(UnknownSearch, match=r"more than one network .* begins with 'ab': ab0, ab1, ab2, \.\.\.$"):
            archive.network(lease.search_id, "ab")

    def test_an_unknown_key_is_said_to_be_unknown(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"no network of this search has a key that begins with 'xyz'"):
            archive.network(lease.search_id, "xyz")

    def test_a_network_in_flight_has_no_outcome_yet(self, archive, lease):
        archive.add_evaluations(lease, [(failed(3, FailureKind.WORKER_LOST, arrival=-1), UNCHANGED)])
        found = archive.network(lease.search_id, key_of(3))
        assert (found.arrival, found.metrics, found.failure, found.curve_json) == (-1, {}, None, "[]")
        assert (found.worker, found.seed, found.versions) == (None, None, "")

    def test_a_failed_network_says_why(self, archive, lease):
        archive.add_evaluations(lease, [(failed(3, arrival=0), UNCHANGED)])
        found = archive.network(lease.search_id, key_of(3))
        assert (found.failure, found.failure_message, found.metrics) == ("diverged", "diverged at step 3", {})

    # --- the rest -----------------------------------------------------------------------------------------------

    def test_generations_read_back_in_order_and_are_stored_once(self, archive, lease):
        given = [generation(0), generation(1)]
        archive.add_generation(lease, given[1])
        archive.add_generation(lease, given[0])
        archive.add_generation(lease, generation(1, evaluations=999))
        assert archive.generations(lease.search_id) == given

    def test_events_read_back_in_order_with_their_time(self, archive, lease):
        for number in (7, None, 7):
            archive.add_event(lease, EventRecord(kind="retry", message="worker lost", candidate=number))
        found = archive.events(lease.search_id)
        assert [(event.kind, event.message, event.candidate) for event in found] == [
            ("retry", "worker lost", number) for number in (7, None, 7)
        ]
        assert all(abs(event.at - datetime.now(UTC)) < timedelta(seconds=10) for event in found)

    def test_the_first_calibration_of_a_device_stays(self, archive, lease):
        for device, latency in (("cpu b", 1 / 3), ("cpu a", 2.0), ("cpu b", 9.0)):
            archive.add_calibration(lease, Calibration(device=device, reference_latency_ms=latency))
        assert archive.calibrations(lease.search_id) == (
            Calibration(device="cpu a", reference_latency_ms=2.0),
            Calibration(device="cpu b", reference_latency_ms=1 / 3),
        )

    def test_tuning_trials_read_back_in_order(self, archive, lease):
        given = [
            TuningTrial(key="ab", study="tune-1", number=number, recipe_json="{}", value=value, message="")
            for number, value in ((0, 0.1), (1, None), (2, 1 / 3))
        ]
        for trial in (*given, given[0]):
            archive.add_trial(lease.search_id, trial)
        assert archive.trials(lease.search_id, "ab") == given
        assert archive.trials(lease.search_id, "a") == []

    def test_a_trial_of_no_number_is_refused(self, archive, lease):
        trial = TuningTrial(key="ab", study="s", number=0, recipe_json="{}", value=float("inf"), message="")
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got inf"):
            archive.add_trial(lease.search_id, trial)

    # --- readers ------------------------------------------------------------------------------------------------

    def test_two_readers_read_while_a_writer_writes(self, url, archive, lease):
        def read(_):
            mine = open_reader(url)
            try:
                seen = []
                while not seen or seen[-1] < 12:
                    counts = mine.counts(lease.search_id)
                    found = list(mine.evaluations(lease.search_id))
                    assert len(found) >= counts.completed == counts.front_size
                    seen.append(len(found))
                    time.sleep(0.002)
                return seen
            finally:
                mine.close()

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read, number) for number in range(2)]
            for number in range(12):
                archive.add_evaluations(lease, [(measured(number, accuracy=0.5), FrontChange(entered=(number,)))])
                time.sleep(0.01)
        for reader in readers:
            assert reader.result() == sorted(reader.result())

    def test_a_paused_stream_of_a_reader_holds_no_writer_up(self, reader, archive, lease):
        archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
        stream = reader.evaluations(lease.search_id)
        next(stream)
        archive.add_evaluations(lease, [(measured(1), UNCHANGED)])
        assert archive.counts(lease.search_id).completed == 2

    def test_a_reader_cannot_write(self, url, lease):
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        with reading(url) as connection, pytest.raises(DBAPIError, match=r"read-?only"):
            connection.execute(text("UPDATE searches SET name = 'mine'"))

    def test_an_archive_reopened_knows_all_that_was_written(self, url, archive, lease):
        archive.add_evaluations(lease, [(outcome_of(3, full_measurement(), arrival=0), FrontChange(entered=(3,)))])
        before = everything(archive, lease.search_id)
        archive.close()
        again = open_archive(url, notice=pytest.fail)
        assert everything(again, lease.search_id) == before
        assert again.add_evaluations(lease, [(measured(4, arrival=1), UNCHANGED)])
        again.close()

    def test_a_killed_writer_loses_nothing_that_it_acknowledged(self, url):
        acknowledged = run_writer_and_kill_it(url, after=60)

        reader = open_reader(url)  # at once, over what the dead writer left behind
        search = reader.search("digits")
        assert (search.state, search.is_owned) == (SearchStatus.RUNNING, True)
        archive = open_archive(url, notice=pytest.fail)  # and its lease, of 10 minutes, is free
        lease = archive.claim("digits", owner="alice", ttl_s=60.0)

        completed = [found.candidate for found in reader.evaluations(search.id)]
        assert completed == list(range(len(completed)))
        # The last one may be durable, though it couldn't say so any more.
        assert len(completed) in (acknowledged + 1, acknowledged + 2)
        assert reader.counts(search.id).front_size == len(completed)
        assert archive.add_evaluations(lease, [(measured(len(completed), accuracy=0.5), UNCHANGED)])
        assert reader.network(search.id, key_of(len(completed))).arrival == len(completed)
        archive.close()
        reader.close()

    def test_a_measurement_of_infinity_can_not_even_be_built(self):
        with pytest.raises(ValueError, match=r"'accuracy' must be a finite number; got inf"):
            Measurement(accuracy=float("inf"))


def generation(number, *, evaluations=10):
    return GenerationRecord(
        number=number,
        evaluations=evaluations,
        failures=1,
        front_size=4,
        hypervolume=2 / 3,
        best=(0.97, 1024.0),
        finished_at=datetime(2026, 10, 5, 12, 30, 15, 123457, tzinfo=UTC),
    )


def everything(archive, search_id):
    """All that a search holds, but for the time of its last change."""
    [search] = [search for search in archive.searches() if search.id == search_id]
    return (
        [getattr(search, name) for name in search.__dataclass_fields__ if name != "updated_at"],
        list(archive.candidates(search_id)),
        archive.replicates(search_id),
        list(archive.evaluations(search_id)),
        list(archive.networks(search_id)),
        archive.front(search_id),
        archive.generations(search_id),
        archive.events(search_id),
        archive.calibrations(search_id),
        archive.counts(search_id),
    )


WRITER = """
import sys
import tempfile
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.owner import current_owner
from gasearch.storage.sql import open_archive
from tests.doubles.connections import reading, writing
from tests.doubles.records import candidate, measured, new_search
archive = open_archive(sys.argv[1], notice=lambda message: None)
lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=600.0)
archive.add_candidates(lease, [candidate(number) for number in range(5000)])
for number in range(5000):
    archive.add_evaluations(lease, [(measured(number, accuracy=number / 5000), FrontChange(entered=(number,)))])
    print(number, flush=True)
"""


def run_writer_and_kill_it(url, *, after):
    """The last number that the writer had acknowledged when it was killed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with writer:
        for line in writer.stdout:
            if int(line) >= after:
                break
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
    return max([after, *(int(line) for line in rest[:-1] if line)])
