"""Workers in virtual time."""

import statistics

import pytest
from gasearch_workers.messages import EvaluationResult, Measurement

from benchmarks.support.simulation import (
    MEAN_S,
    Job,
    VirtualClock,
    VirtualPool,
    duration_s,
    in_turn,
    utilisation,
)
from tests.doubles.requests import custom_request


class Takes:
    """An evaluator whose evaluations take as many seconds as their keys say."""

    def evaluate(self, request):
        return EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="w",
            device="none",
            started_at=0.0,
            finished_at=float(request.key),
            outcome=Measurement(),
        )


def pool_with(*seconds, slots):
    clock = VirtualClock()
    pool = VirtualPool(Takes(), slots=slots, clock=clock)
    for one in seconds:
        pool.submit(custom_request(key=str(one)))
    return pool, clock


def test_collect_jumps_to_the_next_completion():
    pool, clock = pool_with(5, 3, slots=2)
    assert [result.key for result in pool.collect(10.0)] == ["3"]
    assert clock() == 3.0
    assert pool.free == 1


def test_collect_waits_no_longer_than_it_may():
    pool, clock = pool_with(5, slots=1)
    assert pool.collect(2.0) == []
    assert clock() == 2.0


def test_what_no_worker_has_begun_begins_when_one_is_free():
    pool, _ = pool_with(2, 4, slots=1)
    pool.collect(10.0)
    (result,) = pool.collect(10.0)
    assert (result.started_at, result.finished_at) == (2.0, 6.0)


def test_cancelled_requests_get_no_result():
    pool, _ = pool_with(2, 4, slots=1)
    pool.cancel_queued()
    pool.collect(10.0)
    assert pool.in_flight == 0


def test_a_jump_into_the_past_takes_no_time():
    clock = VirtualClock()
    clock.jump(3.0)
    clock.jump(1.0)
    assert clock() == 3.0


def test_the_controllers_time_runs_on_the_clock_where_it_counts():
    clock = VirtualClock(counts_cpu=True)
    sum(range(200_000))
    first = clock()
    sum(range(200_000))
    clock.forgive()
    assert 0 < first <= clock() < first + 0.001


def test_utilisation_counts_the_tail_only_in_the_whole():
    jobs = [Job(key="a", started_at=0.0, finished_at=2.0), Job(key="b", started_at=2.0, finished_at=4.0)]
    long = Job(key="c", started_at=0.0, finished_at=2.0)
    found = utilisation([*jobs, long], slots=2)
    assert found.fed == 1.0
    assert found.whole == pytest.approx(6 / 8)


def test_a_late_start_counts_as_idle():
    found = utilisation([Job(key="a", started_at=1.0, finished_at=2.0)], slots=1)
    assert found.whole == 0.5


def test_a_batch_goes_to_whichever_worker_is_free():
    jobs = in_turn(["a", "b", "c"], slots=2, seed=1, began=10.0)
    first, second = duration_s(1, "a"), duration_s(1, "b")
    assert jobs[2].started_at == pytest.approx(10.0 + min(first, second))


def test_durations_have_the_stated_mean():
    assert statistics.mean(duration_s(0, str(key)) for key in range(20_000)) == pytest.approx(MEAN_S, rel=0.05)
