"""How a spec is searched, in words."""

import pytest

from gasearch.spec.engine_text import search_lines
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, changed

FOUR = dict.fromkeys(("params", "macs", "bops", "accuracy"), "min")


@pytest.mark.parametrize(
    ("base", "path", "value", "line"),
    [
        (CNN, "seed", 1, "NSGA-II, steady state with a population of 24, children ranked by a surrogate"),
        (CNN, "seed", 1, "hopeless trainings end at epoch 0.33 or 1, with a risk of 0.1"),
        (CNN, "seed", 1, "up to 20 of the evaluations train doubtful members of the front again"),
        (CNN, "objectives", FOUR, "NSGA-III (for 4 objectives), steady state with a population of 24, children ranked"),
        (CNN, "evolution", {"mode": "generational"}, "NSGA-II, 9 generations of 24, children ranked by a surrogate"),
        (CNN, "evolution", {"algorithm": "random", "surrogate": True}, "without a population, which has no surrogate"),
        (CNN, "evolution", {"algorithm": "optuna:tpe"}, "Optuna's TPE, told each outcome as it comes"),
        (CNN, "evolution.toolbox", "a.b:c", "operators by a.b:c"),
        (CUSTOM, "early_stop.rungs", [10, 30], "hopeless trainings end at step 10 or 30, with a risk of 0.1"),
        (
            CUSTOM,
            "start",
            {"designs": [{}], "searches": ["a", "b"]},
            "1 given network and the fronts of a, b",
        ),
        (CNN, "budget.evaluations", 10, "up to 1 of the evaluations trains a doubtful member of the front again"),
    ],
)
def test_a_report_has_a_line_for_what_decides_how_it_is_searched(base, path, value, line):
    assert any(line in found for found in search_lines(load_spec(changed(base, path, value))))


def test_a_plain_custom_search_is_one_line():
    assert len(list(search_lines(load_spec(CUSTOM)))) == 1
