"""The report on how a spec is searched, and the designs that a search can't begin with."""

import pytest

from gasearch.errors import SpecError
from gasearch.jobs.spec_check import build_on_data, check
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, changed

IMAGES = {
    "name": "tiny",
    "kind": "classification",
    "input_kind": "image",
    "input_shape": [1, 8, 8],
    "outputs": 10,
    "categories": [],
    "train": 1000,
}
DESIGN = {"layers": [{"width": 16, "kernel": 3}]}


def search_part(base, data, **changes):
    spec = base
    for path, value in changes.items():
        spec = changed(spec, path.replace("__", "."), value)
    text = str(check(load_spec(spec), data))
    return [line[10:] for line in text[text.index("search    ") : text.index("budget    ")].splitlines()]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"evolution__mode": "generational"}, "NSGA-II, 9 generations of 24, children ranked by a surrogate"),
        ({"evolution__algorithm": "random"}, "random sampling, without a population"),
        ({"evolution__algorithm": "aging", "evolution__surrogate": False}, "aging evolution, steady state with a pop"),
        (
            {"evolution": {"algorithm": "optuna:tpe", "surrogate": True}},
            "Optuna's TPE, told each outcome as it comes, which has no surrogate",
        ),
        (
            {"evolution": {"algorithm": "optuna:gp", "mode": "generational"}},
            "Optuna's Gaussian process, told",
        ),
        ({"objectives": dict.fromkeys(["params", "macs", "flops", "bops"], "min")}, "NSGA-III (for 4 objectives), st"),
    ],
)
def test_the_report_says_what_proposes_the_networks(changes, line):
    assert search_part(CNN, IMAGES, **changes)[0].startswith(line)


def test_the_report_says_what_the_search_begins_with_and_what_else_ends_it():
    ends = {"hours": 2, "device_hours": 8, "stalled": 60, "gain_per_device_hour": 0.01}
    spec = changed(changed(CNN, "start", {"designs": [DESIGN], "searches": ["one", "two"]}), "budget", ends)
    text = str(check(load_spec(spec), IMAGES))
    assert "\n          begins with 1 given network and the fronts of one, two\n" in text
    assert (
        "\nbudget    200 evaluations, or 2 h, or 8 device-hours, or 60 evaluations without a better front, or a front "
        "that would grow by less than 0.01 of itself per device-hour, whichever is first\n"
    ) in text


def test_a_search_without_early_stops_and_replicates_has_no_line_on_them():
    assert len(search_part(CNN, IMAGES, early_stop=False, evolution__replicates=0)) == 1


@pytest.mark.parametrize(
    ("base", "data", "changes", "note"),
    [
        (
            CNN,
            IMAGES,
            {"start__designs": [DESIGN] * 2},
            "repeats networks: its 2 hold 1, each",
        ),
        (
            CNN,
            IMAGES,
            {"start__designs": [DESIGN], "budget__evaluations": 1},
            "takes the whole budget: 1 of 1 ",
        ),
        (CNN, IMAGES, {"objectives": {"params": "min"}}, "with one objective the front is a single network"),
        (CUSTOM, None, {"start__reuse": True}, "start.reuse takes outcomes over from earlier searches: clear it once"),
        (
            CUSTOM,
            None,
            {"early_stop": True},
            "early_stop is off: give early_stop.rungs in the",
        ),
    ],
)
def test_what_may_be_a_mistake_in_how_it_is_searched_is_noted(base, data, changes, note):
    spec = base
    for path, value in changes.items():
        spec = changed(spec, path.replace("__", "."), value)
    assert any(note in line for line in check(load_spec(spec), data).notes)


def test_a_space_of_one_network_is_searched_to_its_end():
    one = {"family": "cnn", "layers": 1, "width": 8}
    assert "the space holds only 1 network, so the search ends before" in str(
        check(load_spec(changed(CNN, "space", one)), IMAGES)
    )


@pytest.mark.parametrize(
    ("base", "data", "design", "complaint"),
    [
        (CNN, IMAGES, {"layers": [{"width": 20, "kernel": 3}]}, r"^start\.designs\[1\]\.layers\[0\]\.width: 20 is no"),
        (CUSTOM, None, {"op": "cnv"}, r"^start\.designs\[1\]\.op: 'cnv' is no option; did you mean \"conv\"\?"),
    ],
)
def test_a_design_that_the_space_lacks_is_refused_with_its_place(base, data, design, complaint):
    good = DESIGN if base is CNN else {"op": "none"}
    for check_it in (check, build_on_data):
        with pytest.raises(SpecError, match=complaint):
            check_it(load_spec(changed(base, "start.designs", [good, design])), data)


def test_a_design_beyond_a_limit_is_refused_with_what_it_has():
    spec = changed(changed(CNN, "start.designs", [DESIGN]), "constraints", "params <= 200")
    with pytest.raises(SpecError, match=r'designs\[0\]: the network has params 330, which misses "params <= 200"'):
        build_on_data(load_spec(spec), IMAGES)
