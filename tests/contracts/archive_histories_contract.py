"""What every archive tells of the past: trainings, stays on the front, and where the time went."""

from contextlib import closing
from dataclasses import replace

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.objectives.fitness import FrontChange
from gasearch.storage.records import REUSED, SearchStatus, Stay
from gasearch.storage.sql import open_reader
from tests.contracts.empty_store import LONG, EmptyStore, numbers
from tests.doubles.records import UNCHANGED, candidate, failed, measured, new_search, outcome_of, trained_again

SECONDS = 1.530865  #: From the start to the end of each of `outcome_of`'s.


class HistoriesContract(EmptyStore):
    """The part of the archive that explains how a search came to what it found."""

    def test_candidates_are_found_by_their_numbers_with_their_newest_outcome_or_none(self, archive, lease):
        archive.add_evaluations(lease, [(measured(3, arrival=0, accuracy=0.5), UNCHANGED)])
        archive.add_evaluations(lease, [(trained_again(3, arrival=1, accuracy=0.25), UNCHANGED)])
        found = archive.numbered(lease.search_id, [3, 7, 99, 0])
        assert numbers(found) == [0, 3, 7]
        assert [network.arrival for network in found] == [-1, 1, -1]
        assert found[1].metrics == {"accuracy": 0.25}
        assert archive.numbered(lease.search_id, []) == []

    def test_the_trainings_of_candidates_are_all_told_outcomes_in_order_of_arrival(self, archive, lease):
        first, other = measured(3, arrival=1, attempt=2, accuracy=0.5), measured(5, arrival=0)
        again, lost = trained_again(3, arrival=3, attempt=3, accuracy=0.25), failed(3, arrival=-1, attempt=1)
        for record in (other, lost, first, failed(6, arrival=2), again):
            archive.add_evaluations(lease, [(record, UNCHANGED)])
        assert archive.trainings(lease.search_id, [3]) == [first, again]
        assert archive.trainings(lease.search_id, [3, 5, 8]) == [other, first, again]
        assert archive.trainings(lease.search_id, [8]) == []

    def test_a_stay_on_the_front_ends_with_the_outcome_of_whoever_ended_it(self, archive, lease):
        archive.add_evaluations(lease, [(measured(3, arrival=0), FrontChange(entered=(3,)))])
        archive.add_evaluations(lease, [(measured(5, arrival=1), FrontChange(entered=(5,), left=(3,)))])
        archive.add_evaluations(lease, [(trained_again(5, arrival=2), FrontChange(entered=(3,), left=(5,)))])
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
            archive.add_evaluations(lease, [(record, UNCHANGED)])
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

    def test_what_is_counted_as_outcomes_come_is_what_a_fresh_count_finds(self, url, archive, lease):
        stopped = Failure(kind=FailureKind.STOPPED, message="stopped at 1")
        records = (
            failed(0, FailureKind.WORKER_LOST, arrival=-1),
            measured(0, arrival=0, attempt=2, accuracy=0.5),
            failed(1, FailureKind.OUT_OF_MEMORY, arrival=-1),
            outcome_of(2, stopped, arrival=1),
            failed(1, FailureKind.WORKER_LOST, arrival=-1, attempt=2),
            failed(1, FailureKind.WORKER_LOST, arrival=2, attempt=3),
            outcome_of(3, Measurement(accuracy=0.5), arrival=3, worker=REUSED),
            trained_again(0, arrival=4, attempt=3, accuracy=0.25),
            failed(0, arrival=5, attempt=4, replicate=2),
            outcome_of(4, Measurement(accuracy=0.5), arrival=6, seconds=0.25),
        )
        for completed, record in enumerate(records):
            archive.add_evaluations(lease, [(record, UNCHANGED)])
            archive.add_candidates(lease, [candidate(12 + completed)])
            assert_counted_as_afresh(archive, url, lease)
            assert archive.counts(lease.search_id).candidates == 13 + completed
        counts = archive.counts(lease.search_id)
        assert (counts.completed, counts.retries, counts.replicates, counts.reused, counts.stopped) == (7, 3, 2, 1, 1)
        assert counts.failures == {"diverged": 1, "worker_lost": 1}

    def test_the_newest_failure_of_each_kind_is_a_told_one(self, archive, lease):
        lost = FailureKind.WORKER_LOST
        for record in (failed(0, lost, arrival=1), failed(2, arrival=0), failed(1, lost, arrival=2), measured(4)):
            archive.add_evaluations(lease, [(record, UNCHANGED)])
        archive.add_evaluations(lease, [(failed(5, lost, arrival=-1), UNCHANGED)])
        found = archive.newest_failures(lease.search_id, ["diverged", "out_of_memory", "worker_lost"])
        assert [(one.failure, one.candidate, one.message) for one in found] == [
            ("diverged", 2, "diverged at step 3"),
            ("worker_lost", 1, "worker_lost at step 3"),
        ]

    def test_what_is_stored_out_of_order_is_counted_too(self, url, archive, lease):
        for arrival in (2, 0, 5, 1, 3, 4):
            archive.add_evaluations(lease, [(measured(arrival), UNCHANGED)])
            archive.add_candidates(lease, [candidate(20 - arrival)])
            assert_counted_as_afresh(archive, url, lease)
        assert archive.counts(lease.search_id).completed == 6
        assert archive.counts(lease.search_id).candidates == 18

    def test_the_metrics_of_a_front_are_those_of_now(self, archive, lease):
        changes = (
            FrontChange(entered=(0,)),
            FrontChange(entered=(1,), left=(0,)),
            UNCHANGED,
            FrontChange(entered=(3,)),
        )
        records = [measured(number, accuracy=(1 + number) / 8) for number in range(4)]
        records.append(trained_again(3, arrival=4, attempt=2, accuracy=0.75))
        for record, change in zip(records, (*changes, UNCHANGED), strict=True):
            archive.add_evaluations(lease, [(record, change)])
            members = [one.metrics for one in archive.front(lease.search_id)]
            assert archive.front_metrics(lease.search_id) == members
        assert [one["accuracy"] for one in members] == [0.25, 0.75]

    def test_nothing_counted_of_a_deleted_search_counts_for_another_one_of_its_number(self, url, archive, reader):
        for completed in (3, 2, 4, 0):
            lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
            archive.add_candidates(lease, [candidate(number) for number in range(completed)])
            for number in range(completed):
                record = measured(number, accuracy=completed / 8) if completed % 2 else failed(number)
                archive.add_evaluations(
                    lease, [(record, FrontChange(entered=(number,)) if completed % 2 else UNCHANGED)]
                )
            assert [one["accuracy"] for one in reader.front_metrics(lease.search_id)] == (completed % 2) * completed * [
                completed / 8
            ]
            assert_counted_as_afresh(reader, url, lease)
            assert reader.counts(lease.search_id).completed == completed
            archive.release(lease, state=SearchStatus.STOPPED, reason="enough")
            archive.delete_search("digits")


def assert_counted_as_afresh(reader, url, lease):
    """Whether a reader counts what one that remembers nothing counts; sums of seconds up to the last bit."""
    found = reader.counts(lease.search_id)
    with closing(open_reader(url)) as other:
        afresh = other.counts(lease.search_id)
    seconds = [[effort.seconds for effort in counts.efforts] for counts in (found, afresh)]
    assert seconds[0] == pytest.approx(seconds[1], rel=1e-12)
    efforts = [replace(one, seconds=other.seconds) for one, other in zip(found.efforts, afresh.efforts, strict=True)]
    assert replace(found, efforts=tuple(efforts)) == afresh
