"""Why a network is what it is: ancestors, trainings, stays on the front."""

from __future__ import annotations

import json

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.errors import UnknownSearch
from gasearch.objectives.fitness import FrontChange
from gasearch.query import lineage
from gasearch.query.lineage import Expectation, FrontStay, OperatorStats, operators, why
from gasearch.storage.records import REUSED
from gasearch.storage.sql import open_archive
from tests.doubles.records import (
    PREDICTED,
    candidate,
    failed,
    key_of,
    measured,
    new_search,
    outcome_of,
    trained_again,
)

STOPPED = Failure(kind=FailureKind.STOPPED, message="stopped at 1 with accuracy 0.2: it could reach 0.3 at best")


class Story:
    """A search whose outcomes are told one by one. Candidates 0 and 1 are samples, n is a child of n-2 and n-1."""

    def __init__(self, url, *, candidates=8, **changes):
        self.archive = open_archive(url, notice=pytest.fail)
        self._lease = self.archive.create_search(new_search(**changes), owner="alice", ttl_s=60)
        self.propose(*(candidate(number) for number in range(candidates)))

    def propose(self, *records):
        self.archive.add_candidates(self._lease, records)

    def tell(self, record, *, entered=(), left=()):
        change = FrontChange(entered=entered, left=left)
        assert self.archive.add_evaluations(self._lease, [(record, change)])

    def why(self, number, **options):
        return why(self.archive, "digits", key_of(number), **options)


@pytest.fixture
def story(migrated_sqlite_url):
    story = Story(migrated_sqlite_url)
    yield story
    story.archive.close()


def steps_of(found):
    return [(step.depth, step.number) for step in found.steps]


# --- the lineage ------------------------------------------------------------------------------------------------


def test_a_lineage_tells_each_ancestor_once_the_nearest_first(story):
    found = story.why(5)
    assert steps_of(found) == [(0, 5), (1, 3), (1, 4), (2, 1), (2, 2), (3, 0)]
    assert found.steps[0].parents == (key_of(3), key_of(4))
    assert not found.is_cut


def test_a_lineage_ends_at_the_asked_depth_and_says_that_there_is_more(story):
    assert steps_of(story.why(5, depth=1)) == [(0, 5), (1, 3), (1, 4)]
    assert story.why(5, depth=1).is_cut
    assert steps_of(story.why(5, depth=0)) == [(0, 5)]
    assert story.why(5, depth=1).steps[1].parents == ("number 1", "number 2")
    assert not story.why(0, depth=0).is_cut


def test_a_lineage_of_very_many_ancestors_is_cut(story, monkeypatch):
    monkeypatch.setattr(lineage, "MOST_ANCESTORS", 3)
    found = story.why(7, depth=99)
    assert len(found.steps) == 1 + 3
    assert found.is_cut
    monkeypatch.setattr(lineage, "MOST_ANCESTORS", 7)
    assert not story.why(7, depth=99).is_cut


def test_a_step_tells_operator_objectives_and_gain(story):
    outcome = Measurement(accuracy=0.5, model_bytes=100, macs=7)
    story.tell(outcome_of(0, outcome, gain=0.125), entered=(0,))
    [step] = story.why(0).steps
    assert (step.operator, step.outcome, step.gain, step.is_on_front) == ("sample", "measured", 0.125, True)
    assert step.metrics == {"accuracy": 0.5, "model_bytes": 100}
    assert not step.is_reused


def test_the_gain_is_that_of_the_first_training(story):
    story.tell(outcome_of(0, Measurement(accuracy=0.5, model_bytes=100), gain=0.125), entered=(0,))
    story.tell(trained_again(0, arrival=1, accuracy=0.4, model_bytes=100))
    assert story.why(0).steps[0].gain == 0.125


def test_what_was_taken_over_from_an_earlier_search_is_marked(story):
    story.tell(outcome_of(0, Measurement(accuracy=0.5, model_bytes=100), worker=REUSED))
    assert story.why(0).steps[0].is_reused


def test_steps_without_a_measurement_say_what_became_of_them(story):
    story.tell(outcome_of(0, STOPPED))
    story.tell(failed(1))
    assert [step.outcome for step in story.why(2).steps] == ["in flight", "stopped", "diverged"]


