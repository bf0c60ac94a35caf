"""What is stored of candidates and their outcomes; run over each implementation by `tests/gasearch/storage`."""

import pytest
from gasearch_workers.messages import WHOLE_METRICS, Failure, FailureKind, Measurement

from gasearch.errors import StoreError
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.records import (
    REUSED,
    Stay,
)
from tests.contracts.empty_store import LONG, EmptyStore, as_listed, best, numbers
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


class OutcomesContract(EmptyStore):
    """The part of the archive that keeps proposals and outcomes."""

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
