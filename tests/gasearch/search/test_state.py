"""A state is a function of the log: applied live or read back, and cut anywhere, it is the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from gasearch_workers.messages import CurvePoint, Failure, FailureKind, Measurement
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution.engine import Candidate
from gasearch.objectives.constraints import parse_limit
from gasearch.search.early_stopping import EarlyStop
from gasearch.search.problem import Aims
from gasearch.search.state import Attempted, Completed, GenerationClosed, Proposed, Repeated, SearchState
from gasearch.space.genome import Genome
from tests.doubles.searches import OBJECTIVES
from tests.doubles.states import differences

STEPS = (1.0, 3.0)
AIMS = Aims(
    objectives=OBJECTIVES,
    limits=(parse_limit("cost <= 7"),),
    replicates=0.5,
    noisy=("error",),
    early_stop=EarlyStop(steps=STEPS, risk=0.2),
)
AT = datetime(2026, 1, 2, tzinfo=UTC)


def fresh(aims=AIMS):
    return SearchState(aims, evaluations=60)


def candidate(number):
    genome = Genome(genes=(number,), key=f"{number:04x}")
    return Candidate(number=number, genome=genome, generation=number // 4, parents=(), operator="sample", completed=0)


def point(step, error, cost):
    return CurvePoint(epoch=step, train_loss=None, accuracy=None, metrics=(("cost", cost), ("error", error)))


whole = st.integers(0, 9).map(float)


@st.composite
def outcomes(draw):
    """Of every kind: measured with and without a spread, lacking a metric, stopped, failed."""
    error, cost = draw(whole), draw(whole)
    curve = tuple(point(step, error + 1 / step, cost) for step in STEPS)
    kind = draw(st.sampled_from(["measured", "spread", "lacking", *FailureKind]))
    if kind == "lacking":
        return Measurement(others=(("cost", cost),))
    if kind in ("measured", "spread"):
        others = {"cost": cost, "error": error} | ({"error_spread": draw(whole)} if kind == "spread" else {})
        return Measurement(others=tuple(sorted(others.items())), curve=curve)
    return Failure(kind=FailureKind(kind), message=kind, curve=curve[:1] if kind == FailureKind.STOPPED else ())


@st.composite
def logs(draw):
    """Events in an order in which a search may write them, with the state after them, applied live."""
    state, events = fresh(), []

    def happens(event):
        effects = state.apply(event)
        if isinstance(event, GenerationClosed):
            event = replace(event, scaling=state.frontier.scaling, hypervolume=state.frontier.hypervolume or 0.0)
        elif isinstance(event, Completed):
            event = replace(event, outcome=effects.outcome)
        events.append(event)

    for _ in range(draw(st.integers(0, 40))):
        number, under_way = len(state.keys), [*((one, 0) for one in state.open), *state.repeated]
        repeatable = [one for one in state.frontier.front.numbers if one not in dict(under_way)]
        kinds = ["propose", "close", *(["complete"] * 6 if under_way else []), *(["repeat"] * 2 if repeatable else [])]
        match draw(st.sampled_from(kinds)):
            case "propose":
                happens(Proposed(candidate=candidate(number)))
            case "close":
                happens(GenerationClosed(number=0, scaling=state.frontier.scaling))
            case "repeat":
                one = draw(st.sampled_from(repeatable))
                happens(Repeated(number=one, replicate=state.replication.count(one)))
            case "complete":
                one, replicate = draw(st.sampled_from(under_way))
                for kind in draw(st.lists(st.sampled_from(FailureKind), max_size=2)):
                    happens(Attempted(number=one, attempt=state.next_attempt(one), kind=kind, seconds=1.0))
                outcome = draw(outcomes())
                if replicate:
                    outcome = state.replication.pooled(one, outcome)
                attempt = state.next_attempt(one)
                happens(Completed(number=one, replicate=replicate, attempt=attempt, outcome=outcome, seconds=2.0))
    return events, state


def answers(state):
    """What it says where how it keeps that may differ."""
    frontier = state.frontier
    record = state.generation_record(0, finished_at=AT)
    return frontier.growth, frontier.hypervolume, frontier.front.numbers, frontier.front.values.tolist(), record


@settings(max_examples=40, deadline=None)
@given(logs(), st.data())
def test_applied_live_and_read_back_it_is_the_same_field_by_field_wherever_it_was_cut(log, data):
    events, live = log
    cut = data.draw(st.integers(0, len(events)))
    later = fresh()
    for place, event in enumerate(events):
        later.apply(event, is_stored=place < cut)
    assert answers(later) == answers(live)
    assert differences(live, later, "state") == []


@settings(max_examples=20, deadline=None)
@given(logs())
def test_evolution_learns_the_same_from_a_stored_event_as_from_a_new_one(log):
    events, _ = log
    live, later = fresh(), fresh()
    for event in events:
        assert live.apply(event).scored == later.apply(event, is_stored=True).scored


def measured(error, cost):
    return Measurement(others=(("cost", cost), ("error", error)))


def test_an_outcome_that_lacks_a_metric_is_a_failure_in_the_log_too():
    state = fresh()
    state.apply(Proposed(candidate=candidate(0)))
    effects = state.apply(Completed(number=0, outcome=Measurement(others=(("cost", 1.0),))))
    assert isinstance(effects.outcome, Failure)
    assert effects.outcome.kind is FailureKind.USER_ERROR
    assert (state.statistics.failures, state.open) == (1, {})


def test_the_first_closing_with_something_feasible_fixes_the_scaling():
    state = fresh()
    assert state.apply(GenerationClosed(number=0)).scaling is None
    for number, outcome in enumerate((measured(1.0, 2.0), measured(3.0, 1.0))):
        state.apply(Proposed(candidate=candidate(number)))
        state.apply(Completed(number=number, outcome=outcome))
    scaling = state.apply(GenerationClosed(number=1)).scaling
    assert scaling.ideal == (-1.0, -1.0)
    assert state.apply(GenerationClosed(number=2)).scaling is None
    assert state.generation_record(1, finished_at=AT).best == (1.0, 1.0)


def test_an_outcome_says_how_the_front_and_its_volume_changed():
    state = fresh()
    for number, outcome in enumerate((measured(3.0, 3.0), measured(5.0, 5.0))):
        state.apply(Proposed(candidate=candidate(number)))
        state.apply(Completed(number=number, outcome=outcome))
    state.apply(GenerationClosed(number=0))
    state.apply(Proposed(candidate=candidate(2)))
    effects = state.apply(Completed(number=2, outcome=measured(2.0, 2.0)))
    assert (effects.change.entered, effects.change.left) == ((2,), (0,))
    assert effects.gain == pytest.approx(1.6**2 - 1.1**2)


def test_attempts_go_on_counting_over_the_trainings_of_a_candidate():
    state = fresh()
    state.apply(Proposed(candidate=candidate(0)))
    assert state.next_attempt(0) == 1
    state.apply(Attempted(number=0, attempt=1, kind=FailureKind.DIED, seconds=1.0))
    assert (state.next_attempt(0), state.failed_attempts(0)) == (2, (FailureKind.DIED,))
    state.apply(Completed(number=0, attempt=2, outcome=measured(1.0, 1.0)))
    state.apply(Repeated(number=0, replicate=1))
    assert (state.next_attempt(0), state.failed_attempts(0)) == (3, ())
