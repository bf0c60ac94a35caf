"""The spec as values: defaults, canonical lists, its JSON and its identity."""

import pytest
from gasearch_workers.data.options import DataOptions
from gasearch_workers.messages import Fidelity, Recipe, Task
from hypothesis import given
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.jobs.sources import data_options
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, MLP, RATINGS, TAGGER, TEXT, changed


def test_a_short_spec_has_the_defaults_of_the_recipe_and_the_embedded_data():
    spec = load_spec(CNN)
    assert spec.recipe.to_recipe() == Recipe()
    assert spec.to_task("abc") == Task(kind="classification", dataset="digits", data_fingerprint="abc")
    assert (spec.budget.evaluations, spec.evolution.population, spec.workers.count) == (200, 24, "auto")


def test_every_key_of_the_recipe_reaches_the_worker():
    recipe = {
        "epochs": 5,
        "batch_size": 32,
        "accumulate": 2,
        "optimizer": "adafactor",
        "learning_rate": 0.01,
        "schedule": "constant",
        "warmup": 0.1,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "momentum": 0.8,
        "dropout": 0.2,
        "augment": ["shift", "flip"],
        "class_weights": "balanced",
        "precision": "bfloat16",
        "patience": 2,
        "data_share": 0.5,
        "distillation": {"teacher": "largest", "weight": 0.3, "temperature": 4},
        "full_range": True,
        "inherit": True,
    }
    others = ("data_share", "distillation", "full_range", "inherit")
    spec = load_spec(changed(CNN, "recipe", recipe))
    plain = {key: value for key, value in recipe.items() if key not in others}
    assert spec.recipe.to_recipe() == Recipe(
        **plain | {"augment": ("shift", "flip")},
        teacher="largest",
        distill_weight=0.3,
        temperature=4.0,
        is_full_range=True,
        is_inheriting=True,
    )
    assert spec.recipe.to_fidelity() == Fidelity(epochs=5, data_share=0.5)
    assert SearchSpec.from_json(spec.to_json()) == spec


def test_a_distillation_learns_from_the_largest_network_unless_another_is_named():
    recipe = load_spec(changed(CNN, "recipe.distillation", {})).recipe.to_recipe()
    assert (recipe.teacher, recipe.distill_weight, recipe.temperature) == ("largest", 0.5, 2.0)


def test_every_key_of_the_task_says_how_the_data_are_read():
    task = {
        "dataset": "films.csv",
        "kind": "regression",
        "target": "gross",
        "text": "plot",
        "length": 20,
        "vocabulary": 900,
        "lower": False,
        "validation": "dev.csv",
        "test": "later.csv",
    }
    content = {key: value for key, value in task.items() if key not in ("dataset", "lower")}
    spec = changed(changed(TEXT, "task", task), "objectives", {"rmse": "min"})
    assert data_options(load_spec(spec)) == DataOptions(is_lower=False, **content)
    table = {"dataset": "a.csv", "features": ["a", "b"], "categorical": "b"}
    options = data_options(load_spec(changed(MLP, "task", table)))
    assert (options.kind, options.features, options.categorical) == (None, ("a", "b"), ("b",))
    written = {"missing": [], "decimal": ",", "header": True, "channels": "last", "tags": "bmes"}
    options = data_options(load_spec(changed(MLP, "task", {"dataset": "a.csv", **written})))
    assert {key: getattr(options, key) for key in written} == written | {"missing": ()}
    options = data_options(load_spec(changed(RATINGS, "task", {"dataset": "r.csv", "user": "who", "item": "what"})))
    assert (options.kind, options.user, options.item) == ("rating", "who", "what")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("decimal", ";", r"task\.decimal"),
        ("channels", "middle", r"task\.channels: must be .*first.*last"),
        ("tags", "iobx", r"task\.tags: must be .*bioes.*types"),
        ("header", "yes", r"task\.header: must be true or false"),
        ("missing", [1], r"task\.missing"),
    ],
)
def test_a_way_of_reading_that_there_is_not_is_refused_with_what_is_allowed(key, value, text):
    with pytest.raises(SpecError, match=text):
        load_spec(changed(MLP, "task", {"dataset": "a.csv", key: value}))


