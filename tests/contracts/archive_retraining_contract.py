"""What every archive does for engines that predict, stop trainings, train again and reuse outcomes."""

from dataclasses import replace

import pytest
from gasearch_workers.messages import CurvePoint, Failure, FailureKind, Measurement
from sqlalchemy import text

from gasearch.errors import StoreError
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.records import REUSED, ExpectedMetric, Fall, OperatorCounts, ReplicateRecord
from tests.contracts.empty_store import LONG, EmptyStore, as_listed, best, numbers
from tests.doubles.connections import writing
from tests.doubles.records import (
    PREDICTED,
    UNCHANGED,
    candidate,
    failed,
    key_of,
    measured,
    new_search,
    outcome_of,
    trained_again,
)

STOPPED = Failure(
    kind=FailureKind.STOPPED,
    message="stopped at 0.5 epochs",
    curve=(
        CurvePoint(epoch=0.25, train_loss=1.5, accuracy=0.125),
        CurvePoint(epoch=0.5, train_loss=None, accuracy=None, metrics=(("error", 1 / 3), ("área", 7))),
    ),
)


def decision(candidate, replicate=1, completed=0):
    return ReplicateRecord(candidate=candidate, replicate=replicate, completed=completed)


def filled_search(archive, name, *records, context="c0ffee"):
    """A search with 12 candidates and these outcomes."""
    lease = archive.create_search(new_search(name, context=context), owner="alice", ttl_s=LONG)
    archive.add_candidates(lease, [candidate(number) for number in range(12)])
    for record in records:
        assert archive.add_evaluations(lease, [(record, UNCHANGED)])
    return lease


