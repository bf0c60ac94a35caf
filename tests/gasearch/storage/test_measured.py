"""Networks as columns: chosen as `Limit.is_kept_by` and a sort over objects would choose."""

from __future__ import annotations

import math
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.storage.columns import OutcomeColumns
from gasearch.storage.measured import Measured, judged_by

NAMES = ("latency_ms", "latency_spread_ms", "cost")


def columns(rows, **flags):
    """Outcomes of candidates 0, 1, ... with these values of NAMES; None is not measured."""
    count = len(rows)
    flags = {"is_replicate": 0, "is_newest": 1, "is_measured": 1, "is_reused": 0} | flags
    return OutcomeColumns(
        candidates=array("q", range(count)),
        **{name: array("b", [value] * count if isinstance(value, int) else value) for name, value in flags.items()},
        finished_at=array("d", [1.0] * count),
        seconds=array("d", [1.0] * count),
        metrics={
            name: array("d", [math.nan if row[place] is None else row[place] for row in rows])
            for place, name in enumerate(NAMES)
        },
    )


def test_what_failed_or_was_trained_again_is_left_out():
    outcomes = columns([(1.0, None, 1.0)] * 4, is_newest=[1, 0, 1, 1], is_measured=[1, 1, 0, 1])
    assert Measured.of(outcomes).numbers.tolist() == [0, 3]


values = st.sampled_from([None, 0.0, 0.1, 0.2, 0.3, 0.30000000000000004, 1.0])
limits = st.builds(
    Limit,
    metric=st.sampled_from(NAMES),
    operator=st.sampled_from(["<=", "<", ">=", ">"]),
    bound=st.sampled_from([0.1, 0.2, 0.3, 0.30000000000000004]),
)
found = st.lists(st.tuples(values, values, values), max_size=12)


@settings(deadline=None)
@given(found, st.lists(limits, max_size=3))
def test_limits_judge_columns_as_they_judge_a_network(rows, asked):
    assert set(judged_by(asked)) <= set(NAMES)
    kept = Measured.of(columns(rows)).within(asked).numbers.tolist()
    networks = [{name: value for name, value in zip(NAMES, row, strict=True) if value is not None} for row in rows]
    assert kept == [place for place, one in enumerate(networks) if all(limit.is_kept_by(one) for limit in asked)]


@settings(deadline=None)
@given(found, st.booleans(), st.integers(1, 5))
def test_the_best_come_first_and_of_equals_those_that_are_better_otherwise(rows, is_maximized, count):
    orders = [Objective(metric="cost", is_maximized=is_maximized), Objective(metric="latency_ms", is_maximized=False)]
    measured = Measured.of(columns(rows)).having(["cost", "latency_ms"])
    known = [(place, row) for place, row in enumerate(rows) if row[0] is not None and row[2] is not None]
    known.sort(key=lambda pair: (-orders[0].wvalue(pair[1][2]), pair[1][0], pair[0]))
    assert measured.best(orders, count) == [place for place, _ in known[:count]]
