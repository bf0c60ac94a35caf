"""The spec as values: defaults, canonical lists, its JSON and its identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.fitness import Objective
from gasearch.limits import Limit
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, MLP, changed
from workers.messages import Recipe, Task


def test_a_short_spec_has_the_defaults_of_the_recipe_and_the_embedded_data():
    spec = load_spec(CNN)
    assert spec.to_recipe() == Recipe()
    assert spec.to_task("abc") == Task(kind="classification", dataset="digits", data_fingerprint="abc")
    assert (spec.budget.evaluations, spec.evolution.population, spec.workers.count) == (200, 24, "auto")


def test_a_custom_task_has_an_evaluator_and_nothing_else():
    assert load_spec(CUSTOM).to_task() == Task(kind=None, evaluator="package.module:evaluate")


def test_one_option_stands_for_a_list_and_numbers_are_sorted():
    spec = load_spec(changed(changed(CNN, "space.width", [16, 8]), "space.kernel", 3))
    assert (spec.space.width, spec.space.kernel) == ((8, 16), (3,))


def test_block_kinds_have_one_order_however_they_are_written():
    assert load_spec(changed(CNN, "space.kind", ["residual", "conv"])).space.kind == ("conv", "residual")


def test_choices_of_words_keep_their_order_and_numbers_ascend():
    decisions = load_spec(changed(CUSTOM, "space.decisions.width.choices", [32, 16, 8])).space.decisions
    assert decisions["op"].choices == ("none", "conv", "pool")
    assert decisions["width"].choices == (8, 16, 32)


def test_the_neutral_sparsity_and_rank_are_accepted():
    spec = load_spec(changed(changed(CNN, "space.sparsity", [0.0]), "space.rank", 1))
    assert (spec.space.sparsity, spec.space.rank) == ((0.0,), (1.0,))


def test_objectives_and_limits_are_given_in_native_units_and_in_order():
    spec = load_spec(changed(CNN, "constraints", ["model_bytes <= 64 KB", "latency_ms < 200 us"]))
    assert spec.objectives_tuple() == (
        Objective(metric="accuracy", is_maximized=True),
        Objective(metric="model_bytes", is_maximized=False),
    )
    assert spec.limits() == (
        Limit(metric="model_bytes", operator="<=", bound=64_000),
        Limit(metric="latency_ms", operator="<", bound=0.2),
    )


@pytest.mark.parametrize(
    ("path", "value", "measures"),
    [
        ("seed", 1, set()),
        ("objectives.latency_ms", "min", {"latency_ms"}),
        ("constraints", "latency_spread_ms <= 1", {"latency_ms"}),
        ("objectives.train_seconds", "min", set()),
    ],
)
def test_latency_is_measured_where_an_objective_or_a_constraint_asks_for_it(path, value, measures):
    assert load_spec(changed(CNN, path, value)).measures() == measures


def test_a_custom_evaluator_measures_its_own_latency():
    assert load_spec(changed(CUSTOM, "objectives.latency_ms", "min")).measures() == frozenset()


def test_touching_limits_leave_one_value_and_are_accepted():
    assert len(load_spec(changed(CNN, "constraints", ["macs <= 5M", "macs >= 5M"])).limits()) == 2


@pytest.mark.parametrize("base", [CNN, MLP, CUSTOM])
def test_a_spec_survives_its_json(base):
    spec = load_spec(base)
    assert SearchSpec.from_json(spec.to_json()) == spec
    assert SearchSpec.from_json(spec.to_json()).identity_hash() == spec.identity_hash()


@given(
    epochs=st.integers(1, 10_000),
    rate=st.floats(1e-6, 10),
    widths=st.lists(st.integers(1, 8192), min_size=1, max_size=5, unique=True),
    hours=st.none() | st.floats(0.01, 1000),
)
def test_any_spec_survives_its_json(epochs, rate, widths, hours):
    content = {
        **CNN,
        "space": {**CNN["space"], "width": widths},
        "recipe": {"epochs": epochs, "learning_rate": rate},
        "budget": {"hours": hours},
    }
    spec = load_spec(content)
    assert SearchSpec.from_json(spec.to_json()) == spec


def test_a_stored_spec_that_this_version_cannot_use_is_refused_in_a_sentence():
    with pytest.raises(SpecError, match=r"recipe\.distill: unknown key"):
        SearchSpec.from_json(load_spec(CNN).to_json().replace('"epochs"', '"distill":1,"epochs"'))


@pytest.mark.parametrize(
    ("path", "value"), [("name", "other"), ("budget.evaluations", 7), ("workers.count", 3), ("space.width", [16, 8])]
)
def test_what_does_not_decide_the_result_leaves_the_identity(path, value):
    assert load_spec(changed(CNN, path, value)).identity_hash() == load_spec(CNN).identity_hash()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 5),
        ("space.width", [8]),
        ("recipe.epochs", 4),
        ("objectives.params", "min"),
        ("constraints", "params <= 5K"),
        ("evolution.population", 10),
        ("task.dataset", "other.npz"),
    ],
)
def test_what_decides_the_result_changes_the_identity(path, value):
    assert load_spec(changed(CNN, path, value)).identity_hash() != load_spec(CNN).identity_hash()


def test_a_constraint_in_other_units_is_the_same_constraint():
    written = [
        load_spec(changed(CNN, "constraints", [text])) for text in ("model_bytes<=64000", "model_bytes <= 64 KB")
    ]
    assert written[0].identity_hash() == written[1].identity_hash()


def test_a_data_file_counts_by_its_name_wherever_it_lies():
    specs = [load_spec(changed(CNN, "task.dataset", path)) for path in ("/one/data.npz", "/two/data.npz")]
    assert specs[0].identity_hash() == specs[1].identity_hash()


def test_a_spec_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        load_spec(CNN).seed = 5
