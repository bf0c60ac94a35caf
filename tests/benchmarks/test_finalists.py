"""The table of finalists: what it prints of a case, and which bars it holds the figures against."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks.finalists import CASES, EXAMPLES, Case, judge, print_curse
from gasearch.query.finals import Finalist
from gasearch.spec.loader import load_spec

DIGITS = Case(
    name="digits",
    example="digits.yaml",
    data="digits.npz",
    settings=("objectives={accuracy: max, model_bytes: min}", "budget.evaluations=2", "recipe.epochs=1"),
    score="accuracy",
    limits={"model_bytes <= 64 KB": 1.01, "model_bytes <= 63 KB": None},
    known="0.95",
)


def finalist(drop: float, test_drop: float) -> Finalist:
    metrics = {"accuracy_drop": drop, "test_accuracy_drop": test_drop}
    return Finalist(
        key="k", seeds=3, failed=0, epochs=6, metrics=metrics, is_on_front=True, is_verified=True, blueprint={}
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_is_a_valid_spec(case):
    spec = load_spec(EXAMPLES / case.example, [f"name={case.name}", f"task.dataset={Path('x.npz')}", *case.settings])
    assert spec.name == case.name


def test_peers_come_before_the_cases_that_are_held_against_them():
    names = [case.name for case in CASES]
    assert all(names.index(case.peer) < names.index(case.name) for case in CASES if case.peer)


def test_the_curse_is_the_mean_of_what_the_validation_split_lost(capsys):
    assert print_curse({DIGITS: [finalist(0.01, 0.02), finalist(-0.005, 0.0)]}) == pytest.approx(0.25)
    assert "+1.00   +2.00 points of accuracy" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_case_ends_in_verified_files_and_a_second_call_makes_nothing_again(tmp_path, capsys):
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:600], y_test=y[400:600])
    printed = []
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"digits, model_bytes <= 64 KB must be at least 1.01"):
            judge([DIGITS], tmp_path, tmp_path, 0)
        printed.append(capsys.readouterr().out)
    assert "(3 trainings of 1 epochs); known: 0.95" in printed[0]
    assert printed[0].count("keeps what it claims") == 1
    assert printed[0] == printed[1]
