"""Every way in which a spec can be wrong, and the sentence that says so."""

import re

import pytest

from gasearch.errors import SpecError
from gasearch.spec.explain import nearest, path_text, show
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, MLP, RATINGS, REMOVED, TAGGER, TEXT, changed

WHOLE = "must be a whole number from"
WIDTHS = "a list of whole numbers from 1 to 8,192"
BITS = "to 8, or 32 for float"
MEASURED = "accuracy, macro_f1, auc, params, macs, flops, bops, model_bytes, peak_memory_bytes, latency_ms,"

#: The keys of a recipe that no custom evaluator is told, with values that it would have to heed.
NEVER_SEEN = {
    "batch_size": 64,
    "accumulate": 2,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "schedule": "constant",
    "warmup": 0.1,
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "momentum": 0.5,
    "dropout": 0.1,
    "class_weights": "balanced",
    "precision": "bfloat16",
    "patience": 2,
}

REFUSALS = [
    # unknown and missing keys
    (CNN, "space.widht", [8], 'space.widht: unknown key; did you mean "width"? Known here: family, layers, width,'),
    (CNN, "epochs", 3, 'epochs: unknown key; did you mean "recipe.epochs"? Known here: name, seed, task,'),
    (CNN, "recipe.lr", 0.1, "recipe.lr: unknown key; known here: epochs, batch_size, accumulate, optimizer,"),
    (CNN, "zzz", 1, "zzz: unknown key; known here: name, seed, task, space,"),
    (MLP, "space.kernel", [3], "space.kernel: only families cnn and text have this key; mlp has family, layers,"),
    (CUSTOM, "space.width", [8], "tagger and recommender have this key; custom has family, decisions"),
    (MLP, "space.heads", [2], "space.heads: only families transformer and tagger have this key; mlp has family,"),
    (CNN, "space.embedding", [2], "families mlp, text, transformer, tagger and recommender have this key; cnn has"),
    (MLP, "space.downsample", "stride", "space.downsample: only family cnn has this key; mlp has family, layers,"),
    (CUSTOM, "space.decisions.op.wen", {}, 'space.decisions.op.wen: unknown key; did you mean "when"?'),
    (CNN, "space", REMOVED, "space: is required: a mapping with family and its options"),
    (CNN, "space.family", REMOVED, "space.family: is required: one of mlp, cnn, text, transformer,"),
    (CNN, "space.width", REMOVED, f"space.width: is required: {WIDTHS}"),
    (CNN, "objectives", REMOVED, "objectives: is required: a mapping of metrics to max or min"),
    (CNN, "name", REMOVED, "name: is required: 1 to 100 letters, digits and . _ -"),
    (CUSTOM, "task", REMOVED, 'task.evaluator: is required for family custom: "package.module:function"'),
    (CNN, "recipe", None, "recipe: is empty; give a mapping of keys to values, or leave the key out"),
    (CNN, "space.width", None, f"space.width: is empty; give {WIDTHS}"),
    # wrong types
    (CNN, "space.width", [8, "16"], f"space.width[1]: must fit {WIDTHS}; got '16'"),
    (CNN, "space.width", 8.0, f"space.width[0]: must fit {WIDTHS}; got 8.0"),
    (CNN, "space", 3, "space: must be a mapping with family and its options; got 3"),
    (CNN, "task", ["digits"], "task: must be a mapping of keys to values; got ['digits']"),
    (CNN, "seed", "1", f"seed: {WHOLE} 0 to 4,294,967,295; got '1'"),
    (CNN, "budget.evaluations", True, f"budget.evaluations: {WHOLE} 1 to 10,000,000; got true"),
    (CNN, "workers.cpus", "one", "workers.cpus: must be a number from 0 to 1,024; got 'one'"),
    (CNN, "task.dataset", 3, "task.dataset: must be the name of a data set, or the path of a file; got 3"),
    (CNN, "name", 3, "name: must be 1 to 100 letters, digits and . _ - of which neither . nor - comes first; got 3"),
    (CNN, "constraints", [3], 'constraints[0]: must fit a list of limits such as "model_bytes <= 64 KB"; got 3'),
    (CUSTOM, "space.decisions.op.choices", ["a", ["b"]], "op.choices[1]: must fit a list of texts, finite numbers,"),
    # values out of range
    (CNN, "space.width", [0, 8], f"space.width[0]: must fit {WIDTHS}; got 0"),
    (CNN, "space.kernel", [4], "space.kernel[0]: must fit a list of odd whole numbers from 1 to 11; got 4"),
    (CNN, "space.weight_bits", [0, 8], f"space.weight_bits[0]: must fit a list of whole numbers from 1 {BITS}; got 0"),
    (
        CNN,
        "space.activation_bits",
        1,
        f"activation_bits[0]: must fit a list of whole numbers from 2 {BITS}; got 1",
    ),
    (
        CNN,
        "space.kind",
        ["conf"],
        "kind[0]: must be one of conv, separable, residual; got 'conf'; did you mean \"conv\"?",
    ),
    (CNN, "evolution.population", 2, f"evolution.population: {WHOLE} 4 to 100,000; got 2"),
    (CNN, "budget.hours", 0, "budget.hours: must be a number above 0, at most 100,000; got 0"),
    (CNN, "recipe.learning_rate", float("nan"), "learning_rate: must be a number above 0, at most 10; got nan"),
    (CNN, "recipe.label_smoothing", 1, "recipe.label_smoothing: must be a number from 0 to below 1; got 1"),
    (CNN, "recipe.optimizer", "adm", "must be one of adam, adamw, sgd, rmsprop, adafactor; got 'adm'; did you mean"),
    (CNN, "workers.count", "many", "workers.count: must be auto or a whole number from 0 (in the controller's own"),
    (CNN, "workers.count", -1, "to 1,024; got -1"),
    (CNN, "workers.memory_limit", "big", "workers.memory_limit: must be auto (an equal share of 90 % of the node's"),
    (CNN, "workers.memory_limit", 4, "memory), off, or a size from 100 MB to 1 PB, such as 4 GB; got 4"),
    (
        CNN,
        "workers.disk_limit",
        "auto",
        "workers.disk_limit: must be off, or a size from 1 MB to 1 PB, such as 1 GB; got 'auto'",
    ),
    (CNN, "workers.environment", ["1x"], "workers.environment[0]: the name of an environment variable is letters,"),
    (CNN, "workers.environment", ["A", "GASEARCH_DB"], "workers.environment[1]: settings of gasearch, of Ray and of"),
    (CNN, "workers.environment", "RAY_AUTH_TOKEN", "never passed on to an evaluation; got 'RAY_AUTH_TOKEN'"),
    (CNN, "workers.environment", "my_database_url", "never passed on to an evaluation; got 'my_database_url'"),
    (CNN, "name", "two words", "of which neither . nor - comes first; got 'two words'"),
    (CNN, "name", "-x", "comes first; got '-x'"),
    (CUSTOM, "task.evaluator", "module", "task.evaluator: must be \"package.module:function\"; got 'module'"),
    # empty and contradictory
    (CNN, "space.width", [], f"space.width: must be {WIDTHS}; got an empty list"),
    (CNN, "space.width", [8, 16, 8], "space.width: has 8 twice; got [8, 16, 8]"),
    (CNN, "space.layers", [4, 1], "space.layers: the fewest layers, 4, are more than the most, 1; got [4, 1]"),
    (CNN, "space.layers", [1, 2, 3], "space.layers: must be [fewest, most], whole numbers from 1 to 64; got [1, 2, 3]"),
    (CNN, "space.layers", 0, "space.layers: must be [fewest, most], whole numbers from 1 to 64; got 0"),
    (CNN, "objectives", {}, "objectives: must be a mapping of metrics to max or min; got an empty mapping"),
    (CNN, "constraints", ["macs <= 5M", "macs >= 6M"], 'constraints[1]: no value meets both "macs <= 5 M" and'),
    (CNN, "task.evaluator", "a.b:c", "task.evaluator: only family custom takes an evaluator; the family is cnn"),
    (CUSTOM, "task.dataset", "digits", "task.dataset: a custom evaluator brings its own data: leave this key out"),
    # metrics
    (CNN, "objectives.accuracy", "maximize", "objectives.accuracy: must be one of max, min; got 'maximize'"),
    (
        CNN,
        "objectives.acuracy",
        "max",
        f"does not measure 'acuracy'; did you mean \"accuracy\"? It measures {MEASURED}",
    ),
    (
        CNN,
        "objectives.rmse",
        "min",
        f"objectives.rmse: a classification does not measure 'rmse'; it measures {MEASURED}",
    ),
    (CNN, "constraints", ["entity_f1 >= 0.5"], "constraints[0]: a classification does not measure 'entity_f1'; it"),
    (
        TAGGER,
        "objectives.auc",
        "max",
        "objectives.auc: a tagging does not measure 'auc'; it measures accuracy,",
    ),
    (RATINGS, "objectives.accuracy", "max", "objectives.accuracy: a rating does not measure 'accuracy'; it measures"),
    (TEXT, "objectives.acuracy", "max", "a search does not measure 'acuracy'; did you mean \"accuracy\"? It measures"),
    (CNN, "constraints", "latency_ms <= 64 KB", "constraints[0]: latency_ms is a time (units: us, ms, s, min, h;"),
    (CNN, "constraints", ["64 KB"], 'constraints[0]: a limit reads like "latency_ms <= 2" or'),
    (CNN, "constraints", ["accuracy >= 98"], "constraints[0]: accuracy lies between 0 and 1; 98 percent is 0.98"),
    (CUSTOM, "objectives", {"my error": "min"}, "objectives.my error: the name of a metric is up to 63 letters,"),
    # conditions
    (CUSTOM, "space.decisions", {}, "space.decisions: must be a mapping of decision names to {choices: [...]}; got an"),
    (CUSTOM, "space.decisions.op.when", {"op": "conv"}, "op.when.op: a decision can't be a condition of itself"),
    (
        CUSTOM,
        "space.decisions.width.when",
        {"opp": "x"},
        'no such decision; did you mean "op"? known are op, width, bias',
    ),
    (CUSTOM, "space.decisions.width.when", {"op": "cnv"}, "'cnv' is no choice of op; did you mean \"conv\"? It has"),
    (
        CUSTOM,
        "space.decisions.width.when",
        {"op": []},
        "width.when.op: must fit a mapping of earlier decisions to lists",
    ),
    (CUSTOM, "space.decisions.bias.when", {"width": True}, "true is no choice of width; it has [8, 16, 32]"),
    (CUSTOM, "space.decisions.op.when", {"width": 8}, "conditions go in a circle: op -> width -> op"),
    (CUSTOM, "space.decisions.a b", {"choices": [1]}, "the name of a decision is up to 63 letters, digits, . _ -"),
    # compression
    (CNN, "space.sparsity", [0.5, 1.0], "space.sparsity[1]: must fit a list of numbers from 0 to below 1; got 1.0"),
    (CNN, "space.sparsity", "half", "space.sparsity[0]: must fit a list of numbers from 0 to below 1; got 'half'"),
    (CNN, "space.sparsity", [0.5, 0.5], "space.sparsity: has 0.5 twice; got [0.5, 0.5]"),
    (CNN, "space.rank", 0, "space.rank[0]: must fit a list of numbers above 0, at most 1; got 0"),
    (CNN, "space.pruning", "structure", "must be one of structured, unstructured; got 'structure'; did you mean"),
    # what a family or a task can't do
    (CNN, "space.layers", [0, 2], "space.layers: must be [fewest, most], whole numbers from 1 to 64; got [0, 2]"),
    (TEXT, "space.vocabulary", 1, "space.vocabulary[0]: must fit a list of whole numbers from 2 to 1,000,000; got 1"),
    (TEXT, "space.encoder", "lstm", "space.encoder[0]: must be one of pool, conv, gru; got 'lstm'"),
    (TAGGER, "space.encoder", "conv", "space.encoder[0]: must be one of gru, transformer; got 'conv'"),
    (TAGGER, "space.heads", 0, "space.heads[0]: must fit a list of whole numbers from 1 to 64; got 0"),
    (
        TEXT,
        "task",
        REMOVED,
        "task.dataset: text needs sentences; digits holds images of (channels, height, width), which is for families",
    ),
    (CNN, "task.dataset", "diabetes", "task.dataset: cnn needs images of (channels, height, width); diabetes holds a"),
    (TEXT, "task.kind", "tagging", "task.kind: family text does classification and regression; tagging is for family"),
    (TAGGER, "task.kind", "rating", "task.kind: family tagger does tagging; rating is for family recommender"),
    (MLP, "task.kind", "ranking", "task.kind: must be one of classification, regression, tagging, rating; got"),
    (TEXT, "task.user", "reader", "task.user: is for family recommender; the family is text"),
    (CNN, "task.categorical", ["a"], "task.categorical: is for family mlp; the family is cnn"),
    (MLP, "task.length", 8, "task.length: is for families text, transformer and tagger; the family is mlp"),
    (TEXT, "task.length", 0, f"task.length: {WHOLE} 1 to 4,096; got 0"),
    (TEXT, "task.lower", "no", "task.lower: must be true or false; got 'no'"),
    (MLP, "task.features", [3], "task.features[0]: must fit a list of names of columns; got 3"),
    (CUSTOM, "task.target", "x", "task.target: a custom evaluator brings its own data: leave this key out"),
    (TEXT, "recipe.augment", "flip", "recipe.augment: only images are shifted and flipped, and a sample is a sentence"),
    (CNN, "recipe.augment", ["rotate"], "recipe.augment[0]: must be one of shift, flip; got 'rotate'"),
    (RATINGS, "recipe.class_weights", "balanced", "recipe.class_weights: a rating has no classes: leave this key out"),
    (RATINGS, "recipe.label_smoothing", 0.1, "recipe.label_smoothing: a rating has no classes: leave this key out"),
    (CUSTOM, "recipe.distillation", {}, "recipe.distillation: a custom evaluator trains by itself, and is told"),
    (CUSTOM, "recipe.inherit", True, "recipe.inherit: a custom evaluator trains by itself, and is told"),
    (CUSTOM, "recipe.augment", "flip", "recipe.augment: a custom evaluator trains by itself, and is told"),
    *(
        (CUSTOM, f"recipe.{key}", value, f"recipe.{key}: a custom evaluator trains by itself, and is told epochs and")
        for key, value in NEVER_SEEN.items()
    ),
    (CNN, "recipe.inherit", "yes", "recipe.inherit: must be true or false; got 'yes'"),
    (CNN, "recipe.distillation", "largest", "recipe.distillation: must be a mapping with teacher, weight and temp"),
    (CNN, "recipe.distillation.weight", 2, "recipe.distillation.weight: must be a number from 0 to 1; got 2"),
    (CNN, "recipe.data_share", 0, "recipe.data_share: must be a number above 0, at most 1; got 0"),
    # what this version doesn't search
    (
        CNN,
        "space.family",
        "cmn",
        "must be one of mlp, cnn, text, transformer, tagger, recommender, bits, custom; got 'cmn'; did you mean \"cnn",
    ),
    (
        CNN,
        "evolution.algorithm",
        "optuna:cmaes",
        "must be one of auto, nsga2, nsga3, aging, random, optuna:tpe, optuna:nsga2,",
    ),
]


