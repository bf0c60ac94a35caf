"""What every archive tells of the past: trainings, stays on the front, and where the time went."""

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.fitness import FrontChange
from gasearch.storage.records import REUSED, Stay
from tests.contracts.empty_store import EmptyStore, numbers
from tests.doubles.records import UNCHANGED, failed, measured, outcome_of, trained_again

SECONDS = 1.530865  #: From the start to the end of each of `outcome_of`'s.


class HistoriesContract(EmptyStore):
    """The part of the archive that explains how a search came to what it found."""

    def test_candidates_are_found_by_their_numbers_with_their_newest_outcome_or_none(self, archive, lease):
        archive.add_evaluation(lease, measured(3, arrival=0, accuracy=0.5), UNCHANGED)
        archive.add_evaluation(lease, trained_again(3, arrival=1, accuracy=0.25), UNCHANGED)
        found = archive.numbered(lease.search_id, [3, 7, 99, 0])
        assert numbers(found) == [0, 3, 7]
        assert [network.arrival for network in found] == [-1, 1, -1]
        assert found[1].metrics == {"accuracy": 0.25}
        assert archive.numbered(lease.search_id, []) == []

    def test_the_trainings_of_candidates_are_all_told_outcomes_in_order_of_arrival(self, archive, lease):
        first, other = measured(3, arrival=1, attempt=2, accuracy=0.5), measured(5, arrival=0)
        again, lost = trained_again(3, arrival=3, attempt=3, accuracy=0.25), failed(3, arrival=-1, attempt=1)
        for record in (other, lost, first, failed(6, arrival=2), again):
            archive.add_evaluation(lease, record, UNCHANGED)
        assert archive.trainings(lease.search_id, [3]) == [first, again]
        assert archive.trainings(lease.search_id, [3, 5, 8]) == [other, first, again]
        assert archive.trainings(lease.search_id, [8]) == []

    def test_a_stay_on_the_front_ends_with_the_outcome_of_whoever_ended_it(self, archive, lease):
        archive.add_evaluation(lease, measured(3, arrival=0), FrontChange(entered=(3,)))
        archive.add_evaluation(lease, measured(5, arrival=1), FrontChange(entered=(5,), left=(3,)))
        archive.add_evaluation(lease, trained_again(5, arrival=2), FrontChange(entered=(3,), left=(5,)))
        assert archive.stays(lease.search_id, 3) == [
            Stay(entered=0, exited=1, exited_by=5),
            Stay(entered=2, exited=None, exited_by=None),
        ]
        assert archive.stays(lease.search_id, 5) == [Stay(entered=1, exited=2, exited_by=5)]
        assert archive.stays(lease.search_id, 4) == []

    def test_the_time_is_summed_by_what_came_of_it(self, archive, lease):
        stopped = Failure(kind=FailureKind.STOPPED, message="stopped at 1")
        lost = failed(4, FailureKind.WORKER_LOST, arrival=-1)
        reused = outcome_of(6, Measurement(accuracy=0.5), arrival=3, worker=REUSED)
        for record in (outcome_of(0, stopped), measured(1), measured(2), lost, reused):
            archive.add_evaluation(lease, record, UNCHANGED)
        found = archive.counts(lease.search_id).efforts
        assert [(effort.failure, effort.attempts) for effort in found] == [
            (None, 2),
            ("stopped", 1),
            ("worker_lost", 1),
        ]
        assert [round(effort.seconds, 5) for effort in found] == [round(2 * SECONDS, 5), *2 * [round(SECONDS, 5)]]
        assert sum(one.seconds for one in found) == pytest.approx(archive.counts(lease.search_id).busy_seconds)

    def test_a_search_that_has_evaluated_nothing_took_no_time(self, archive, lease):
        assert archive.counts(lease.search_id).efforts == ()
