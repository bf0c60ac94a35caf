"""How fronts grow over outcomes and time, replayed from stored outcomes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.pareto import Scaling
from gasearch.query import growth as module
from gasearch.query.growth import FEW_VOLUMES, OutcomeTable, common_scaling, completed_outcomes, growth, scaling_of
from gasearch.search.problem import Aims
from gasearch.search.state import Completed, SearchState
from gasearch.storage.records import REUSED
from tests.doubles.archived import SCALING, ScriptedReader, search_record
from tests.doubles.records import failed, measured, trained_again
from tests.doubles.searches import loop_over

OBJECTIVES = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))
UNIT = Scaling(ideal=(1.0, 1.0), reference=(0.0, 0.0))


def completed(*outcomes):
    """Outcomes, each with its time: a pair of number and wvalues, None for a failure; and what else it is."""
    width = next((len(one[1]) for one in outcomes if one[1] is not None), 2)
    count = len(outcomes)
    options = [one[2] if len(one) > 2 else {} for one in outcomes]
    is_judged = np.array([one[1] is not None for one in outcomes], dtype=bool)
    return OutcomeTable(
        numbers=np.array([one[0] for one in outcomes], dtype=np.int64),
        is_replicate=np.array([one.get("is_replicate", False) for one in options], dtype=bool),
        is_judged=is_judged,
        is_feasible=is_judged & np.array([one.get("is_feasible", True) for one in options], dtype=bool),
        values=np.array([one[1] or (np.nan,) * width for one in outcomes], dtype=float).reshape(count, width),
        spreads=np.array([one.get("spreads", (0.0,) * width) for one in options], dtype=float).reshape(count, width),
        active_seconds=2.0 * np.arange(count),
        device_seconds=4.0 * np.arange(count),
    )


AGAIN = {"is_replicate": True}


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
    found = completed_outcomes(reader, reader.record, OBJECTIVES, limits)
    return list(zip(found.active_seconds.round(9).tolist(), found.device_seconds.round(9).tolist(), strict=True))


def test_the_volume_grows_with_the_outcomes_that_enter_the_front():
    points = growth(completed((0, (0.5, 0.5)), (1, None), (2, (0.25, 0.25)), (3, (0.5, 1.0)), (4, None)), UNIT)
    assert [point.evaluations for point in points] == [1, 4, 5]  # where it changed, and the last one
    assert [point.hypervolume for point in points] == pytest.approx([1.21 * 0.25, 1.21 * 0.5, 1.21 * 0.5])
    assert [point.front_size for point in points] == [1, 1, 1]
    assert [(point.active_seconds, point.device_seconds) for point in points] == [(0, 0), (6, 12), (8, 16)]


def test_a_further_training_that_lowers_a_member_lowers_the_volume_though_it_stays():
    points = growth(completed((0, (0.5, 0.5)), (0, (0.25, 0.5), AGAIN)), UNIT)
    assert [point.hypervolume for point in points] == pytest.approx([1.21 * 0.25, 1.21 * 0.125])


def test_what_a_lowered_member_had_dominated_comes_back():
    points = growth(completed((0, (0.5, 0.5)), (1, (0.4, 0.4)), (0, (0.1, 0.1), AGAIN)), UNIT)
    assert points[-1].hypervolume == pytest.approx(1.21 * 0.16)


def test_a_failed_further_training_changes_nothing():
    outcomes = completed((0, (0.5, 0.5)), (0, None, AGAIN))
    assert growth(outcomes, UNIT)[-1].hypervolume == pytest.approx(1.21 * 0.25)
    assert outcomes.best() == (0.5, 0.5)


def test_the_best_is_that_of_each_candidate_s_newest_training_within_the_limits():
    outcomes = completed(
        (0, (0.9, 0.1)), (1, (0.5, 0.3)), (0, (0.2, 0.2), AGAIN), (2, (1.0, 1.0), {"is_feasible": False}), (3, None)
    )  # fmt: skip
    assert outcomes.best() == (0.5, 0.3)
    assert outcomes.networks == 3
    assert completed((0, None)).best() is None


def test_an_empty_search_has_not_grown():
    assert growth(completed(), UNIT) == []


def test_with_many_objectives_the_volume_is_taken_now_and_then_and_at_the_end():
    scaling = Scaling(ideal=(1.0,) * 7, reference=(0.0,) * 7)
    points = growth(completed(*((number, (number / 100,) * 7) for number in range(1, 101))), scaling)
    assert len(points) <= FEW_VOLUMES + 1
    assert points[-1].hypervolume == pytest.approx(1.1**7, rel=0.01)


def test_the_common_scaling_spans_all_feasible_outcomes_of_all_searches():
    outside = (9, (9.0, 9.0), {"is_feasible": False})
    scaling = common_scaling([completed((0, (0.0, 1.0)), outside), completed((0, (1.0, 0.5)), (1, None))])
    assert scaling.ideal == (1.0, 1.0)
    assert scaling.reference == pytest.approx((1 - 1.1, 1 - 0.55))
    assert common_scaling([completed((0, None)), completed()]) is None


def test_outcomes_are_judged_by_the_limits_and_a_network_that_lacks_one_s_metric_counts_nowhere():
    reader = Outcomes(measured(0, accuracy=0.5, model_bytes=10), measured(1, accuracy=0.75, model_bytes=30), failed(2))
    found = completed_outcomes(reader, reader.record, OBJECTIVES, [parse_limit("model_bytes <= 20")])
    assert (found.is_judged.tolist(), found.is_feasible.tolist()) == ([True, True, False], [True, False, False])
    assert found.values[:2].tolist() == [[0.5, -10.0], [0.75, -30.0]]
    found = completed_outcomes(reader, reader.record, OBJECTIVES, [parse_limit("latency_ms <= 20")])
    assert not found.is_judged.any()


def test_outcomes_come_with_their_spreads():
    spread = measured(0, accuracy=0.5, model_bytes=10, others=(("accuracy_spread", 0.125),))
    reader = Outcomes(spread, measured(1, accuracy=0.75, model_bytes=30), failed(2))
    assert completed_outcomes(reader, reader.record, OBJECTIVES, []).spreads.tolist() == [[0.125, 0.0], [0, 0], [0, 0]]


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
    assert completed_outcomes(reader, reader.record, OBJECTIVES, []).is_replicate.tolist() == [False, True, True]


def test_a_search_s_own_scaling_is_the_stored_one():
    assert scaling_of(search_record()) is None
    assert scaling_of(search_record(**SCALING)) == Scaling(ideal=(1.0, 0.0), reference=(0.5, -10_000.0))


values = st.floats(min_value=0, max_value=1, allow_nan=False)


@given(st.lists(st.tuples(values, values), max_size=20))
def test_without_further_trainings_a_volume_never_shrinks(pairs):
    volumes = [point.hypervolume for point in growth(completed(*enumerate(pairs)), UNIT)]
    assert all(after >= before - 1e-12 for before, after in pairwise(volumes))


rows = st.lists(
    st.tuples(st.sampled_from(["first", "again"]), st.tuples(*3 * [st.integers(0, 4)]) | st.none(), st.booleans()),
    max_size=30,
)
SPREADS = (0.5, 0.0, 1.0)
AIMS = Aims(
    objectives=tuple(Objective(metric=metric, is_maximized=True) for metric in "abc"),
    limits=(parse_limit("is_good >= 1"),),
    replicates=0.5,
)


@settings(deadline=None)
@given(rows, st.integers(1, 4), st.integers(1, 3))
def test_the_front_grows_as_the_fold_of_the_log_says(rows, block, members):
    scaling = Scaling(ideal=(4.0,) * 3, reference=(-1.0,) * 3)
    state, outcomes, expected = SearchState(AIMS, evaluations=100), [], []
    for place, (training, values, is_good) in enumerate(rows):
        number = place // 2 if training == "again" else place
        replicate = sum(one[0] == number for one in outcomes)
        outcome = Failure(kind=FailureKind.DIVERGED, message="")
        if values is not None:
            spreads = {f"{name}_spread": width for name, width in zip("abc", SPREADS, strict=True)}
            metrics = dict(zip("abc", map(float, values), strict=True)) | spreads | {"is_good": float(is_good)}
            outcome = Measurement(others=tuple(sorted(metrics.items())))
        options = {"is_replicate": replicate > 0, "is_feasible": is_good} | ({"spreads": SPREADS} if values else {})
        outcomes.append((number, values, options))
        state.apply(Completed(number=number, replicate=replicate, outcome=outcome))
        expected.append((state.frontier.front.hypervolume(scaling), len(state.frontier.front)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        patch.setattr(module, "MEMBERS", members)
        points = growth(completed(*outcomes), scaling)
    found = dict.fromkeys(range(len(rows)))
    found |= {point.evaluations - 1: (point.hypervolume, point.front_size) for point in points}
    known = (0.0, 0)
    for place, now in found.items():
        known = now or known
        assert known[0] == pytest.approx(expected[place][0])
        assert now is None or now[1] == expected[place][1]


def test_the_replayed_growth_ends_as_the_search_itself_ended(tmp_path):
    from gasearch.storage.sql import open_archive

    archive = open_archive(f"sqlite:///{tmp_path}/store.db", notice=lambda message: None)
    loop_over(archive, evaluations=40).run()
    record = archive.search("small")
    objectives = [Objective(metric=metric, is_maximized=is_max) for metric, is_max in record.objectives]
    points = growth(completed_outcomes(archive, record, objectives, ()), scaling_of(record))
    assert points[-1].front_size == archive.counts(record.id).front_size
    for generation in archive.generations(record.id):
        point = points[bisect_right(points, generation.evaluations, key=lambda one: one.evaluations) - 1]
        assert (point.hypervolume, point.front_size) == (pytest.approx(generation.hypervolume), generation.front_size)
    archive.close()