@pytest.mark.parametrize(("base", "path", "value", "sentence"), REFUSALS)
def test_a_wrong_spec_is_refused_with_its_key_what_came_and_what_is_allowed(base, path, value, sentence):
    with pytest.raises(SpecError) as caught:
        load_spec(changed(base, path, value))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("objectives", {f"m{n}": "min" for n in range(17)}, "objectives: at most 16 objectives; got 17"),
        ("constraints", [f"a <= {n}" for n in range(65)], "constraints: at most 64 constraints; got 65"),
        ("space.decisions", {f"x{n}": {"choices": [1]} for n in range(1001)}, "at most 1,000 decisions; got 1,001"),
        ("space.decisions.op.choices", list(range(10_001)), "a spec holds at most 10,000 values"),
        (
            "space.decisions.op.choices",
            [1, 10**5000],
            "a whole number has at most 300 digits; got one with more digits",
        ),
        ("start.searches", [f"s{n}" for n in range(101)], "start.searches: at most 100 searches; got 101"),
        ("workers.environment", [f"V{n}" for n in range(101)], "workers.environment: at most 100 entries; got 101"),
        ("early_stop.rungs", list(range(1, 18)), "a list of up to 16 ascending numbers above 0"),
        ("budget.evaluations", 10**8, "a whole number from 1 to 10,000,000; got 100000000"),
        ("workers.address", "x" * 1001, "workers.address: at most 1,000 characters; got 1,001"),
        ("workers.memory_limit", 1e30, "a size from 100 MB to 1 PB"),
    ],
)
def test_what_is_too_many_is_refused_with_the_bound(path, value, sentence):
    with pytest.raises(SpecError, match=re.escape(sentence)):
        load_spec(changed(CUSTOM, path, value))


