"""What trainings come to is learned from those that ended, and says when others needn't."""

import random

import pytest
from gasearch_workers.messages import CurvePoint, Failure, FailureKind, Measurement
from gasearch_workers.training.stopping import reason_to_stop
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.fitness import Fitness, Objective
from gasearch.objectives.front import ParetoFront
from gasearch.search.early_stopping import LARGEST_FRONT, EarlyStop, EarlyStopping
from gasearch.spec.sections import default_rungs

OBJECTIVES = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))
STEPS = (1.0, 3.0)


class Model(EarlyStopping):
    """Keeps the front itself, as a search does; whoever has no number is a new candidate."""

    def __init__(self, *arguments, **options):
        self.front = ParetoFront()
        self.noted = 0
        super().__init__(*arguments, seed=1, front=self.front, **options)

    def note(self, outcome, fitness, *, number=None, known=()):
        number = 1000 + self.noted if number is None else number
        self.noted += 1
        if fitness is not None:
            self.front.add(number, fitness)
        super().note(outcome, fitness, number=number, known=known)


def early_stopping(objectives=OBJECTIVES, **changes):
    return Model(objectives, EarlyStop(**{"steps": STEPS, "risk": 0.05, "exempt": 0.0} | changes))


def point(step, **metrics):
    return CurvePoint(epoch=step, train_loss=None, accuracy=None, metrics=tuple(sorted(metrics.items())))


def finished(end, size, *, first, second=None, is_feasible=True):
    """An outcome and its fitness."""
    curve = (point(1, accuracy=first), point(3, accuracy=end if second is None else second))
    measurement = Measurement(accuracy=end, model_bytes=size, curve=curve)
    return measurement, Fitness(values=(end, -float(size)), violation=0.0 if is_feasible else 1.0)


def failed(step, kind=FailureKind.STOPPED, **metrics):
    return Failure(kind=kind, message="", curve=(point(step, **metrics),))


def note_trainings(model, count, *, seed=0):
    """Trainings that go from a score at the first rung to one half as far from 1, give or take 0.01."""
    rng = random.Random(seed)
    for number in range(count):
        first = rng.uniform(0.3, 0.7)
        end = 1 - (1 - first) / 2 + rng.uniform(-0.01, 0.01)
        model.note(*finished(end, 1000 + number, first=first), number=number)
    return model


# --- what is learned --------------------------------------------------------------------------------------------


def test_the_optimistic_end_lies_above_what_is_expected():
    model = note_trainings(early_stopping(), 100)
    slope, offset = model.rule(200, known=(None, -1000.0)).points[0].ends[0]
    for score in (0.3, 0.5, 0.7):
        assert slope * score + offset >= model.expected_end(failed(1, accuracy=score), (None, -1.0))[0]


def test_a_smaller_risk_is_more_optimistic_where_networks_stand_near_the_front():
    def end(risk):
        model, rng = early_stopping(risk=risk), random.Random(0)
        for number in range(100):  # the larger the better
            first = 0.3 + number / 300
            model.note(*finished(first + 0.2 + rng.gauss(0, 0.02), 1000 + number, first=first), number=number)
        slope, offset = model.rule(200, known=(None, -1050.0)).points[0].ends[0]
        return slope * 0.5 + offset

    assert end(0.01) > end(0.3)


def test_few_trainings_show_an_offset_but_no_slope():
    slope, offset = note_trainings(early_stopping(), 10).rule(200, known=(None, -1.0)).points[0].ends[0]
    assert slope == 1.0
    assert 0.2 < offset < 0.4


def test_an_end_that_falls_with_the_worth_at_the_rung_is_not_believed():
    model = early_stopping()
    for number in range(20):
        model.note(*finished(0.9 - number / 100, 1000, first=0.5 + number / 100), number=number)
    assert model.rule(200, known=(None, -1.0)).points[0].ends[0][0] == pytest.approx(0.0, abs=1e-9)


def test_an_objective_that_a_rung_shows_exactly_ends_where_it_stands():
    objectives = (*OBJECTIVES[:1], Objective(metric="latency_ms", is_maximized=False))
    model = early_stopping(objectives, steps=(1,), risk=0.1)
    for number in range(20):
        curve = (point(1, accuracy=0.5 + number / 100, latency_ms=3.3 + number),)
        outcome = Measurement(accuracy=0.6 + number**2 / 1000, latency_ms=3.3 + number, curve=curve)
        model.note(outcome, Fitness(values=(0.6 + number**2 / 1000, -3.3 - number)))
    assert model.rule(20, known=(None, None)).points[0].ends[1] == (1.0, 0.0)


def test_the_first_report_in_the_reach_of_a_rung_counts_for_it():
    model = early_stopping(OBJECTIVES[:1], steps=(2, 10), risk=0.1)
    for number in range(20):
        curve = tuple(point(step, accuracy=number / 100 + step / 100) for step in (1, 4, 8, 12))
        model.note(Measurement(accuracy=number / 100 + 0.5, curve=curve), Fitness(values=(number / 100 + 0.5,)))
    rule = model.rule(20, known=(None,))
    assert [rung.ends[0] for rung in rule.points] == [pytest.approx((1.0, 0.46)), pytest.approx((1.0, 0.38))]


