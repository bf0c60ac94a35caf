"""The script that holds searches against the exact fronts of tables."""

import sys
from dataclasses import replace

import pytest

from benchmarks import search_quality
from benchmarks.search_quality import Key, Results, Row, Run, collect, judge, make, planned
from benchmarks.support import tables
from benchmarks.support.timing import Targets
from gasearch.spec.sections import EvolutionSpec
from tests.benchmarks.published import write_macro_table

KEY = Key(problem="nasbench_macro", method="random", seed=0, evaluations=4, versions="")


def run_of(*regrets: float, method: str = "random", seed: int = 0) -> Run:
    key = replace(KEY, method=method, seed=seed, evaluations=len(regrets))
    return Run(key=key, regrets=regrets, duplicates=0, cpu_seconds=0.5)


@pytest.fixture
def macro(tmp_path, monkeypatch):
    """A folder with a made-up table."""
    write_macro_table(tmp_path)
    monkeypatch.setenv(tables.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_runs_are_read_back_from_their_file(tmp_path):
    path = tmp_path / "runs.jsonl"
    run = run_of(0.5, 0.25)
    Results(path).add(run)
    assert Results(path).get(run.key) == run


def test_a_run_in_the_file_is_not_made_again(tmp_path, monkeypatch):
    results = Results(tmp_path / "runs.jsonl")
    results.add(run_of(0.5, 0.5, 0.5, 0.5))
    monkeypatch.setattr(search_quality, "make", lambda key: pytest.fail(f"{key} was made again"))
    assert collect([KEY], results) == [run_of(0.5, 0.5, 0.5, 0.5)]


def test_a_run_by_other_code_is_made_again(tmp_path, monkeypatch):
    results = Results(tmp_path / "runs.jsonl")
    results.add(run_of(0.5, 0.5, 0.5, 0.5))
    newer = replace(KEY, versions="optuna 9")
    monkeypatch.setattr(search_quality, "make", lambda key: Run(key=key, regrets=(0.1,), duplicates=0, cpu_seconds=0))
    assert collect([newer], results)[0].regrets == (0.1,)


def test_a_dear_method_gets_fewer_seeds_and_evaluations():
    keys = list(planned(["nasbench_macro"], ["optuna-gp"], seeds=20, evaluations=300))
    assert [(key.seed, key.evaluations) for key in keys] == [(seed, 100) for seed in range(5)]


def test_our_search_is_a_function_of_the_seed(macro):
    first, again, other = (make(replace(KEY, method="gasearch", seed=seed, evaluations=30)) for seed in (1, 1, 2))
    assert len(first.regrets) == 30
    assert first.regrets == again.regrets != other.regrets


def test_a_row_tells_how_many_evaluations_a_regret_takes():
    row = Row(method="gasearch", runs=(run_of(0.9, 0.5, 0.2), run_of(0.9, 0.3, 0.2, seed=1)))
    assert row.median(2) == pytest.approx(40.0)
    assert row.needed(40.0) == 2
    assert row.needed(10.0) is None


@pytest.mark.parametrize(("at_half", "verdict"), [(0.4, "reached"), (0.6, "missed")])
def test_ours_is_judged_at_half_of_the_budget(at_half, verdict, capsys):
    ours = Row(method="gasearch", runs=(run_of(0.9, at_half, 0.1, 0.1, method="gasearch"),))
    worse = Row(method="random", runs=(run_of(0.9, 0.9, 0.9, 0.8),))
    best = Row(method="params", runs=(run_of(0.9, 0.9, 0.9, 0.5, method="params"),))
    targets = Targets()
    judge("small", [ours, worse, best], 4, targets)
    assert f"best peer (params) at 4: 50.00 %: {verdict}" in capsys.readouterr().out
    if verdict == "missed":
        with pytest.raises(SystemExit, match="regret in percent of gasearch at 2 must be at most 50; got 60"):
            targets.check()
    else:
        targets.check()


def test_a_method_of_a_smaller_budget_is_no_best_peer(capsys):
    ours = Row(method="gasearch", runs=(run_of(0.9, 0.5, method="gasearch"),))
    judge("small", [ours, Row(method="optuna-gp", runs=(run_of(0.1, method="optuna-gp"),))], 2, Targets())
    assert capsys.readouterr().out == ""


def test_the_script_prints_a_table_and_keeps_its_runs(macro, monkeypatch, capsys):
    asked = f"--problems nasbench_macro --methods random params --seeds 2 --evaluations 50 --data {macro}"
    monkeypatch.setattr(sys, "argv", ["search_quality", *asked.split(), "--results", str(macro / "runs.jsonl")])
    search_quality.main()
    printed = capsys.readouterr().out
    assert "nasbench_macro: regret in percent" in printed
    assert len((macro / "runs.jsonl").read_text().splitlines()) == 4
    search_quality.main()
    assert capsys.readouterr().out.splitlines()[1:] == printed.splitlines()[1:]  # all but the machine's load


def test_without_tables_the_script_says_so_and_ends_well(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(tables.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["search_quality", "--data", str(tmp_path)])
    search_quality.main()
    assert "the tables of nasbench201_cifar100_1080ti_1 aren't there" in capsys.readouterr().out


def test_a_missing_peer_is_left_out_with_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(search_quality.peers, "missing", lambda method: "pymoo")
    assert not search_quality.is_available("pymoo-nsga2")
    assert capsys.readouterr().out == "pymoo-nsga2 is left out: pymoo isn't installed\n"


@pytest.mark.parametrize("method", search_quality.OURS)
def test_each_variant_of_ours_is_a_spec_that_the_product_takes(method):
    assert EvolutionSpec.model_validate(search_quality.OURS[method])


def test_every_call_of_the_evaluator_counts(macro):
    problem = tables.problem("nasbench_macro")
    ledger = search_quality.search(problem, 1, 12, {"algorithm": "nsga2", "surrogate": False})
    assert len(ledger.asked) == 12
    assert [problem.networks[row] for row in ledger.rows] == ledger.asked