def test_what_was_expected_stands_beside_what_was_measured(story):
    story.propose(candidate(20, parents=(), predicted=PREDICTED))
    story.tell(measured(20, arrival=0, accuracy=0.5, model_bytes=1024))
    assert story.why(20).expected == [
        Expectation(metric="accuracy", mean=0.1 + 0.2, deviation=1 / 3, measured=0.5),
        Expectation(metric="model_bytes", mean=1024.0, deviation=0.0, measured=1024),
    ]
    assert story.why(0).expected == []


# --- trainings --------------------------------------------------------------------------------------------------


def test_each_training_is_told_alone_and_with_the_mean_so_far(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100))
    for arrival, replicate, mean in ((1, 1, 0.8), (2, 2, 0.75)):
        story.tell(
            trained_again(
                0, arrival=arrival, replicate=replicate, attempt=2 * replicate, accuracy=mean, model_bytes=100
            )
        )
    trainings = story.why(0).trainings
    assert [one.values["accuracy"] for one in trainings] == [0.9, 0.7, 0.65]
    assert [one.means["accuracy"] for one in trainings] == [0.9, 0.8, 0.75]
    assert {one.values["model_bytes"] for one in trainings} == {100}
    assert [(one.replicate, one.told) for one in trainings] == [(0, 1), (1, 2), (2, 3)]
    assert trainings[0].seed == 2**62
    assert trainings[0].seconds == pytest.approx(1.530865)


def test_a_failed_further_training_is_told_and_doesn_t_count_in_the_means(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100))
    story.tell(failed(0, arrival=1, attempt=2, replicate=1))
    story.tell(trained_again(0, arrival=2, replicate=2, attempt=4, accuracy=0.8, model_bytes=100))
    trainings = story.why(0).trainings
    assert [one.outcome for one in trainings] == ["measured", "diverged", "measured"]
    assert trainings[1].message == "diverged at step 3"
    assert trainings[1].values == trainings[1].means == {}
    assert trainings[2].values["accuracy"] == 0.7


# --- its place --------------------------------------------------------------------------------------------------


def test_a_member_says_since_when_it_is_on_the_front(story):
    story.tell(failed(1, arrival=0))
    story.tell(measured(0, arrival=1, accuracy=0.9, model_bytes=100), entered=(0,))
    found = story.why(0)
    assert found.verdict == "on the front since outcome 2"
    assert found.stays == [FrontStay(entered=2, left=None, left_for=None)]
    assert found.rivals == []


def test_who_left_the_front_says_for_whom_and_who_dominates_it_now(story):
    story.tell(measured(0, accuracy=0.5, model_bytes=100), entered=(0,))
    story.tell(measured(1, accuracy=0.9, model_bytes=100), entered=(1,), left=(0,))
    found = story.why(0)
    assert found.verdict == f"left the front at outcome 2, for {key_of(1)}"
    assert found.stays == [FrontStay(entered=1, left=2, left_for=key_of(1))]
    assert [(rival.number, rival.metrics["accuracy"]) for rival in found.rivals] == [(1, 0.9)]


def test_who_lowered_itself_by_a_further_training_says_so(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100), entered=(0,))
    story.tell(measured(1, accuracy=0.8, model_bytes=100))
    story.tell(trained_again(0, arrival=2, accuracy=0.5, model_bytes=100), entered=(1,), left=(0,))
    assert story.why(0).verdict == "left the front at outcome 3, when a further training of its own lowered it"
    assert story.why(1).verdict == "on the front since outcome 3"


def test_who_was_never_on_the_front_names_those_who_dominate_it(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100), entered=(0,))
    story.tell(measured(1, accuracy=0.95, model_bytes=120), entered=(1,))
    story.tell(measured(2, accuracy=0.8, model_bytes=110))
    assert story.why(2).verdict == f"never on the front: dominated by {key_of(0)}"


def test_of_many_rivals_the_first_few_are_named(story):
    for number in range(7):
        outcome = measured(number, accuracy=0.5 + number / 100, model_bytes=100 + number)
        story.tell(outcome, entered=(number,))
    story.tell(measured(7, accuracy=0.4, model_bytes=200))
    assert [rival.number for rival in story.why(7).rivals] == [0, 1, 2, 3, 4]


