"""What is known of a candidate before its training, what its outcome is judged to be, and its way through the store."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gasearch_workers.messages import Choices, FailureKind, Measurement, Task

from gasearch.errors import StoreError
from gasearch.evolution.engine import Candidate, Prediction
from gasearch.search.early_stopping import EarlyStop
from gasearch.search.problem import training_seed
from gasearch.space.genome import Genome
from tests.doubles.searches import problem

CANDIDATE = Candidate(
    number=3,
    genome=Genome(genes=(1, 0, 2, 0), key="0a"),
    generation=1,
    parents=(0, 2),
    operator="mutate",
    completed=2,
    predicted=(Prediction(mean=-0.5, deviation=0.25), Prediction(mean=-7.0, deviation=0.0)),
)


def test_training_seeds_depend_on_search_seed_and_candidate_alone():
    seeds = {training_seed(seed, number) for seed in range(20) for number in range(50)}
    assert len(seeds) == 1000
    assert training_seed(3, 4) == training_seed(3, 4)
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, (-0.25, -7.0)),  # optimistic: the mean and a deviation
        ({"noisy": ("error",)}, (None, -7.0)),  # what a training reports
        ({"counted": frozenset({"cost"})}, (-0.25, -7)),  # exact already where it was predicted
    ],
)
def test_before_a_training_is_known_what_arithmetic_or_the_surrogate_says(changes, known):
    assert replace(problem(), **changes).known_wvalues(CANDIDATE) == known


def test_what_nobody_predicted_is_counted_or_unknown():
    asked = replace(problem(), counted=frozenset({"cost"}), costs=lambda genome: {"cost": 2**60 + 1})
    assert asked.known_wvalues(replace(CANDIDATE, predicted=())) == (None, -(2**60) - 1)


def test_an_outcome_that_lacks_an_objective_is_the_evaluators_fault():
    outcome, fitness = problem().judge(Measurement(others=(("error", 1.0),)))
    assert (outcome.kind, fitness) == (FailureKind.USER_ERROR, None)
    assert outcome.message == "cost was not measured; there are error"


def test_only_a_users_evaluator_must_report_at_the_steps():
    asked = replace(problem(), early_stop=EarlyStop(steps=(1.0, 3.0), risk=0.1))
    assert asked.reported_steps == (1.0, 3.0)
    assert replace(asked, task=Task(kind="classification")).reported_steps == ()


def test_a_candidate_comes_back_from_the_store_as_it_went():
    asked = problem()
    record = asked.record(CANDIDATE, Choices(values=(("a", 1),)))
    assert [one.mean for one in record.predicted] == [0.5, 7.0], "in native units"
    assert asked.candidate(record) == CANDIDATE


def test_a_stored_network_that_its_genes_do_not_make_is_refused():
    asked = replace(problem(), disagreement=lambda stored: "is another network")
    record = asked.record(CANDIDATE, Choices(values=()))
    with pytest.raises(StoreError, match="search 'small': candidate 3 is another network: it was proposed under"):
        asked.require_agreement(record)
    problem().require_agreement(record)
