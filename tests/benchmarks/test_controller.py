"""The script that takes the controller's CPU time."""

import pytest
from gasearch_workers.messages import Choices

from benchmarks.controller import CASES, evaluate, run_ours, taking_time
from gasearch.search.early_stopping import EarlyStopping


@pytest.mark.parametrize("name", list(CASES))
def test_a_search_with_everything_on_runs_to_its_end(name):
    free = run_ours(CASES[name], evaluations=20, population=8)
    first, last = free.marks
    assert last > first


@pytest.mark.parametrize("name", ["flat", "steady"])
def test_the_evaluator_that_a_spec_names_answers_as_the_benchmark_does(name):
    choices = {f"x{number}": number % 8 for number in range(len(CASES[name].content["space"]["decisions"]))}
    measured = CASES[name].answer(Choices(values=tuple(choices.items())), "0a")
    assert dict(measured.others).items() <= evaluate(choices, None, None).items()


def test_the_parts_are_taken_apart_and_left_as_they_were():
    before = EarlyStopping.rule
    seconds = {}
    with taking_time(seconds):
        run_ours(CASES["flat"], evaluations=20, population=8)
    assert EarlyStopping.rule is before
    assert set(seconds) >= {"EarlyStopping.rule", "SqlArchive.add_evaluations"}
    assert min(seconds.values()) >= 0