@pytest.mark.parametrize(
    ("path", "name", "sentence"),
    [
        (
            "objectives",
            {"key": "min"},
            "objectives.key: no evaluator may return a metric named 'key', which stands for",
        ),
        ("objectives", {"error": "min", "trainings": "max"}, "no evaluator may return a metric named 'trainings'"),
        ("constraints", ["blueprint <= 3"], "constraints[0]: no evaluator may return a metric named 'blueprint'"),
        (
            "objectives",
            {"error": "min", "error_spread": "min"},
            "objectives.error_spread: says how far error may be off",
        ),
        ("objectives", {"latency_spread_ms": "min", "latency_ms": "min"}, "says how far latency_ms may be off"),
        ("objectives", {"no name": "min"}, "the name of a metric is up to 63 letters, digits and _"),
    ],
)
def test_a_metric_that_no_evaluator_may_return_or_that_is_another_one_s_spread_is_refused(path, name, sentence):
    with pytest.raises(SpecError, match=re.escape(sentence)):
        load_spec(changed(CUSTOM, path, name))


@pytest.mark.parametrize("base", [CNN, MLP, TEXT, TAGGER, RATINGS, CUSTOM])
def test_the_specs_that_are_made_wrong_above_are_right(base):
    assert load_spec(base).name == "sample"


