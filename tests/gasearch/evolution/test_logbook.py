"""The record of the generations as DEAP keeps it."""

from gasearch.evolution.logbook import make_logbook

GENERATIONS = [
    {"gen": 0, "nevals": 8, "hypervolume": 0.25, "best": {"accuracy": 0.9, "params": 30.0}},
    {"gen": 1, "nevals": 7, "hypervolume": 0.5, "best": {"accuracy": 0.95, "params": 20.0}},
]


def test_columns_are_selected_as_in_any_logbook():
    logbook = make_logbook(GENERATIONS)
    assert logbook.select("gen", "nevals", "hypervolume") == ([0, 1], [8, 7], [0.25, 0.5])
    assert logbook.chapters["best"].select("accuracy") == [0.9, 0.95]


def test_it_prints_each_column_once():
    title, _, names, *rows = str(make_logbook(GENERATIONS)).splitlines()
    assert title.split() == ["best"]
    assert names.split() == ["gen", "nevals", "hypervolume", "accuracy", "params"]
    assert [row.split() for row in rows] == [["0", "8", "0.25", "0.9", "30"], ["1", "7", "0.5", "0.95", "20"]]


def test_no_generation_is_an_empty_logbook():
    assert len(make_logbook([])) == 0