@pytest.mark.parametrize(
    ("base", "dataset", "kind"),
    [
        (CNN, "digits", "classification"),
        (changed(MLP, "objectives", {"rmse": "min"}), "diabetes", "regression"),
        (MLP, "table.csv", None),
        (TAGGER, "train.conll", "tagging"),
        (RATINGS, "ratings.csv", "rating"),
    ],
)
def test_the_kind_of_the_task_follows_from_family_or_embedded_data_else_the_data_tell_it(base, dataset, kind):
    spec = load_spec(changed(base, "task.dataset", dataset))
    assert spec.kind == spec.to_task().kind == kind
    assert spec.to_task("abc", "classification").kind == (kind or "classification")


def test_a_custom_task_has_an_evaluator_and_nothing_else():
    assert load_spec(CUSTOM).to_task() == Task(kind=None, evaluator="package.module:evaluate")


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
        ("objectives.efficiency", "min", {"latency_ms"}),
        ("constraints", "energy_j <= 1 mJ", {"latency_ms", "energy_j"}),
    ],
)
def test_latency_is_measured_where_an_objective_or_a_constraint_needs_it(path, value, measures):
    assert load_spec(changed(CNN, path, value)).measures() == measures


def test_a_custom_evaluator_measures_its_own_latency():
    assert load_spec(changed(CUSTOM, "objectives.latency_ms", "min")).measures() == frozenset()


def test_touching_limits_leave_one_value_and_are_accepted():
    assert len(load_spec(changed(CNN, "constraints", ["macs <= 5M", "macs >= 5M"])).limits()) == 2


@pytest.mark.parametrize("base", [CNN, MLP, TEXT, TAGGER, RATINGS, CUSTOM])
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
    ("path", "value"),
    [
        ("name", "other"),
        ("budget.evaluations", 7),
        ("workers.count", 3),
        ("workers.memory_limit", "2 GB"),
        ("workers.environment", "HOST"),
        ("space.width", [16, 8]),
    ],
)
def test_what_does_not_decide_the_result_leaves_the_identity(path, value):
    assert load_spec(changed(CNN, path, value)).identity_hash() == load_spec(CNN).identity_hash()


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("auto", None), ("off", None), ("2 GB", 2_000_000_000), ("1.5 GiB", 1_610_612_736), (2e8, 2e8)],
)
def test_a_memory_limit_is_bytes_where_it_is_a_number(limit, expected):
    spec = load_spec(changed(CNN, "workers.memory_limit", limit))
    assert spec.workers.memory_limit_bytes == expected
    assert SearchSpec.from_json(spec.to_json()).workers == spec.workers


def test_a_disk_limit_is_a_gigabyte_unless_it_is_off():
    assert load_spec(CNN).workers.disk_limit_bytes == 10**9
    assert load_spec(changed(CNN, "workers.disk_limit", "off")).workers.disk_limit_bytes is None


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
        ("space.sparsity", [0.0, 0.5]),
        ("space.downsample", ["stride", "max_pool"]),
        ("recipe.distillation", {}),
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
    for key in ("dataset", "validation", "test"):
        specs = [load_spec(changed(TEXT, f"task.{key}", path)) for path in ("/one/data.tsv", "/two/data.tsv")]
        assert specs[0].identity_hash() == specs[1].identity_hash()


def test_a_kind_that_is_told_anyway_leaves_the_identity():
    assert load_spec(changed(CNN, "task.kind", "classification")).identity_hash() == load_spec(CNN).identity_hash()


def test_a_spec_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        load_spec(CNN).seed = 5
