"""`finalize` and `front --final` on the command line, and from Python."""

import json

import pytest

import gasearch
from tests.doubles.command_line import TRAINED, CommandLine


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A finished search for digits."""
    commands = CommandLine(tmp_path_factory.mktemp("finalized"))
    commands.write_spec(TRAINED, **{"evaluations: 8": "evaluations: 5"})
    done = commands.here("run", "small.yaml")
    assert done.status == 0, done.err
    yield commands
    commands.close()


def test_there_is_nothing_to_show_before_the_first_finalist(commands):
    done = commands.here("front", "small", "--final", "--format", "json")
    assert (done.status, json.loads(done.out)) == (1, [])
    assert done.sentence == "no network of 'small' was finalized yet; do so with: gasearch finalize small --top 3"


def test_the_best_bargains_are_finalized_and_shown_with_what_was_lost(commands):
    done = commands.here("finalize", "small", "--top", "2", "--seeds", "2", "--workers", "0")
    assert done.status == 0, done.err
    titles, *rows = done.out.splitlines()
    assert titles.split()[:6] == [
        *("key", "searched_accuracy", "accuracy", "accuracy_deviation", "accuracy_drop", "test_accuracy"),
    ]
    assert "failed" not in titles
    assert len(rows) == 2
    assert "2 networks x 2 seeds = 4 trainings of 1 epoch" in done.err
    assert "next:  gasearch front small --final" in done.err
    shown = commands.here("front", "small", "--final")
    assert shown.out.splitlines()[0].split() == titles.split()
    members = json.loads(commands.here("front", "small", "--final", "--format", "json").out)
    search = gasearch.open("small", db=commands.url)
    assert members == [one.row() for one in search.finals() if one.is_on_front]
    assert {row.split()[0] for row in rows} == {one.key for one in search.finals()}


def test_the_same_is_done_from_python(commands):
    search = gasearch.open("small", db=commands.url)
    worst = min(search.evaluations(), key=lambda one: one.metrics["accuracy"]).key
    [found] = search.finalize(worst[:8], seeds=1, workers=0)
    assert (found.key, found.seeds) == (worst, 1)
    [training] = search.final_trainings(worst)
    assert training.test["accuracy"] == found.metrics["test_accuracy"]


def test_limits_that_no_finalist_keeps_give_none(commands):
    commands.here("finalize", "small", "--top", "1", "--seeds", "1", "--workers", "0")
    done = commands.here("front", "small", "--final", "--where", "model_bytes <= 1")
    assert done.status == 1
    assert done.sentence.endswith("finalists of 'small' keeps the limits")


def test_bad_input_is_refused_with_status_2(commands):
    keys = [one.key for one in gasearch.open("small", db=commands.url).evaluations()]
    done = commands.here("finalize", "small", keys[0], "--top", "1")
    assert done.status == 2
    assert done.sentence.startswith("networks are finalized by their keys, or chosen from the front")
    assert commands.here("finalize", "small", "--seeds", "0").status == 2
    assert commands.here("finalize", "smal", "--top", "1").status == 2