def test_a_member_may_dominate_by_its_interval_where_single_values_are_tied(story):
    others = (("accuracy_spread", 0.05),)
    story.tell(outcome_of(0, Measurement(accuracy=0.9, model_bytes=100, others=others)), entered=(0,))
    story.tell(outcome_of(1, Measurement(accuracy=0.91, model_bytes=200, others=others)))
    assert [rival.number for rival in story.why(1).rivals] == [0]


def test_who_equals_a_member_is_dominated_by_nobody(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100), entered=(0,))
    story.tell(measured(1, accuracy=0.9, model_bytes=100))
    found = story.why(1)
    assert found.rivals == []
    assert found.verdict == f"never on the front: {key_of(0)}, which came before, equals it"


def test_who_is_dominated_only_by_networks_off_the_front_names_one(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100), entered=(0,))
    story.tell(measured(1, accuracy=0.8, model_bytes=100))
    story.tell(trained_again(0, arrival=2, accuracy=0.5, model_bytes=100), left=(0,))
    story.tell(measured(2, arrival=3, accuracy=0.7, model_bytes=100))
    assert story.why(2).verdict == f"never on the front: dominated by {key_of(1)}, which is not on the front itself"


def test_who_is_dominated_by_nobody_any_more_says_so(story):
    story.tell(measured(0, accuracy=0.9, model_bytes=100), entered=(0,))
    story.tell(measured(1, accuracy=0.8, model_bytes=100))
    story.tell(trained_again(0, arrival=2, accuracy=0.5, model_bytes=100), left=(0,))
    verdict = "never on the front: what dominated it then has left the front, or was lowered by a later training"
    assert story.why(1).verdict == verdict


def test_who_breaks_a_constraint_says_which(migrated_sqlite_url):
    spec = json.dumps({"constraints": ["model_bytes <= 50 B", "accuracy >= 0.5"]})
    story = Story(migrated_sqlite_url, spec_json=spec)
    story.tell(measured(0, accuracy=0.9, model_bytes=100))
    assert story.why(0).verdict == "never on the front: it breaks model_bytes <= 50 B"
    story.archive.close()


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (outcome_of(0, STOPPED), STOPPED.message),
        (failed(0), "failed, diverged: diverged at step 3"),
        (None, "in flight: it has no outcome yet"),
    ],
)
def test_who_has_no_measurement_says_why(story, record, verdict):
    if record is not None:
        story.tell(record)
    found = story.why(0)
    assert found.verdict == verdict
    assert found.rivals == []


# --- operators --------------------------------------------------------------------------------------------------


def test_operators_tell_what_a_child_of_theirs_gained(story):
    story.propose(*(candidate(number, operator="mutate_bits") for number in (20, 21)))
    story.tell(outcome_of(20, Measurement(accuracy=0.5), arrival=0, gain=0.5), entered=(20,))
    story.tell(failed(21, arrival=1))
    story.tell(measured(0, arrival=2, accuracy=0.25))
    assert operators(story.archive, "digits") == [
        OperatorStats(operator="mutate_bits", children=2, measured=1, entered=1, gain=0.5, gain_per_child=0.25),
        OperatorStats(operator="sample", children=1, measured=1, entered=0, gain=0.0, gain_per_child=0.0),
    ]
    assert story.why(0).operators == operators(story.archive, "digits")


def test_an_unknown_search_or_key_is_refused(story):
    with pytest.raises(UnknownSearch, match="digits"):
        operators(story.archive, "digit")
    with pytest.raises(UnknownSearch, match="a key that begins with 'zz'"):
        why(story.archive, "digits", "zz")


def test_an_explanation_is_json(story):
    story.propose(candidate(20, predicted=PREDICTED, parents=(0, 1)))
    story.tell(measured(0, accuracy=0.9, model_bytes=100), entered=(0,))
    story.tell(measured(20, arrival=1, accuracy=0.5, model_bytes=200))
    row = story.why(20).row()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert next(iter(row)) == "verdict"
