"""What the user is told while there is time to stop a search."""

from gasearch_workers.messages import Measurement

from gasearch.objectives.constraints import parse_limit
from gasearch.search.notices import AGAIN, FIRST, Notices
from gasearch.search.problem import Aims
from gasearch.search.state import Completed, SearchState
from tests.doubles.searches import OBJECTIVES


def said_after(count, *, limits=("cost <= 7",), costs=(9.0,)):
    """The sentences of so many outcomes, with their places."""
    aims = Aims(objectives=OBJECTIVES, limits=tuple(map(parse_limit, limits)))
    state, notices, said = SearchState(aims, evaluations=10_000), Notices(), []
    for number in range(count):
        outcome = Measurement(others=(("cost", costs[number % len(costs)]), ("error", 1.0)))
        state.apply(Completed(number=number, outcome=outcome))
        said += [(number + 1, text) for text in notices.of(state)]
    return said


def test_that_nothing_keeps_the_limits_is_said_with_the_nearest_and_again_when_it_is_ten_times_as_long():
    said = said_after(AGAIN * FIRST, costs=(9.0, 8.0))
    assert [place for place, _ in said] == [FIRST, AGAIN * FIRST]
    assert said[0][1].startswith(
        f"none of {FIRST} evaluations meets the constraints so far; the nearest misses cost <= 7 with cost 8"
    )


def test_nothing_is_said_where_something_keeps_them_or_there_are_none():
    assert said_after(2 * FIRST, costs=(9.0, 7.0)) == []
    assert said_after(2 * FIRST, limits=()) == []
