"""The samplers that a search is compared with."""

import importlib.util
import random

import pytest

from benchmarks.support.peers import is_ordered, missing, run_peer, spread
from tests.benchmarks.published import small_problem

SMALL = small_problem()
needs_pymoo = pytest.mark.skipif(importlib.util.find_spec("pymoo") is None, reason="pymoo isn't installed")
SAMPLERS = [
    "random",
    "params",
    "optuna-nsga2:8",
    "optuna-tpe",
    "deap-nsga2:8",
    pytest.param("pymoo-nsga2:4", marks=needs_pymoo),
]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_seed_decides_what_is_asked(name):
    first, again, other = (run_peer(name, SMALL, seed=seed, evaluations=16).asked for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_peer_asks_as_often_as_it_may(name):
    assert len(run_peer(name, SMALL, seed=0, evaluations=13).points) == 13


@pytest.mark.parametrize("name", ["random", "params"])
def test_a_search_without_memory_of_its_own_repeats_nothing(name):
    assert run_peer(name, SMALL, seed=0, evaluations=18).duplicates == 0


def test_the_parameter_count_visits_each_size_before_any_twice():
    asked = run_peer("params", SMALL, seed=0, evaluations=9).asked
    assert [width for _, _, width in asked] == [8, 32, 16] * 3


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100, 257])
def test_a_spread_visits_every_place_once(count):
    assert sorted(spread(count)) == list(range(count))


def test_a_spread_begins_with_the_ends_and_the_middle():
    assert list(spread(101))[:5] == [0, 100, 50, 25, 75]


def test_deap_gives_the_global_generator_back():
    random.seed(5)
    expected = random.Random(5).random()
    run_peer("deap-nsga2:8", SMALL, seed=0, evaluations=12)
    assert random.random() == expected


def test_ascending_numbers_are_ordered_and_words_are_not():
    assert is_ordered((1, 4, 6))
    assert not is_ordered((6, 4))
    assert not is_ordered(("thin", "wide"))


def test_an_unknown_peer_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no method 'annealing'; there are gasearch, random, params, "):
        run_peer("annealing", SMALL, seed=0, evaluations=1)


def test_a_peer_without_its_library_is_known_to_miss_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert missing("pymoo-nsga2:24") == "pymoo"
    assert missing("random") is None
