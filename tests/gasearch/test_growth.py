"""How fronts grow over outcomes and time, replayed from stored outcomes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from gasearch_workers.messages import FailureKind
from hypothesis import given
from hypothesis import strategies as st

from gasearch.fitness import Fitness, Objective
from gasearch.growth import MOST_DEAR_VOLUMES, Told, common_scaling, growth, scaling_of, standing, told_outcomes
from gasearch.limits import parse_limit
from gasearch.pareto import Scaling
from gasearch.storage.records import REUSED
from tests.doubles.archived import SCALING, ScriptedReader, search_record
from tests.doubles.records import failed, measured, trained_again
from tests.doubles.searches import loop_over

OBJECTIVES = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))
UNIT = Scaling(ideal=(1.0, 1.0), reference=(0.0, 0.0))


def told(number, *worths, is_replicate=False, spreads=()):
    return Told(
        number=number,
        fitness=Fitness(values=worths, spreads=spreads) if worths else None,
        is_replicate=is_replicate,
        active_seconds=number * 2.0,
        device_seconds=number * 4.0,
    )


class Outcomes(ScriptedReader):
    """A reader that gives these stored outcomes, each with its start and end."""

    def __init__(self, *records, **changes):
        super().__init__(record=search_record(**changes), all_networks=())
        self.records = records

    def evaluations(self, search_id):
        return iter(self.records)


def between(record, started_at, finished_at, worker="host/1"):
    return replace(record, result=replace(record.result, started_at=started_at, finished_at=finished_at, worker=worker))


def spent(reader, limits=()):
    return [
        (round(one.active_seconds, 9), round(one.device_seconds, 9))
        for one in told_outcomes(reader, reader.record, OBJECTIVES, limits)
    ]


def test_the_volume_grows_with_the_outcomes_that_enter_the_front():
    points = growth([told(0, 0.5, 0.5), told(1), told(2, 0.25, 0.25), told(3, 0.5, 1.0)], UNIT)
    assert [point.hypervolume for point in points] == pytest.approx([1.21 * 0.25, 1.21 * 0.25, 1.21 * 0.25, 1.21 * 0.5])
    assert [point.front_size for point in points] == [1, 1, 1, 1]
    assert [point.evaluations for point in points] == [1, 2, 3, 4]
    assert [(point.active_seconds, point.device_seconds) for point in points] == [(0, 0), (2, 4), (4, 8), (6, 12)]


def test_a_further_training_that_lowers_a_member_lowers_the_volume_though_it_stays():
    points = growth([told(0, 0.5, 0.5), told(0, 0.25, 0.5, is_replicate=True)], UNIT)
    assert [point.hypervolume for point in points] == pytest.approx([1.21 * 0.25, 1.21 * 0.125])


def test_what_a_lowered_member_had_dominated_comes_back():
    outcomes = [told(0, 0.5, 0.5), told(1, 0.4, 0.4), told(0, 0.1, 0.1, is_replicate=True)]
    assert growth(outcomes, UNIT)[-1].hypervolume == pytest.approx(1.21 * 0.16)


def test_a_failed_further_training_changes_nothing():
    outcomes = [told(0, 0.5, 0.5), replace(told(0), is_replicate=True)]
    assert growth(outcomes, UNIT)[-1].hypervolume == pytest.approx(1.21 * 0.25)
    assert standing(outcomes) == {0: Fitness(values=(0.5, 0.5))}


def test_an_empty_search_has_not_grown():
    assert growth([], UNIT) == []


def test_with_many_objectives_the_volume_is_taken_now_and_then_and_at_the_end():
    scaling = Scaling(ideal=(1.0,) * 6, reference=(0.0,) * 6)
    outcomes = [told(number, *(number / 100,) * 6) for number in range(101)]
    volumes = [point.hypervolume for point in growth(outcomes, scaling)]
    assert len(set(volumes)) <= MOST_DEAR_VOLUMES + 2
    assert volumes[-1] == pytest.approx(1.1**6)


def test_the_common_scaling_spans_all_feasible_outcomes_of_all_searches():
    outside = Told(
        number=9, fitness=Fitness(values=(9.0, 9.0), violation=1.0), is_replicate=False, active_seconds=0,
        device_seconds=0,
    )  # fmt: skip
    scaling = common_scaling([[told(0, 0.0, 1.0), outside], [told(0, 1.0, 0.5), told(1)]])
    assert scaling.ideal == (1.0, 1.0)
    assert scaling.reference == pytest.approx((1 - 1.1, 1 - 0.55))
    assert common_scaling([[told(0)], []]) is None


def test_outcomes_are_judged_by_the_limits_and_a_network_that_lacks_one_s_metric_counts_nowhere():
    reader = Outcomes(measured(0, accuracy=0.5, model_bytes=10), measured(1, accuracy=0.75, model_bytes=30), failed(2))
    found = told_outcomes(reader, reader.record, OBJECTIVES, [parse_limit("model_bytes <= 20")])
    assert [one.fitness and one.fitness.is_feasible for one in found] == [True, False, None]
    found = told_outcomes(reader, reader.record, OBJECTIVES, [parse_limit("latency_ms <= 20")])
    assert [one.fitness for one in found] == [None, None, None]


def test_the_time_of_a_search_passes_while_some_worker_is_busy():
    # Two workers at once for 4 s, a night without a controller, then one for 4 s: 8 s of the search's 16.
    reader = Outcomes(
        between(measured(0), 0.0, 2.0),
        between(measured(1), 0.0, 4.0),
        between(measured(2), 9_000.0, 9_004.0),
        active_seconds=16.0,
    )
    assert spent(reader) == [(4.0, 2.0), (8.0, 6.0), (16.0, 10.0)]


def test_a_late_outcome_of_an_early_start_takes_no_time_back():
    reader = Outcomes(between(measured(0), 0.0, 8.0), between(measured(1), 0.0, 4.0), active_seconds=8.0)
    assert spent(reader) == [(8.0, 8.0), (8.0, 12.0)]


def test_a_reused_outcome_takes_no_time_of_any_worker():
    reader = Outcomes(
        between(measured(0), 0.0, 1.0), between(measured(1), 500.0, 600.0, REUSED), between(measured(2), 1.0, 2.0),
        active_seconds=2.0,
    )  # fmt: skip
    assert spent(reader) == [(1.0, 1.0), (1.0, 1.0), (2.0, 2.0)]


@pytest.mark.parametrize("step_s", [400 * 86400.0, -400 * 86400.0])
@pytest.mark.parametrize("at", ["between two", "within one"])
def test_a_clock_that_is_set_moves_no_more_than_one_outcome(step_s, at):
    records = []
    for number in range(10):
        start, end = (float(time + step_s * (number >= 5)) for time in (number, number + 1))
        if at == "within one" and number == 5:
            start -= step_s
        one = between(measured(number), start, end)
        records.append(replace(one, result=replace(one.result, seconds=1.0)))
    found = spent(Outcomes(*records, active_seconds=10.0))
    assert [device_s for _, device_s in found] == [float(number) for number in range(1, 11)]
    active = [active_s for active_s, _ in found]
    assert active == sorted(active)
    assert max(abs(active_s - number) for number, active_s in enumerate(active, 1)) <= 1.0


def test_where_no_time_was_taken_it_passes_evenly():
    reader = Outcomes(between(measured(0), 3.0, 3.0), between(measured(1), 5.0, 5.0), active_seconds=10.0)
    assert spent(reader) == [(5.0, 0.0), (10.0, 0.0)]


def test_a_replicate_is_told_as_one():
    reader = Outcomes(measured(0), trained_again(0, arrival=1), failed(0, FailureKind.DIVERGED, arrival=2, replicate=2))
    assert [one.is_replicate for one in told_outcomes(reader, reader.record, OBJECTIVES, [])] == [False, True, True]


def test_a_search_s_own_scaling_is_the_stored_one():
    assert scaling_of(search_record()) is None
    assert scaling_of(search_record(**SCALING)) == Scaling(ideal=(1.0, 0.0), reference=(0.5, -10_000.0))


values = st.floats(min_value=0, max_value=1, allow_nan=False)


@given(st.lists(st.tuples(values, values), max_size=20))
def test_without_further_trainings_a_volume_never_shrinks(pairs):
    volumes = [point.hypervolume for point in growth([told(n, *pair) for n, pair in enumerate(pairs)], UNIT)]
    assert all(after >= before - 1e-12 for before, after in pairwise(volumes))


def test_the_replayed_growth_ends_as_the_search_itself_ended(tmp_path):
    from gasearch.storage.sql import open_archive

    archive = open_archive(f"sqlite:///{tmp_path}/store.db", notice=lambda message: None)
    loop_over(archive, evaluations=40).run()
    record = archive.search("small")
    objectives = [Objective(metric=metric, is_maximized=is_max) for metric, is_max in record.objectives]
    points = growth(told_outcomes(archive, record, objectives, ()), scaling_of(record))
    assert points[-1].front_size == archive.counts(record.id).front_size
    for generation in archive.generations(record.id):
        point = points[generation.evaluations - 1]
        assert (point.hypervolume, point.front_size) == (pytest.approx(generation.hypervolume), generation.front_size)
    archive.close()
