"""What a search counts."""

from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.objectives.fitness import Fitness
from gasearch.search.statistics import Statistics


def failure(kind):
    return Failure(kind=kind, message="")


def test_a_stopped_training_is_neither_a_failure_nor_a_measurement():
    statistics = Statistics()
    statistics.note("a", failure(FailureKind.STOPPED), None, seconds=1.0)
    statistics.note("b", failure(FailureKind.DIED), None, seconds=1.0)
    statistics.note("c", Measurement(accuracy=0.5), Fitness(values=(0.5,)), seconds=1.0)
    counts = statistics.completed, statistics.stopped, statistics.failures, statistics.measured
    assert counts == (3, 1, 1, 1)


def test_attempts_take_time_of_workers_and_are_no_outcomes():
    statistics = Statistics()
    statistics.note_attempt(2.0)
    statistics.note("a", failure(FailureKind.DIED), None, seconds=1.0)
    assert (statistics.retries, statistics.completed, statistics.device_seconds_at) == (1, 1, [3.0])


def test_the_nearest_miss_is_kept_until_something_is_feasible():
    statistics = Statistics()
    for key, violation in (("a", 2.0), ("b", 0.5), ("c", 1.0)):
        statistics.note(key, Measurement(accuracy=0.5), Fitness(values=(0.5,), violation=violation), seconds=0.0)
    assert (statistics.near_miss.key, statistics.has_feasible) == ("b", False)
    statistics.note("d", Measurement(accuracy=0.5), Fitness(values=(0.5,)), seconds=0.0)
    assert statistics.has_feasible