def test_several_problems_are_listed_one_a_line():
    spec = changed(changed(CNN, "space.widht", 8), "recipe.epochs", -1)
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    header, first, second = str(caught.value).splitlines()
    assert header == "spec has 2 problems:"
    assert first.startswith("  space.widht: unknown key")
    assert second.startswith("  recipe.epochs: must be a whole number")


def test_a_flood_of_problems_is_counted_not_printed():
    with pytest.raises(SpecError) as caught:
        load_spec(changed(CNN, "space.width", ["x"] * 100))
    assert len(str(caught.value).splitlines()) == 22
    assert str(caught.value).endswith("and 80 more")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ({}, "an empty mapping"),
        ({"a": 1}, "a mapping with a"),
        ([], "an empty list"),
        ({2, 1}, "a set, which has no order: 1, 2"),
        (10**100, "one with more digits than fit here"),
        ("x" * 100, f"'{'x' * 76}..."),
    ],
)
def test_a_value_is_shown_as_it_came_and_cut_to_a_readable_length(value, text):
    assert show(value) == text


def test_a_place_reads_as_people_write_it():
    assert path_text(("space", "decisions", "op", "choices", 2)) == "space.decisions.op.choices[2]"


@pytest.mark.parametrize(("word", "hint"), [("Kernl", '; did you mean "kernel"?'), ("zzz", ""), (3, "")])
def test_the_nearest_word_is_named_where_one_is_close(word, hint):
    assert nearest(word, ["kernel", "width", 3]) == hint
