"""Published tables as problems."""

import json
import random
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support import tables
from benchmarks.support.tables import PROBLEMS, Ledger, answered_by, problem
from tests.benchmarks.published import small_problem, write_macro_table
from tests.real_data import FOLDER, real

SMALL = small_problem()
REFERENCES = {
    "nasbench201_cifar100_1080ti_1": ("nasbench201", "c100_error_vs_1080ti_1"),
    "nasbench201_cifar10_silver_4114": ("nasbench201", "c10_error_vs_silver_4114"),
    "nasbench201_cifar10_pixel3": ("nasbench201", "c10_error_vs_pixel3"),
    "nasbench201_cifar100_samsung_a50": ("nasbench201", "c100_error_vs_samsung_a50"),
    "nasbench201_cifar10_flops": ("nasbench201", "c10_error_vs_flops"),
    "nasbench_macro": ("nasbench_macro", "error_vs_flops"),
    "accel_nasbench": ("accel_nasbench", "error_vs_latency_zcu102"),
}


def reference(name: str) -> dict:
    folder, title = REFERENCES[name]
    path = real(f"{folder}/reference.json")
    return next(entry for entry in json.loads(path.read_text())["problems"] if entry["name"] == title)


@pytest.fixture
def published(monkeypatch):
    """The problems are made of the published tables."""
    monkeypatch.setenv(tables.FOLDER_VARIABLE, str(FOLDER))


def points(*networks):
    return [SMALL.costs(SMALL.metrics[SMALL.row(network)]) for network in networks]


def test_the_exact_front_has_no_regret():
    assert SMALL.regret(SMALL.front) == pytest.approx(0.0, abs=1e-12)


def test_nothing_found_is_all_regret():
    assert SMALL.regret([]) == 1.0


def test_networks_above_the_cap_score_nothing():
    assert SMALL.regrets(points(("thin", 1, 8))) == [1.0]


def test_a_dominated_network_changes_nothing():
    curve = SMALL.regrets(points(("thin", 2, 32), ("wide", 2, 32)))
    assert curve[0] < 1.0
    assert curve[1] == curve[0]


@given(st.permutations(SMALL.networks))
def test_the_regret_falls_and_ends_at_none_in_any_order(networks):
    curve = SMALL.regrets(points(*networks))
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] == pytest.approx(0.0, abs=1e-12)


def test_a_volume_that_a_hand_can_count():
    problem = small_problem()
    ideal, nadir = map(min, zip(*problem.front, strict=True)), map(max, zip(*problem.front, strict=True))
    (low_error, low_cost), (high_error, high_cost) = tuple(ideal), tuple(nadir)
    middle = (low_error + high_error) / 2, (low_cost + high_cost) / 2
    assert problem.regret([middle]) == pytest.approx(1 - 0.6 * 0.6 / problem.largest_hypervolume)


def test_a_genome_outside_a_whole_table_is_refused():
    with pytest.raises(KeyError, match=r"small has no network \('thin', 4, 8\)"):
        SMALL.row(("thin", 4, 8))


def test_a_row_of_a_pool_is_answered_with_itself():
    pool = small_problem(is_pool=True)
    assert [pool.row(network) for network in pool.networks] == list(range(len(pool.networks)))


def test_another_genome_of_a_pool_is_answered_with_the_first_of_the_nearest_rows():
    pool = small_problem(is_pool=True)
    assert ("thin", 1, 16) not in pool.networks
    assert pool.networks[pool.row(("thin", 1, 16))] == ("thin", 1, 8)


def test_a_row_of_a_pool_that_is_used_up_answers_once():
    pool = replace(small_problem(is_pool=True), is_used_up=True)
    ledger = Ledger(pool)
    for _ in pool.networks:
        ledger.answer(("thin", 1, 8))
    assert sorted(ledger.rows) == list(range(len(pool.networks)))
    assert pool.networks[ledger.rows[0]] == ("thin", 1, 8)
    assert ledger.rows == sorted(ledger.rows, key=lambda row: (pool.steps(("thin", 1, 8))[row], row))


def test_asking_twice_is_a_duplicate():
    ledger = Ledger(SMALL)
    for row in (0, 1, 0):
        ledger.answer(SMALL.networks[row])
    assert ledger.duplicates == 1
    assert ledger.points == points(SMALL.networks[0], SMALL.networks[1], SMALL.networks[0])


def test_an_evaluator_answers_from_the_ledger_of_the_run(tmp_path, monkeypatch):
    write_macro_table(tmp_path)
    monkeypatch.setenv(tables.FOLDER_VARIABLE, str(tmp_path))
    ledger = Ledger(problem("nasbench_macro"))
    choices = {f"layer{number}": "identity" for number in range(8)}
    with answered_by(ledger):
        tables.__getattr__("nasbench_macro")(choices, None, None)
    assert ledger.asked == [("identity",) * 8]


def test_an_evaluator_is_found_by_the_name_of_its_problem(tmp_path, monkeypatch):
    write_macro_table(tmp_path)
    monkeypatch.setenv(tables.FOLDER_VARIABLE, str(tmp_path))
    evaluate = tables.__getattr__("nasbench_macro")
    choices = {f"layer{number}": "identity" for number in range(8)}
    assert evaluate(choices, None, None) == {"error": 20.0, "params": 1000, "flops": 5000}


def test_an_unknown_problem_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no problem 'imagenet'; there are nasbench201_cifar100_1080ti_1, "):
        problem("imagenet")


def test_a_module_without_the_evaluator_says_so():
    with pytest.raises(AttributeError, match="no problem 'imagenet'"):
        _ = tables.imagenet


@pytest.mark.data
@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", REFERENCES)
def test_fronts_and_volumes_are_those_of_the_published_reference(name):
    known = reference(name)
    found = problem(name)
    assert found.largest_hypervolume == pytest.approx(known["hv_norm_max"], abs=1e-6)
    assert found.error_cap == known["error_cap"]
    front = sorted((error, cost / 1e6 if found.objectives[1] == "flops" else cost) for error, cost in found.front)
    for mine, theirs in zip(front, sorted(tuple(point["f"]) for point in known["front"]), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
    assert found.regret(found.front) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.data
@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", REFERENCES)
def test_random_rows_score_as_in_the_published_reference(name):
    known = reference(name)["random_search_hv_fraction_mean_std_30_seeds"]
    found = problem(name)
    curves = []
    for seed in range(20):
        rows = random.Random(seed).sample(found.metrics, 250)
        curves.append(found.regrets(map(found.costs, rows)))
    for count in (100, 250):
        mean, deviation = known[str(count)]
        error = deviation * (1 / 20 + 1 / 30) ** 0.5
        assert 1 - statistics.mean(curve[count - 1] for curve in curves) == pytest.approx(mean, abs=4 * error)


@pytest.mark.data
@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", PROBLEMS)
def test_each_problem_of_the_benchmark_is_there(name):
    found = problem(name)
    assert found.metrics[found.row(found.networks[-1])] == found.metrics[-1]