def test_the_expected_end_of_a_stopped_training_is_the_middle_of_what_others_reached():
    model = note_trainings(early_stopping(), 100)
    accuracy, size = model.expected_end(failed(1, accuracy=0.4), (None, -500.0))
    assert accuracy == pytest.approx(0.7, abs=0.005)
    assert size == -500.0


@pytest.mark.parametrize("failure", [failed(0.5, accuracy=0.4), failed(1, loss=0.4), failed(1, accuracy=0.4)])
def test_nothing_is_expected_where_nothing_is_known(failure):
    model = note_trainings(early_stopping(), 7 if "accuracy" in dict(failure.curve[0].metrics) else 50)
    assert model.expected_end(failure, (None, -500.0)) is None


# --- what is judged ---------------------------------------------------------------------------------------------


def test_before_eight_trainings_ended_others_are_looked_at_but_not_judged():
    model = note_trainings(early_stopping(), 7)
    rule = model.rule(7, known=(None, -1.0))
    assert [(rung.step, rung.ends) for rung in rule.points] == [(1.0, ()), (3.0, ())]
    assert not reason_to_stop(rule, 1, {"accuracy": 0.0})
    assert note_trainings(model, 1).rule(8, known=(None, -1.0)).points[0].ends


def test_an_objective_that_no_rung_shows_keeps_trainings_from_being_judged():
    rule = note_trainings(early_stopping(), 50).rule(50, known=(None, None))
    assert all(rung.ends == () for rung in rule.points)


def test_a_small_network_is_measured_against_small_ones():
    model = note_trainings(early_stopping(), 50)  # from 1000 bytes up
    score = {"accuracy": 0.2}
    assert reason_to_stop(model.rule(50, known=(None, -2000.0)), 1, score)
    assert not reason_to_stop(model.rule(50, known=(None, -500.0)), 1, score)


def test_a_share_of_the_trainings_is_exempt_and_is_the_same_each_time():
    model = note_trainings(early_stopping(exempt=0.2), 20)
    exempt = [number for number in range(500) if not model.rule(number, known=(None, -1e6)).front]
    assert 70 < len(exempt) < 130
    assert exempt == [
        n for n in range(500) if not note_trainings(early_stopping(exempt=0.2), 9).rule(n, known=(None, -1.0)).front
    ]
    assert all(rung.ends == () for rung in model.rule(exempt[0], known=(None, -1e6)).points)


def test_a_network_that_misses_a_limit_teaches_but_stands_on_no_front():
    model = note_trainings(early_stopping(), 20)
    before = model.rule(30, known=(None, -1.0))
    model.note(*finished(0.99, 1, first=0.98, is_feasible=False))
    after = model.rule(30, known=(None, -1.0))
    assert after.front == before.front
    assert after.points != before.points


def test_failed_and_stopped_trainings_teach_nothing():
    model = note_trainings(early_stopping(), 20)
    before = model.rule(30, known=(None, -1.0))
    model.note(failed(1, accuracy=0.1), None)
    model.note(Failure(kind=FailureKind.CRASHED, message=""), None)
    assert model.rule(30, known=(None, -1.0)) == before


def test_a_candidate_trained_again_stands_by_its_newest_outcome():
    model = note_trainings(early_stopping(), 20)
    model.note(*finished(0.99, 1, first=0.9), number=77)
    model.note(*finished(0.5, 3000, first=0.9), number=77)
    front = model.rule(90, known=(None, -1.0)).front
    assert len(front) > 1
    assert not {(0.99, -1.0), (0.5, -3000.0)} & set(front)


def test_a_large_front_travels_in_part_with_its_ends():
    model = early_stopping()
    for number in range(200):
        model.note(*finished(0.5 + number / 1000, 1000 + number, first=0.4), number=number)
    front = model.rule(200, known=(None, -1.0)).front
    assert len(front) == LARGEST_FRONT
    assert (front[0], front[-1]) == ((0.5, -1000.0), (0.5 + 199 / 1000, -1199.0))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.booleans()), max_size=40
    ),
    st.data(),
)
def test_the_rule_of_an_earlier_time_comes_out_as_it_did_then(trainings, data):
    model, then = early_stopping(), []
    for place, (number, end, size, is_feasible, is_finished) in enumerate(trainings):
        then.append(model.rule(100, known=(None, -5.0)))
        outcome = finished(end / 10, size, first=end / 20 + place / 100, is_feasible=is_feasible)
        model.note(*(outcome if is_finished else (failed(1, accuracy=0.1), None)), number=number)
    completed = data.draw(st.integers(0, len(trainings)))
    now = model.rule(100, known=(None, -5.0), completed=completed)
    assert now == [*then, model.rule(100, known=(None, -5.0))][completed]
    assert len(set(now.front)) == len(now.front)


# --- arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "steps"), [(1, (1 / 9, 1 / 3)), (3, (1 / 3, 1)), (10, (1, 3)), (200, (22, 67))])
def test_rungs_lie_at_a_ninth_and_a_third_at_whole_epochs_where_there_are_any(epochs, steps):
    assert default_rungs(epochs) == pytest.approx(steps)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"steps": (3, 1)}, r"ascending and above 0; got \[3, 1\]"),
        ({"steps": (0, 1)}, r"ascending and above 0; got \[0, 1\]"),
        ({"risk": 0}, "risk must lie between 0 and 1; got 0"),
        ({"exempt": 1.5}, r"exempt share must lie in 0\.\.1; got 1\.5"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        early_stopping(**changes)
