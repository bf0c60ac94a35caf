"""A search ends when its budget is spent, or when going on doesn't pay."""

import pytest

from gasearch.objectives.frontier import Frontier
from gasearch.objectives.pareto import Scaling
from gasearch.search.budget import LEAST_WINDOW, SearchBudget, ending, gain_per_device_hour
from gasearch.search.problem import Aims
from gasearch.search.state import SearchState


def frontier_with(*growth):
    """A frontier whose volume was taken so: (told, volume); of so many objectives that it isn't taken anew."""
    frontier = Frontier()
    frontier.scaling = Scaling(ideal=(0.0,) * 6, reference=(-1.1,) * 6)
    for completed, volume in growth:
        frontier.recall(completed, volume)
    return frontier


def why(budget, *, completed=10, seconds=0.0, device_seconds=0.0, frontier=None, device_seconds_at=()):
    state = SearchState(Aims(objectives=(), limits=()), evaluations=1000)
    state.statistics.completed, state.statistics.device_seconds = completed, device_seconds
    state.statistics.device_seconds_at = list(device_seconds_at)
    state.frontier = frontier or state.frontier
    return ending(SearchBudget(**{"evaluations": 1000} | budget), state, seconds=seconds)


def test_a_search_goes_on_within_its_budget():
    assert why({"seconds": 10.0, "device_seconds": 10.0, "stalled": 10, "gain_per_device_hour": 0.1}) is None


@pytest.mark.parametrize(
    ("budget", "spent", "reason"),
    [
        ({"evaluations": 10}, {"completed": 10}, "all 10 evaluations are done"),
        ({"seconds": 1800.0}, {"seconds": 1800.0}, "the budget of 0.5 hours is spent"),
        ({"device_seconds": 7200.0}, {"device_seconds": 7201.0}, "the budget of 2 device-hours is spent"),
    ],
)
def test_each_part_of_a_budget_ends_a_search(budget, spent, reason):
    assert why(budget, **spent) == reason


def test_a_volume_that_no_longer_grows_ends_a_search_after_its_patience():
    frontier = frontier_with((10, 0.5), (20, 0.8))
    assert why({"stalled": 30}, completed=49, frontier=frontier) is None
    assert why({"stalled": 30}, completed=50, frontier=frontier) == (
        "the hypervolume has not grown by 0.1% over 30 evaluations"
    )


def test_a_growth_of_a_thousandth_is_enough_to_go_on():
    assert why({"stalled": 10}, completed=20, frontier=frontier_with((10, 1.0), (15, 1.002))) is None
    assert why({"stalled": 10}, completed=20, frontier=frontier_with((10, 1.0), (15, 1.0005))) is not None


def test_without_anything_feasible_nothing_has_stalled():
    assert why({"stalled": 10, "gain_per_device_hour": 1.0}, completed=500, device_seconds_at=range(500)) is None


def test_the_expected_gain_is_that_of_the_newest_window_slowed_as_it_slowed():
    hours = [3600.0 * completed for completed in range(1, 61)]  # one device-hour per outcome
    frontier = frontier_with((20, 0.4), (40, 0.8), (60, 1.0))
    # +0.2 over 20 hours, half of what the window before gained: +0.1 expected over the next 20, of a volume of 1
    assert gain_per_device_hour(frontier, hours) == pytest.approx(0.1 / 20)


def test_a_gain_that_speeds_up_is_not_extrapolated():
    hours = [3600.0 * completed for completed in range(1, 61)]
    frontier = frontier_with((20, 0.4), (40, 0.5), (60, 1.0))
    assert gain_per_device_hour(frontier, hours) == pytest.approx(0.5 / 20)


def test_the_expected_gain_is_open_until_a_window_is_full():
    frontier = frontier_with((1, 0.5), (10, 0.6))
    assert gain_per_device_hour(frontier, [1.0] * LEAST_WINDOW) is None
    assert gain_per_device_hour(frontier, []) is None


def test_the_expected_gain_is_open_where_no_worker_was_busy():
    assert gain_per_device_hour(frontier_with((1, 0.5), (30, 0.6)), [0.0] * 40) is None


def test_too_little_expected_gain_ends_a_search():
    hours = [3600.0 * completed for completed in range(1, 61)]
    frontier = frontier_with((20, 0.4), (40, 0.8), (60, 1.0))
    budget = {"gain_per_device_hour": 0.01}
    assert why(budget, completed=60, frontier=frontier, device_seconds_at=hours) == (
        "the hypervolume is expected to grow by 0.50% per device-hour, less than the 1.00% asked for"
    )
    budget = {"gain_per_device_hour": 0.001}
    assert why(budget, completed=60, frontier=frontier, device_seconds_at=hours) is None
