"""Searches that ask for too little, too much or the impossible: each ends cleanly, and says what it came to."""

import pytest

import gasearch
from gasearch.errors import GasearchError, SpecError
from gasearch.jobs.start import launch
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader

SMALL = {name: {"choices": [0, 1, 2]} for name in "abc"}
LARGE = {name: {"choices": list(range(20))} for name in "abcdef"}
HERE = "tests.doubles.odd_evaluators"


@pytest.fixture
def reader(tmp_path):
    """What a search by `run` left behind."""
    opened = []

    def open_once():
        opened.append(open_reader(f"sqlite:///{tmp_path}/odd.db"))
        return opened[-1]

    yield open_once
    for one in opened:
        one.close()


@pytest.fixture
def run(tmp_path):
    """Runs a custom search in this process; returns its record."""

    def run_one(evaluator, *, space=SMALL, evaluations=30, observer=None, **sections):
        spec = {
            "name": "odd",
            "seed": 1,
            "task": {"evaluator": f"{HERE}:{evaluator}"},
            "space": {"family": "custom", "decisions": space},
            "objectives": {"error": "min", "cost": "min"},
            "budget": {"evaluations": evaluations},
            "workers": {"count": 0},
        }
        url = f"sqlite:///{tmp_path}/odd.db"
        return launch(load_spec(spec | sections), db_url=url, observer=observer or gasearch.search.progress.Silent())

    return run_one


def counted(reader, record):
    """How far it is; no network was evaluated twice."""
    archive = reader()
    keys = [one.key for one in archive.candidates(record.id)]
    assert len(keys) == len(set(keys))
    return archive.counts(record.id)


def exhausted(count):
    return f"{count} networks are evaluated; no further one of the space meets the constraints"


ALGORITHMS = ("nsga2", "nsga3", "aging", "random", "optuna:tpe", "optuna:nsga2")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("algorithm", "mode"),
    [*((one, "steady-state") for one in ALGORITHMS), ("nsga2", "generational"), ("aging", "generational")],
)
def test_every_algorithm_evaluates_all_feasible_networks_of_a_small_space_once(run, reader, algorithm, mode):
    evolution = {"algorithm": algorithm, "mode": mode, "population": 4, "replicates": 0.1}
    record = run("conflict", evaluations=100, evolution=evolution, constraints=["cost <= 4"])
    assert record.reason == exhausted(27)
    assert counted(reader, record).candidates == 27


@pytest.mark.timeout(60)
def test_the_gaussian_process_of_optuna_exhausts_a_small_space_too(run, reader):
    evolution = {"algorithm": "optuna:gp", "population": 4}
    record = run("conflict", space={"a": {"choices": [0, 1]}, "b": {"choices": [0, 1]}}, evolution=evolution)
    assert record.reason == exhausted(4)
    assert counted(reader, record).completed == 4


@pytest.mark.timeout(30)
def test_a_budget_below_the_population_is_spent(run, reader):
    assert run("conflict", evaluations=3).reason == "all 3 evaluations are done"


@pytest.mark.timeout(30)
def test_with_one_objective_the_front_is_the_best_network(run, reader):
    record = run("conflict", space=LARGE, objectives={"error": "min"})
    (best,) = reader().front(record.id)
    assert best.metrics["error"] == min(one.metrics["error"] for one in reader().networks(record.id))


@pytest.mark.timeout(60)
def test_ten_objectives_take_no_minutes(run, reader):
    record = run("ten", space=LARGE, evaluations=26, objectives={f"m{place}": "min" for place in range(10)})
    assert record.reason == "all 26 evaluations are done"
    *_, last = reader().generations(record.id)
    assert last.hypervolume > 0


@pytest.mark.timeout(30)
def test_a_space_of_one_network_is_exhausted_by_it(run, reader):
    record = run("conflict", space={"a": {"choices": [1]}})
    assert record.reason == exhausted(1)
    assert counted(reader, record).front_size == 1


@pytest.mark.timeout(30)
def test_a_decision_with_one_choice_is_none(run, reader):
    record = run("conflict", space=SMALL | {"z": {"choices": [5]}})
    assert record.reason == exhausted(27)


@pytest.mark.timeout(60)
def test_three_hundred_decisions_and_thousands_of_choices_are_searched(run, reader):
    space = {f"d{place}": {"choices": [0, 1, 2]} for place in range(300)} | {"wide": {"choices": list(range(8000))}}
    record = run("conflict", space=space, evaluations=24)
    assert record.reason == "all 24 evaluations are done"


def test_more_choices_than_a_spec_holds_are_refused(run):
    with pytest.raises(SpecError, match="at most 10,000 values"):
        run("conflict", space={"a": {"choices": list(range(10_000))}})


@pytest.mark.timeout(30)
@pytest.mark.parametrize("limit", ["error <= 1e-300", "error <= -1e200"])
def test_a_limit_that_is_never_met_is_told_while_the_search_goes_on(run, reader, limit):
    class Listening(gasearch.search.progress.Silent):
        notices = []

        def on_notice(self, message):
            self.notices.append(message)

    record = run("conflict", space=LARGE, evaluations=55, constraints=[limit], observer=Listening())
    assert record.reason == "all 55 evaluations are done"
    assert counted(reader, record).front_size == 0
    assert any(f"the nearest misses {limit[:8]}" in notice for notice in Listening.notices)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        ("not_a_number", "metric 'error' must be a finite number; got nan"),
        ("raises", "RuntimeError: the evaluator's own"),
        ("too_few", "cost was not measured; there are error"),
        ("counts_trainings", "a metric can't be named 'trainings', which counts those that a mean is over"),
        ("too_large", "metric 'error' must be at most 1e\\+150 in size"),
    ],
)
def test_an_evaluator_that_always_fails_ends_the_search_with_what_it_did(run, evaluator, message):
    message = rf"20 evaluations in a row failed \(20 user_error\), the last one with: {message}"
    with pytest.raises(GasearchError, match=message):
        run(evaluator)


@pytest.mark.timeout(30)
def test_metrics_that_nobody_asked_for_are_kept(run, reader):
    record = run("with_more")
    assert all(one.metrics["what"] == 3.0 for one in reader().front(record.id))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("replicates", [0.0, 0.3])
def test_equal_values_everywhere_leave_one_network_on_the_front(run, reader, replicates):
    record = run("equal", space=LARGE, evolution={"replicates": replicates})
    assert record.reason == "all 30 evaluations are done"
    assert counted(reader, record).front_size == 1


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("evaluator", "evolution"),
    [
        ("huge", {}),
        ("huge_later", {"replicates": 0.3}),
        ("huge_later", {"algorithm": "nsga3"}),
        ("huge", {"algorithm": "optuna:tpe"}),
    ],
)
def test_the_largest_metrics_are_searched(run, reader, evaluator, evolution):
    record = run(evaluator, space=LARGE, evaluations=40, evolution=evolution)
    assert record.reason == "all 40 evaluations are done"
    assert counted(reader, record).front_size > 0


@pytest.mark.timeout(60)
def test_reports_let_a_search_stop_trainings(run, reader):
    record = run("reports", space=LARGE, evaluations=40, early_stop={"rungs": [1, 3]})
    counts = counted(reader, record)
    assert counts.completed == 40
    assert counts.stopped > 5
    assert counts.failures == {}
