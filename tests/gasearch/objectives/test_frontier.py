"""The front of a running search: what each outcome adds, and how its volume grew."""

import pytest

from gasearch.objectives.fitness import Fitness
from gasearch.objectives.frontier import Frontier
from gasearch.objectives.pareto import Scaling

SCALING = Scaling(ideal=(0.0, 0.0), reference=(-1.1, -1.1))


def fitness(*values, violation=0.0):
    return Fitness(values=tuple(map(float, values)), violation=violation)


def grown(*points, scaling=SCALING):
    frontier = Frontier()
    for number, point in enumerate(points):
        frontier.note(number, point, completed=number + 1, is_replicate=False)
        frontier.fix(number + 1, scaling)
    return frontier


def test_without_a_scaling_there_is_no_volume():
    frontier = Frontier()
    frontier.note(0, fitness(-1, -1), completed=1, is_replicate=False)
    assert frontier.hypervolume is None
    assert frontier.volume_at(1) is None
    assert frontier.gain_since(None) is None


def test_a_scaling_needs_something_feasible():
    frontier = Frontier()
    frontier.note(0, fitness(-1, -1, violation=0.5), completed=1, is_replicate=False)
    frontier.note(1, None, completed=2, is_replicate=False)
    assert frontier.fix(2) is None
    frontier.note(2, fitness(-1, -1), completed=3, is_replicate=False)
    assert frontier.fix(3) is not None


def test_a_known_scaling_stays():
    frontier = grown(fitness(-0.5, -0.5), scaling=SCALING)
    assert frontier.fix(1) is SCALING
    assert frontier.hypervolume == pytest.approx(0.6 * 0.6)


def test_the_volume_after_each_outcome_is_that_of_the_front_then():
    frontier = grown(fitness(-0.5, -0.5), None, fitness(-1, -1), fitness(-0.1, -0.5))
    assert [frontier.volume_at(completed) for completed in (0, 1, 2, 3, 4, 9)] == pytest.approx(
        [None, 0.36, 0.36, 0.36, 0.6, 0.6]
    )


def test_a_replicate_takes_the_place_of_what_was_measured_before():
    frontier = grown(fitness(-0.5, -0.5), fitness(-0.1, -0.1))
    before = frontier.hypervolume
    change = frontier.note(1, fitness(-0.9, -0.9), completed=3, is_replicate=True)
    assert (change.entered, change.left) == ((0,), (1,))
    assert frontier.hypervolume == pytest.approx(0.36)
    assert frontier.gain_since(before) == 0.0


def test_a_failure_changes_nothing():
    frontier = grown(fitness(-0.5, -0.5))
    change = frontier.note(1, None, completed=2, is_replicate=False)
    assert (change.entered, change.left, len(frontier.growth)) == ((), (), 1)


def test_with_many_objectives_the_volume_is_taken_when_asked_for_and_can_be_recalled():
    frontier = Frontier()
    frontier.note(0, fitness(*[-1] * 6), completed=1, is_replicate=False)
    frontier.fix(1)
    frontier.note(1, fitness(*[-0.5] * 6), completed=2, is_replicate=False)
    assert [completed for completed, _ in frontier.growth] == [1]
    volume = frontier.measure(2)
    again = Frontier()
    again.note(0, fitness(*[-1] * 6), completed=1, is_replicate=False)
    again.fix(1)
    again.recall(2, volume)
    assert again.growth == frontier.growth


def test_what_an_earlier_controller_found_without_a_scaling_is_no_volume():
    frontier = Frontier()
    frontier.recall(24, 0.0)
    assert frontier.hypervolume is None


def test_a_member_that_stays_with_other_values_changes_the_volume():
    frontier = grown(fitness(-0.5, -0.5))
    change = frontier.note(0, fitness(-0.6, -0.6), completed=2, is_replicate=True)
    assert (change.entered, change.left) == ((), ())
    assert frontier.hypervolume == pytest.approx(0.25)