class RetrainingContract(EmptyStore):
    """The part of the archive that steady-state engines with a surrogate, early stopping and replicates need."""

    # --- predictions and gains ----------------------------------------------------------------------------------

    def test_what_was_expected_of_a_candidate_reads_back_exactly(self, archive, lease):
        given = candidate(20, predicted=PREDICTED)
        archive.add_candidates(lease, [given])
        *_, found = archive.candidates(lease.search_id)
        assert found == given
        assert archive.network(lease.search_id, key_of(20)).predicted == PREDICTED
        assert archive.network(lease.search_id, key_of(3)).predicted == ()

    def test_an_expectation_of_no_number_is_refused(self, archive, lease):
        nothing = (ExpectedMetric(metric="accuracy", mean=float("nan"), deviation=0.0),)
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got nan"):
            archive.add_candidates(lease, [candidate(20, predicted=nothing)])
        assert archive.counts(lease.search_id).candidates == 12

    @pytest.mark.parametrize("gain", [None, 0.0, 1 / 3])
    def test_the_gain_of_an_outcome_reads_back_exactly(self, archive, lease, gain):
        given = outcome_of(3, Measurement(accuracy=0.5), arrival=0, gain=gain)
        archive.add_evaluations(lease, [(given, FrontChange(entered=(3,)))])
        assert list(archive.evaluations(lease.search_id)) == [given]
        assert [network.gain for network in archive.front(lease.search_id)] == [gain]

    # --- stopped trainings --------------------------------------------------------------------------------------

    def test_a_stopped_training_reads_back_with_its_curve(self, archive, lease):
        given = outcome_of(3, STOPPED, arrival=0)
        archive.add_evaluations(lease, [(given, UNCHANGED)])
        assert list(archive.evaluations(lease.search_id)) == [given]
        found = archive.network(lease.search_id, key_of(3))
        assert (found.failure, found.metrics) == ("stopped", {})
        assert found.curve_json.startswith('[{"epoch":0.25,"train_loss":1.5,"accuracy":0.125},{"epoch":0.5,')

    def test_a_stopped_training_counts_apart_from_failures(self, archive, lease):
        archive.add_evaluations(lease, [(failed(0), UNCHANGED)])
        archive.add_evaluations(lease, [(outcome_of(1, STOPPED), UNCHANGED)])
        archive.add_evaluations(lease, [(outcome_of(2, STOPPED), UNCHANGED)])
        counts = archive.counts(lease.search_id)
        assert (counts.completed, counts.failures, counts.stopped, counts.retries) == (3, {"diverged": 1}, 2, 0)
        assert numbers(archive.failed(lease.search_id, count=9)) == [0]

    # --- replicates ---------------------------------------------------------------------------------------------

    def test_decisions_to_train_again_read_back_in_the_order_in_which_they_were_stored(self, archive, lease):
        given = [decision(7), decision(2), decision(7, 2, completed=5)]
        archive.add_replicates(lease, given[:2])
        archive.add_replicates(lease, [])
        archive.add_replicates(lease, given[2:])
        assert archive.replicates(lease.search_id) == given
        assert archive.replicates(lease.search_id + 1) == []

    @pytest.mark.parametrize("refused", [decision(99), decision(3)])
    def test_a_decision_needs_its_candidate_and_is_made_once(self, archive, lease, refused):
        archive.add_replicates(lease, [decision(3)])
        with pytest.raises(StoreError, match=r"refused"):
            archive.add_replicates(lease, [decision(4), refused])
        assert archive.replicates(lease.search_id) == [decision(3)]

    @pytest.fixture
    def retrained(self, archive, lease):
        """Candidates 3 and 4 are trained; 3 once more, with a lower mean, and then again, with a higher one."""
        self.completed = [
            measured(3, arrival=0, accuracy=0.9, others=(("cells", 1.0),)),
            measured(4, arrival=1, accuracy=0.8, others=(("cells", 2.0),)),
            trained_again(3, arrival=2, accuracy=0.5, others=(("cells", 3.0),)),
        ]
        archive.add_replicates(lease, [decision(3)])
        for record in self.completed:
            entered = (record.candidate,) if not record.replicate else ()
            assert archive.add_evaluations(lease, [(record, FrontChange(entered=entered))])
        return lease

    def test_what_further_trainings_took_from_the_hypervolume_can_be_asked(self, archive, lease):
        assert archive.hypervolume(lease.search_id) is None
        archive.add_replicates(lease, [decision(3), replace(decision(3), replicate=2), decision(4)])
        trainings = [(3, 1, None), (4, 1, 0.25), (5, 1, 0.75), (3, 2, 0.5), (4, 2, 0.5), (3, 3, 0.625)]
        for arrival, (number, attempt, volume) in enumerate(trainings):
            record = measured(number, arrival=arrival, attempt=attempt, accuracy=0.5)
            record = replace(record, replicate=attempt - 1, hypervolume=volume)
            assert archive.add_evaluations(lease, [(record, UNCHANGED)])
            assert archive.hypervolume(lease.search_id) == volume
        assert archive.falls(lease.search_id) == [Fall(arrival=3, key=key_of(3), by=0.25)]
        assert archive.falls(lease.search_id + 1) == []

    def test_a_further_training_answers_for_its_network(self, archive, retrained):
        found = archive.network(retrained.search_id, key_of(3))
        assert (found.arrival, found.metrics) == (2, {"accuracy": 0.5, "cells": 3.0})
        assert [network.metrics["accuracy"] for network in archive.front(retrained.search_id)] == [0.5, 0.8]
        assert archive.front_metrics(retrained.search_id) == [one.metrics for one in archive.front(retrained.search_id)]
        assert [network.arrival for network in archive.networks(retrained.search_id)] == [1, 2]
        assert best(archive, retrained, count=9) == [4, 3]
        assert best(archive, retrained, metric="cells", count=9) == [3, 4]

    def test_outcomes_as_columns_say_which_training_answers_for_its_network(self, archive, retrained):
        archive.add_evaluations(retrained, [(failed(4, arrival=3, attempt=2, replicate=1), UNCHANGED)])
        found = archive.outcomes(retrained.search_id, ["cells"])
        assert list(found.candidates) == [3, 4, 3, 4]
        assert list(found.is_replicate) == [0, 0, 1, 1]
        assert list(found.is_newest) == [0, 1, 1, 0]
        assert list(found.is_measured) == [1, 1, 1, 0]
        assert as_listed(found.metrics["cells"]) == [1.0, 2.0, 3.0, None]

    def test_every_told_outcome_stays_in_the_log(self, archive, retrained):
        assert list(archive.evaluations(retrained.search_id)) == self.completed
        counts = archive.counts(retrained.search_id)
        assert (counts.completed, counts.replicates, counts.candidates) == (3, 1, 12)

    def test_each_further_training_replaces_the_one_before(self, archive, retrained):
        third = trained_again(3, arrival=3, replicate=2, attempt=3, accuracy=0.7)
        archive.add_evaluations(retrained, [(third, UNCHANGED)])
        assert archive.network(retrained.search_id, key_of(3)).metrics == {"accuracy": 0.7}
        assert numbers(archive.networks(retrained.search_id)) == [4, 3]
        assert list(archive.evaluations(retrained.search_id)) == [*self.completed, third]

    def test_a_repeated_further_training_counts_once(self, archive, retrained):
        late = trained_again(3, arrival=3, accuracy=0.1)
        assert not archive.add_evaluations(retrained, [(late, FrontChange(left=(3,)))])
        assert archive.network(retrained.search_id, key_of(3)).metrics["accuracy"] == 0.5
        assert numbers(archive.front(retrained.search_id)) == [3, 4]

    def test_a_further_training_that_fails_replaces_nothing_and_only_counts(self, archive, retrained):
        given = failed(4, arrival=3, attempt=2, replicate=1)
        assert archive.add_evaluations(retrained, [(given, UNCHANGED)])
        found = archive.network(retrained.search_id, key_of(4))
        assert (found.arrival, found.failure, found.metrics["accuracy"]) == (1, None, 0.8)
        assert archive.failed(retrained.search_id, count=9) == []
        assert numbers(archive.networks(retrained.search_id)) == [4, 3]
        assert numbers(archive.front(retrained.search_id)) == [3, 4]
        assert list(archive.evaluations(retrained.search_id)) == [*self.completed, given]
        counts = archive.counts(retrained.search_id)
        assert (counts.completed, counts.replicates, counts.failures) == (4, 2, {"diverged": 1})

    def test_a_further_training_after_one_that_failed_replaces_the_last_measurement(self, archive, retrained):
        archive.add_evaluations(retrained, [(failed(4, arrival=3, attempt=2, replicate=1), UNCHANGED)])
        again = trained_again(4, arrival=4, replicate=2, attempt=3, accuracy=0.7)
        archive.add_evaluations(retrained, [(again, UNCHANGED)])
        assert archive.network(retrained.search_id, key_of(4)).metrics == {"accuracy": 0.7}
        assert numbers(archive.networks(retrained.search_id)) == [3, 4]

    def test_a_lost_attempt_of_a_further_training_replaces_nothing(self, archive, retrained):
        archive.add_replicates(retrained, [decision(4, completed=3)])
        lost = failed(4, FailureKind.WORKER_LOST, arrival=-1, attempt=2, replicate=1)
        assert archive.add_evaluations(retrained, [(lost, UNCHANGED)])
        assert archive.network(retrained.search_id, key_of(4)).metrics["accuracy"] == 0.8
        assert archive.retried(retrained.search_id) == [lost]

    def test_searches_do_not_replace_each_others_outcomes(self, archive, retrained):
        other = filled_search(archive, "other", measured(3, arrival=0, accuracy=0.25))
        archive.add_evaluations(retrained, [(trained_again(3, arrival=3, replicate=2, attempt=3), UNCHANGED)])
        assert archive.network(other.search_id, key_of(3)).metrics == {"accuracy": 0.25}

    def test_a_network_may_leave_the_front_and_enter_again(self, archive, retrained):
        archive.add_evaluations(
            retrained, [(measured(5, arrival=3, accuracy=0.6), FrontChange(entered=(5,), left=(3,)))]
        )
        assert numbers(archive.front(retrained.search_id)) == [4, 5]
        again = trained_again(3, arrival=4, replicate=2, attempt=3, accuracy=0.95)
        archive.add_evaluations(retrained, [(again, FrontChange(entered=(3,), left=(5,)))])
        assert numbers(archive.front(retrained.search_id)) == [3, 4]
        assert archive.counts(retrained.search_id).front_size == 2

    # --- counts -------------------------------------------------------------------------------------------------

    def test_workers_were_busy_with_every_attempt_but_not_with_what_was_reused(self, archive, lease):
        archive.add_evaluations(lease, [(failed(0, FailureKind.WORKER_LOST, arrival=-1), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(0, arrival=0, attempt=2, accuracy=0.5), UNCHANGED)])
        reused = outcome_of(1, Measurement(accuracy=0.5), worker=REUSED)
        archive.add_evaluations(lease, [(reused, UNCHANGED)])
        archive.add_evaluations(lease, [(trained_again(0, arrival=2, attempt=3), UNCHANGED)])
        counts = archive.counts(lease.search_id)
        assert (counts.completed, counts.reused, counts.replicates) == (3, 1, 1)
        assert counts.busy_seconds == pytest.approx(3 * 1.530865, abs=1e-5)

    def test_how_long_an_attempt_took_is_what_it_measured_not_what_its_dates_say(self, archive, lease):
        minute = outcome_of(0, Measurement(accuracy=0.5), seconds=60.0)
        backwards = outcome_of(1, Measurement(accuracy=0.5))
        result = replace(backwards.result, finished_at=backwards.result.started_at - 86_400.0)
        for record in (minute, replace(backwards, result=result)):
            archive.add_evaluations(lease, [(record, UNCHANGED)])
        assert archive.counts(lease.search_id).busy_seconds == 60.0
        assert [effort.seconds for effort in archive.counts(lease.search_id).efforts] == [60.0]
        assert [record.result.duration_s for record in archive.evaluations(lease.search_id)] == [60.0, 0.0]

    def test_an_empty_search_kept_nobody_busy(self, archive, lease):
        counts = archive.counts(lease.search_id)
        assert (counts.stopped, counts.reused, counts.replicates, counts.busy_seconds) == (0, 0, 0, 0.0)

    # --- operators ----------------------------------------------------------------------------------------------

    def test_operators_are_told_by_what_their_children_came_to(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        made_by = ["sample", "sample", "sample", "mutate", "mutate", "idle", "depth", "depth"]
        archive.add_candidates(lease, [candidate(n, operator=operator) for n, operator in enumerate(made_by)])
        on_front = FrontChange(entered=(0,))
        archive.add_evaluations(lease, [(outcome_of(0, Measurement(accuracy=0.5), gain=0.25), on_front)])
        archive.add_evaluations(lease, [(outcome_of(1, Measurement(accuracy=0.25), gain=0.0), UNCHANGED)])
        archive.add_evaluations(lease, [(failed(2), UNCHANGED)])
        archive.add_evaluations(lease, [(failed(3, FailureKind.WORKER_LOST, arrival=-1), UNCHANGED)])
        archive.add_evaluations(
            lease, [(outcome_of(3, Measurement(), attempt=2, gain=0.5), FrontChange(entered=(3,), left=(0,)))]
        )
        archive.add_evaluations(lease, [(measured(6, arrival=4), UNCHANGED)])
        again = trained_again(0, arrival=5, gain=0.125)
        archive.add_evaluations(lease, [(again, FrontChange(entered=(0,)))])
        assert archive.operators(lease.search_id) == [
            OperatorCounts(operator="mutate", children=1, measured=1, entered=1, gain=0.5),
            OperatorCounts(operator="sample", children=3, measured=2, entered=1, gain=0.25),
            OperatorCounts(operator="depth", children=1, measured=1, entered=0, gain=0.0),
        ]

    def test_a_search_without_outcomes_has_no_operators(self, archive, lease):
        assert archive.operators(lease.search_id) == []

    # --- reuse --------------------------------------------------------------------------------------------------

    def test_a_measurement_of_the_same_context_can_be_reused(self, archive, reader):
        given = measured(3, arrival=0, accuracy=0.5)
        filled_search(archive, "earlier", given, measured(4, arrival=1))
        assert reader.reusable("c0ffee", [key_of(3), key_of(5), "unheard of"]) == {key_of(3): [given]}
        assert reader.reusable("c0ffee", []) == {}

    @pytest.mark.parametrize(("context", "asked"), [("c0ffee", "c0ffe"), ("c0ffee", ""), ("", "")])
    def test_nothing_of_another_context_can_be_reused(self, archive, context, asked):
        filled_search(archive, "earlier", measured(3, arrival=0, accuracy=0.5), context=context)
        assert archive.reusable(asked, [key_of(3)]) == {}

    def test_only_measurements_can_be_reused(self, archive):
        lost = failed(2, FailureKind.WORKER_LOST, arrival=-1)
        filled_search(archive, "earlier", failed(0), outcome_of(1, STOPPED), lost)
        assert archive.reusable("c0ffee", [key_of(number) for number in range(4)]) == {}

    def test_the_first_training_is_reused_not_the_mean_of_several(self, archive):
        first, again = measured(3, arrival=0, accuracy=0.5), trained_again(3, arrival=1, accuracy=0.25)
        filled_search(archive, "earlier", first, again)
        assert archive.reusable("c0ffee", [key_of(3)]) == {key_of(3): [first]}

    def test_of_several_searches_each_is_given_the_oldest_first(self, archive):
        filled_search(archive, "oldest", failed(4, arrival=0))
        old = outcome_of(3, Measurement(accuracy=0.5), arrival=0, worker=REUSED)
        filled_search(archive, "old", old)
        newest = [measured(3, arrival=0, accuracy=0.25), measured(4, arrival=1)]
        filled_search(archive, "new", *newest)
        keys = [key_of(3), key_of(4)]
        assert archive.reusable("c0ffee", keys) == {key_of(3): [old, newest[0]], key_of(4): [newest[1]]}

    def test_a_changed_measurement_is_not_reused(self, url, archive):
        filled_search(archive, "earlier", measured(3, arrival=0, accuracy=0.5))
        with writing(url) as connection:
            connection.execute(text("UPDATE evaluations SET accuracy = 0.75"))
        with pytest.raises(StoreError, match=r"candidate 3, attempt 1 .* doesn't match its checksum"):
            archive.reusable("c0ffee", [key_of(3)])
