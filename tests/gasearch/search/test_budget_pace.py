"""Progress: the counts of the whole search, and the pace of this controller."""

from gasearch_workers.messages import Measurement

from gasearch.search.budget import Pace, SearchBudget
from gasearch.search.problem import Aims
from gasearch.search.state import Completed, SearchState
from tests.doubles.searches import OBJECTIVES


def test_what_earlier_controllers_did_counts_but_sets_no_pace():
    now = [100.0]
    state, pace = SearchState(Aims(objectives=OBJECTIVES, limits=()), evaluations=40), Pace(lambda: now[0])

    def complete(number):
        outcome = Measurement(others=(("cost", 1.0), ("error", 1.0)))
        state.apply(Completed(number=number, outcome=outcome, seconds=10.0))

    for number in range(10):
        complete(number)
    pace.begin(state, spent_s=1000.0)
    now[0] += 20.0
    complete(10)
    budget = SearchBudget(evaluations=40, seconds=1030.0)
    progress = pace.progress(state, name="small", budget=budget, in_flight=1, slots=2)
    assert (progress.completed, progress.rate_per_minute, progress.elapsed_s) == (11, 3.0, 20.0)
    assert (progress.busy, progress.remaining_s) == (10 / 40, 10.0)  # the wall time is spent before the evaluations
    assert pace.spent_s == 1020.0
