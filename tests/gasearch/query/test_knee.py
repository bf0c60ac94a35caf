"""The knee of a front: where it bulges farthest, and keeps a good score."""

from __future__ import annotations

import pytest

from gasearch.objectives.fitness import Objective
from gasearch.query.front import best_points
from gasearch.query.knee import knee_distances, knee_order
from tests.doubles.archived import keys_of, scripted_reader

ACCURACY = Objective(metric="accuracy", is_maximized=True)


RMSE = Objective(metric="rmse", is_maximized=False)


BYTES = Objective(metric="model_bytes", is_maximized=False)


LATENCY = Objective(metric="latency_ms", is_maximized=False)


def knee_of(objectives, *rows):
    return knee_order([dict(zip([one.metric for one in objectives], row, strict=True)) for row in rows], objectives)


def test_the_knee_bulges_farthest_from_the_line_between_the_extremes_that_are_good_enough():
    # 3 is small and mostly wrong. Of 1, 2 and 6 the middle one lies below the line; 1 has 3.6 times fewer bytes than 2.
    assert keys_of(best_points(scripted_reader(), "digits", knee=True)) == [1]
    assert keys_of(best_points(scripted_reader(), "digits", knee=True, count=9)) == [1, 2, 6, 3]
    assert knee_of((ACCURACY, BYTES), (0.99, 9000.0), (0.98, 3000.0), (0.97, 2500.0))[0] == 1


def test_useless_networks_on_the_front_do_not_make_good_ones_look_alike():
    # Over all of the front 5.7 points of accuracy are little, and a tenth of the bytes and 3 % of the latency much.
    objectives = (ACCURACY, BYTES, LATENCY)
    good = [(0.9931, 10_500.0, 0.0106), (0.9722, 3600.0, 0.00975), (0.9149, 3330.0, 0.00944)]
    assert knee_of(objectives, *good, (0.2743, 320.0, 0.00704), (0.2083, 301.0, 0.00703))[0] == 1


def test_sizes_are_weighed_by_factors():
    rows = [(0.99, 100_000.0), (0.98, 30_000.0), (0.975, 2_000.0), (0.91, 400.0)]
    assert knee_of((ACCURACY, BYTES), *rows)[0] == 2
    assert knee_of((ACCURACY, BYTES), *[(score, size / 400) for score, size in rows])[0] == 2  # in another unit


@pytest.mark.parametrize(
    ("rows", "knee"),
    [
        ([(0.98, 50_000.0), (0.97, 1000.0)], 1),
        ([(0.98, 1100.0), (0.9, 1000.0)], 1),
        ([(0.98, 1050.0), (0.9, 1000.0)], 0),
        ([(0.98, 50_000.0), (0.5, 1000.0)], 0),
        ([(0.98, 50_000.0), (0.93, 20_000.0), (0.9, 1000.0)], 2),  # the middle one lies below the line
        ([(0.98, 50_000.0)], 0),
    ],
)
def test_a_front_that_bulges_nowhere_has_its_knee_where_the_greater_factor_is_won(rows, knee):
    assert knee_of((ACCURACY, BYTES), *rows)[0] == knee


@pytest.mark.parametrize(
    ("objective", "rows"),
    [
        (ACCURACY, [(0.98, 5000.0), (0.97, 4900.0), (0.74, 900.0), (0.5, 800.0)]),
        (RMSE, [(10.0, 5000.0), (10.9, 4900.0), (14.0, 900.0), (20.0, 800.0)]),
        (Objective(metric="val_acc", is_maximized=True), [(0.98, 5000.0), (0.97, 4900.0), (0.74, 900.0)]),
        (Objective(metric="error", is_maximized=False), [(0.1, 5000.0), (0.15, 4900.0), (0.3, 900.0)]),
        (Objective(metric="score", is_maximized=True), [(-10.0, 5000.0), (-11.0, 4900.0), (-14.0, 900.0)]),
    ],
)
def test_the_knee_keeps_nine_tenths_of_the_best_score(objective, rows):
    order = knee_of((objective, BYTES), *rows)
    assert set(order[:2]) == {0, 1}
    assert order[2:] == list(range(2, len(rows)))  # those that miss it by least come next


def test_of_errors_that_span_decades_the_better_half_is_good_enough():
    # Nine tenths of the least error would leave one of the largest tables alone.
    objectives = (Objective(metric="error", is_maximized=False), Objective(metric="table_bytes", is_maximized=False))
    rows = [(0.00012, 900.0), (0.00024, 220.0), (0.0008, 100.0), (0.003, 60.0), (0.025, 5.0), (0.09, 4.0)]
    order = knee_of(objectives, *rows)
    assert order[0] == 1
    assert set(order[:4]) == {0, 1, 2, 3}


def test_scores_that_no_network_combines_leave_the_first_one_to_decide():
    objectives = (ACCURACY, Objective(metric="auc", is_maximized=True))
    assert knee_of(objectives, (0.9, 0.1), (0.1, 0.9))[0] == 0


def test_a_knee_can_be_found_where_values_are_nought_or_negative():
    assert knee_of((RMSE, BYTES), (0.0, 10.0), (5.0, 0.0))[0] == 0
    assert knee_of((ACCURACY, BYTES)) == []


def test_the_distance_from_the_plane_is_zero_at_the_extremes_and_ignores_scale_and_constant_objectives():
    wvalues = [(0.0, -100.0, 7.0), (1.0, -300.0, 7.0), (0.9, -140.0, 7.0)]
    distances = knee_distances(wvalues)
    assert distances[:2] == pytest.approx([0, 0])
    assert distances[2] == pytest.approx((0.9 + 0.8 - 1) / 2**0.5)
    assert knee_distances([(5.0, 5.0)]) == [0.0]
    assert knee_distances([]) == []


def test_the_plane_in_three_objectives_goes_through_the_extreme_points():
    corners = [(1.0, 0.2, 0.0), (0.0, 1.0, 0.2), (0.2, 0.0, 1.0)]
    distances = knee_distances([*corners, (0.8, 0.8, 0.8)])
    assert distances[:3] == pytest.approx([0, 0, 0])
    assert distances[3] == pytest.approx((2.4 - 1.2) / 3**0.5)


def test_extremes_that_coincide_are_replaced_by_the_scaled_corners():
    # The first point is the best in two objectives at once: no plane is determined by the extremes.
    distances = knee_distances([(1.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.5)])
    assert distances == pytest.approx([1 / 3**0.5, 0.0, 0.5 / 3**0.5])
