"""How a spec is searched: its keys, what they come to, and what stored specs without them meant."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.spec.loader import load_spec
from gasearch.spec.model import BEFORE, SearchSpec, as_then
from gasearch.spec.sections import RecipeSpec, default_rungs
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, REMOVED, changed

#: What version 0.2.0 stored of a spec without a word on how it is searched.
OF_0_2_0 = Path(__file__).with_name("stored_0_2_0.json").read_text(encoding="utf-8")
DESIGN = {"layers": [{"width": 16, "kernel": 3}]}
SEVEN = dict.fromkeys(("params", "macs", "flops", "bops", "model_bytes", "latency_ms", "train_seconds"), "min")


def searched(spec):
    """All that decides how a spec is searched."""
    return (
        spec.algorithm,
        spec.is_steady,
        spec.uses_surrogate,
        spec.replicate_share,
        spec.rung_steps(),
        spec.reuses_outcomes,
    )


def test_a_network_that_gasearch_trains_is_searched_with_all_there_is():
    assert searched(load_spec(CNN)) == ("nsga2", True, True, 0.1, default_rungs(3), True)
    assert load_spec(CNN).early_stop.risk == 0.1


def test_a_custom_evaluator_is_trusted_to_be_exact_unknown_in_its_steps_and_changeable():
    assert searched(load_spec(CUSTOM)) == ("nsga2", True, True, 0.0, (), False)


def test_a_custom_evaluator_can_be_stopped_trained_again_and_reused_where_the_spec_says_so():
    spec = changed(changed(CUSTOM, "early_stop.rungs", [12, 60, 200]), "evolution.replicates", 0.2)
    found = load_spec(changed(spec, "start.reuse", True))
    assert searched(found) == ("nsga2", True, True, 0.2, (12.0, 60.0, 200.0), True)


@pytest.mark.parametrize(("count", "algorithm"), [(1, "nsga2"), (3, "nsga2"), (4, "nsga3"), (7, "nsga3")])
def test_the_algorithm_follows_the_number_of_objectives(count, algorithm):
    objectives = dict(list(SEVEN.items())[:count])
    assert load_spec(changed(CNN, "objectives", objectives)).algorithm == algorithm


def test_an_algorithm_that_is_named_stays_whatever_the_number_of_objectives():
    assert load_spec(changed(changed(CNN, "objectives", SEVEN), "evolution.algorithm", "nsga2")).algorithm == "nsga2"


@pytest.mark.parametrize(
    ("algorithm", "is_ranked"),
    [("nsga2", True), ("nsga3", True), ("aging", True), ("random", False), ("optuna:tpe", False), ("optuna:gp", False)],
)
def test_a_surrogate_ranks_the_children_of_our_own_algorithms_alone(algorithm, is_ranked):
    spec = changed(changed(CNN, "evolution.algorithm", algorithm), "evolution.surrogate", True)
    assert load_spec(spec).uses_surrogate is is_ranked
    assert not load_spec(changed(spec, "evolution.surrogate", False)).uses_surrogate


@pytest.mark.parametrize("word", [False, "off", {"rungs": "off"}, {"rungs": False}])
def test_early_stopping_can_be_switched_off(word):
    assert load_spec(changed(CNN, "early_stop", word)).rung_steps() == ()


@pytest.mark.parametrize("word", [True, "auto", {"rungs": "auto"}, {}])
def test_early_stopping_can_be_asked_for_by_a_word(word):
    assert load_spec(changed(CNN, "early_stop", word)).rung_steps() == default_rungs(3)


@pytest.mark.parametrize(("rungs", "steps"), [([0.5, 1, 2.5], (0.5, 1.0, 2.5)), (2, (2.0,))])
def test_rungs_are_taken_as_they_are(rungs, steps):
    assert load_spec(changed(CNN, "early_stop.rungs", rungs)).rung_steps() == steps


RUNGS = "must be auto, off, or a list of up to 16 ascending numbers above 0; got"
REFUSALS = [
    (CNN, "evolution.algorithm", "optuna:cmaes", "optuna:gp; got 'optuna:cmaes'; did you mean \"optuna:tpe\"?"),
    (CNN, "evolution.algorithm", "nsgaii", "evolution.algorithm: must be one of auto, nsga2, nsga3, aging, random,"),
    (CNN, "evolution.mode", "steady", "must be one of steady-state, generational; got 'steady'; did you mean \"steady"),
    (CNN, "evolution.surrogate", 1, "evolution.surrogate: must be true, false or full; got 1"),
    (CNN, "evolution.replicates", 1, "evolution.replicates: must be a number from 0 to below 1; got 1"),
    (CNN, "early_stop", 3, "early_stop: must be false, or a mapping with rungs and risk; got 3"),
    (CNN, "early_stop", "of", "early_stop: must be false, or a mapping with rungs and risk; got 'of'"),
    (CNN, "early_stop", None, "early_stop: is empty; give false, or a mapping with rungs and risk, or leave the key"),
    (CNN, "early_stop.rungs", [], f"early_stop.rungs: {RUNGS} an empty list"),
    (CNN, "early_stop.rungs", [0, 1], f"early_stop.rungs: {RUNGS} [0, 1]"),
    (CNN, "early_stop.rungs", [float("inf")], f"early_stop.rungs: {RUNGS} [inf]"),
    (CNN, "early_stop.rungs", [True], f"early_stop.rungs: {RUNGS} [true]"),
    (CNN, "early_stop.rungs", "never", f"early_stop.rungs: {RUNGS} 'never'"),
    (CNN, "early_stop.rungs", [n / 10 for n in range(1, 18)], f"early_stop.rungs: {RUNGS} [0.1, 0.2,"),
    (CNN, "early_stop.rungs", [2, 1], "early_stop.rungs: the rungs must ascend; got [2, 1]"),
    (CNN, "early_stop.rungs", [1, 1], "early_stop.rungs: the rungs must ascend; got [1, 1]"),
    (CNN, "early_stop.rungs", [1, 3], "before the end of a training: give numbers below recipe.epochs, 3; got [1.0, 3"),
    (CNN, "early_stop.risk", 0, "early_stop.risk: must be a number above 0, at most 0.5; got 0"),
    (CNN, "early_stop.risk", 0.6, "early_stop.risk: must be a number above 0, at most 0.5; got 0.6"),
    (CNN, "early_stop.rung", [1], 'early_stop.rung: unknown key; did you mean "rungs"? Known here: rungs, risk'),
    (CUSTOM, "early_stop.risk", 0.1, "early_stop.rungs: is required for a custom evaluator, whose steps only you know"),
    (CNN, "start.designs", DESIGN, "start.designs: must be a list of up to 1,000 networks, each a mapping of"),
    (CNN, "start.designs", [8], "start.designs[0]: must fit a list of up to 1,000 networks, each a mapping"),
    (CNN, "start.designs", [{"a": float("nan")}], "start.designs[0]: a design holds texts, finite numbers, true,"),
    (CNN, "start.designs", [DESIGN] * 1001, "start.designs: at most 1,000 designs; got 1,001"),
    (CNN, "start.searches", ["a", "a"], "start.searches: has 'a' twice; got ['a', 'a']"),
    (CNN, "start.searches", ["two words"], "start.searches[0]: must fit a list of up to 100 names of earlier searches"),
    (CNN, "start.searches", "sample", "start.searches[0]: 'sample' is the name of this search: name earlier ones"),
    (CNN, "start.reuse", "yes", "start.reuse: must be true or false; got 'yes'"),
    (
        CNN,
        "start.design",
        [],
        'start.design: unknown key; did you mean "designs"? Known here: designs, searches, reuse',
    ),
    (CNN, "budget.stalled", 9, "budget.stalled: must be a whole number from 10 to 10,000,000; got 9"),
    (CNN, "budget.device_hours", 0, "budget.device_hours: must be a number above 0, at most 10,000,000; got 0"),
    (CNN, "budget.gain_per_device_hour", "1%", "gain_per_device_hour: must be a number above 0, at most 100; got '1%'"),
    (CNN, "objectives", {f"m{n}": "min" for n in range(17)}, "objectives: at most 16 objectives; got 17"),
]


@pytest.mark.parametrize(("base", "path", "value", "sentence"), REFUSALS, ids=[text[-50:] for *_, text in REFUSALS])
def test_a_wrong_key_is_refused_with_what_came_and_what_is_allowed(base, path, value, sentence):
    with pytest.raises(SpecError) as caught:
        load_spec(changed(base, path, value))
    assert sentence in str(caught.value)
    assert "literal" not in str(caught.value)


def test_what_looks_odd_but_works_is_allowed():
    load_spec(changed(CNN, "budget.evaluations", 5))
    load_spec(changed(changed(CUSTOM, "objectives", {f"m{n}": "min" for n in range(16)}), "budget.stalled", 10))
    load_spec(changed(changed(CNN, "recipe.patience", 2), "recipe.inherit", True))


def test_a_stored_spec_of_0_2_0_is_searched_as_it_was_then():
    spec = SearchSpec.from_json(OF_0_2_0)
    assert searched(spec) == ("nsga2", False, False, 0.0, (), False)
    assert (spec.start.designs, spec.start.searches) == ((), ())
    assert (spec.budget.device_hours, spec.budget.stalled, spec.budget.gain_per_device_hour) == (None, None, None)


def test_a_stored_spec_of_0_2_0_stays_what_it_meant_when_it_is_stored_again():
    spec = SearchSpec.from_json(OF_0_2_0)
    assert SearchSpec.from_json(spec.to_json()) == spec
    assert searched(SearchSpec.from_json(spec.to_json())) == searched(spec)


def test_a_stored_spec_of_this_version_lacks_no_key():
    for base in (CNN, CUSTOM):
        text = load_spec(base).to_json()
        assert json.loads(as_then(text)) == json.loads(text)


def test_every_key_that_old_specs_lack_is_a_key_of_today():
    content = json.loads(load_spec(CNN).to_json())
    assert all(key in content[section] for section, keys in BEFORE.items() for key in keys)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"evolution": 3}'])
def test_a_text_that_is_no_stored_spec_is_refused_in_a_sentence(text):
    with pytest.raises(SpecError):
        SearchSpec.from_json(text)


@given(
    algorithm=st.sampled_from(["auto", "nsga3", "aging", "random", "optuna:gp"]),
    rungs=st.sampled_from(["auto", "off", False, [0.25, 1], 2]),
    replicates=st.none() | st.floats(0, 0.9),
    designs=st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)), max_size=2),
    stalled=st.none() | st.integers(10, 1000),
)
def test_any_way_of_searching_survives_the_json(algorithm, rungs, replicates, designs, stalled):
    content = {
        **CNN,
        "evolution": {"algorithm": algorithm, "replicates": replicates},
        "early_stop": {"rungs": rungs},
        "start": {"designs": designs},
        "budget": {"stalled": stalled},
    }
    spec = load_spec(content)
    assert SearchSpec.from_json(spec.to_json()) == spec
    assert SearchSpec.from_json(spec.to_json()).identity_hash() == spec.identity_hash()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("evolution.algorithm", "aging"),
        ("evolution.mode", "generational"),
        ("evolution.surrogate", False),
        ("evolution.replicates", 0.2),
        ("early_stop", False),
        ("early_stop.risk", 0.2),
        ("early_stop.rungs", [1]),
        ("start.designs", [DESIGN]),
        ("start.searches", "other"),
        ("start.reuse", False),
    ],
)
def test_how_a_spec_is_searched_changes_its_identity(path, value):
    assert load_spec(changed(CNN, path, value)).identity_hash() != load_spec(CNN).identity_hash()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("evolution.algorithm", "nsga2"),
        ("evolution.replicates", 0.1),
        ("early_stop.rungs", list(default_rungs(3))),
        ("start.reuse", True),
        ("budget.device_hours", 3),
        ("budget.stalled", 50),
        ("budget.gain_per_device_hour", 0.01),
    ],
)
def test_a_default_that_is_written_out_and_the_budget_leave_the_identity(path, value):
    assert load_spec(changed(CNN, path, value)).identity_hash() == load_spec(CNN).identity_hash()


def test_a_section_that_is_left_out_has_its_defaults():
    assert load_spec(changed(changed(CNN, "start", {}), "start", REMOVED)) == load_spec(CNN)


def test_a_stored_recipe_that_a_custom_evaluator_never_saw_is_left_out():
    content = json.loads(load_spec(CUSTOM).to_json())
    content["recipe"] |= {"epochs": 7, "data_share": 0.5, "batch_size": 64, "augment": ["flip"], "inherit": True}
    recipe = SearchSpec.from_json(json.dumps(content)).recipe
    assert recipe == RecipeSpec(epochs=7, data_share=0.5)
    with pytest.raises(SpecError, match=r"recipe\.batch_size: a custom evaluator trains by itself"):
        load_spec(content)
