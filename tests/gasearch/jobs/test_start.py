"""Searches that begin with known networks, or with the fronts of earlier ones; also after a resume."""

import pytest

from gasearch.errors import SpecError, WrongState
from gasearch.jobs.start import go_on, launch
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader

SPEC = {
    "name": "first",
    "seed": 5,
    "task": {"evaluator": "tests.doubles.odd_evaluators:conflict"},
    "space": {"family": "custom", "decisions": {name: {"choices": list(range(8))} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "evolution": {"population": 6},
    "budget": {"evaluations": 15},
    "workers": {"count": 0},
}
DESIGNS = [{"a": 7, "b": 7, "c": 7}, {"a": 0, "b": 0, "c": 1}, {"a": 3, "b": 3, "c": 3}]


class Listener(Silent):
    """Keeps the notices."""

    def __init__(self):
        self.notices = []

    def on_notice(self, message):
        self.notices.append(message)


class Search:
    """Searches in one database."""

    def __init__(self, url):
        self.url = url
        self.observer = Listener()

    def run(self, **changes):
        return launch(load_spec(SPEC | changes), db_url=self.url, observer=self.observer)

    def resume(self, name, **changes):
        return go_on(name, db_url=self.url, observer=self.observer, **changes)

    def ask(self, question, name):
        reader = open_reader(self.url)
        try:
            return list(getattr(reader, question)(reader.search(name).id))
        finally:
            reader.close()

    def known(self, name):
        return [one.genes for one in self.ask("candidates", name) if one.operator == "known"]


@pytest.fixture
def searches(tmp_path):
    return Search(f"sqlite:///{tmp_path}/starts.db")


@pytest.mark.parametrize("mode", ["steady-state", "generational"])
@pytest.mark.parametrize("algorithm", ["nsga2", "optuna:nsga2"])
@pytest.mark.parametrize("first", [1, 3])
def test_designs_come_first_and_once_whenever_the_search_is_interrupted(searches, algorithm, mode, first):
    evolution = {"population": 6, "algorithm": algorithm, "mode": mode}
    searches.run(start={"designs": DESIGNS}, evolution=evolution, budget={"evaluations": first})
    searches.resume("first", evaluations=15)
    keys = [one.key for one in searches.ask("candidates", "first")]
    assert searches.known("first") == [(7, 7, 7), (0, 0, 1), (3, 3, 3)]
    assert keys[:3] == [one.key for one in searches.ask("candidates", "first") if one.operator == "known"]
    assert len(set(keys)) == 15


def test_a_search_begins_with_the_front_of_another_one(searches):
    searches.run()
    front = [one.key for one in searches.ask("front", "first")]
    searches.run(name="second", seed=6, start={"searches": ["first"]})
    begun = [one.key for one in searches.ask("candidates", "second")]
    assert begun[: len(front)] == front
    assert len(searches.known("second")) == len(front)


def test_a_resume_begins_with_the_front_as_it_was_at_the_launch(searches):
    searches.run()
    front = [one.key for one in searches.ask("front", "first")]
    searches.run(name="second", seed=6, start={"searches": ["first"]}, budget={"evaluations": 1})
    searches.resume("first", evaluations=60)
    assert [one.key for one in searches.ask("front", "first")] != front
    searches.resume("second", evaluations=15)
    assert [one.key for one in searches.ask("candidates", "second")][: len(front)] == front


def test_networks_that_break_a_limit_are_left_out(searches):
    searches.run()
    searches.run(
        name="second",
        seed=6,
        space={"family": "custom", "decisions": {name: {"choices": [0, 1, 2, 3]} for name in "abc"}},
        start={"searches": ["first"]},
    )
    assert all(max(genes) <= 3 for genes in searches.known("second"))


def test_a_front_that_begins_nothing_is_told_with_the_reason(searches):
    searches.run()
    front = len(searches.ask("front", "first"))
    other = {"family": "custom", "decisions": {"a": {"choices": [0, 1]}, "z": {"choices": [2, 3]}}}
    evaluator = {"evaluator": "tests.doubles.odd_evaluators:conflict"}
    searches.observer.notices.clear()
    searches.run(name="second", seed=6, start={"searches": ["first"]})
    assert [text for text in searches.observer.notices if "start.searches" in text] == []
    searches.run(name="third", start={"searches": ["first"]}, space=other, task=evaluator, budget={"evaluations": 1})
    assert searches.observer.notices[-1] == (
        f"start.searches: first gives nothing to begin with: of the {front} networks on its front {front} are not in "
        "this space, and 0 break its constraints"
    )


def test_a_search_that_is_not_there_is_refused_before_any_work(searches):
    searches.run()
    with pytest.raises(SpecError, match=r"start.searches\[0\]: .*'frist'"):
        searches.run(name="second", start={"searches": ["frist"]})


def test_outcomes_are_taken_over_only_where_it_is_asked_for_and_the_seed_is_the_same(searches):
    searches.run()
    reused = {}
    for name, changes in {"not-asked": {}, "other-seed": {"seed": 9, "start": {"reuse": True}}}.items():
        searches.run(name=name, **changes)
        reused[name] = sum(one.result.worker == "cache" for one in searches.ask("evaluations", name))
    searches.run(name="giver", start={"reuse": True})
    record = searches.run(name="taker", start={"reuse": True})
    reused["taker"] = sum(one.result.worker == "cache" for one in searches.ask("evaluations", "taker"))
    assert reused == {"not-asked": 0, "other-seed": 0, "taker": 15}
    assert record.reason == "all 15 evaluations are done"
    assert searches.ask("candidates", "taker") == searches.ask("candidates", "giver")


def test_a_search_that_stalled_is_finished_and_its_front_can_begin_another(searches):
    record = searches.run(budget={"evaluations": 500, "stalled": 12})
    assert record.reason == "the hypervolume has not grown by 0.1% over 12 evaluations"
    with pytest.raises(WrongState, match=r"is finished: the hypervolume has not grown.*begin a new one with its front"):
        searches.resume("first")
