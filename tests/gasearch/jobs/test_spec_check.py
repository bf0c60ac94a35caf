"""The report on a spec, and the starters."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gasearch_workers.messages import Blueprint, Layer, network_to_json
from gasearch_workers.network.kinds.traced import traced_layer

from gasearch.errors import BadInput, SpecError
from gasearch.jobs.spec_check import build_on_data, check, report
from gasearch.space.build import build_space
from gasearch.space.decisions import DataShape
from gasearch.space.size import space_size
from gasearch.spec.loader import load_spec
from gasearch.spec.starter import STARTERS, starter_spec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, MLP, RATINGS, TAGGER, TEXT, changed

EXAMPLES = Path(__file__).parents[3] / "examples"
IMAGES = {
    "name": "tiny",
    "kind": "classification",
    "input_kind": "image",
    "input_shape": [1, 8, 8],
    "outputs": 10,
    "categories": [],
    "train": 1000,
}
TABLE = IMAGES | {"input_kind": "table", "input_shape": [30]}
PRICES = TABLE | {"kind": "regression", "outputs": 1, "categories": [3, 40]}
SENTENCES = IMAGES | {
    "name": "reviews",
    "input_kind": "tokens",
    "input_shape": [20],
    "categories": [3000],
    "outputs": 3,
}
TAGGED = SENTENCES | {
    "name": "news",
    "kind": "tagging",
    "input_shape": [20, 2],
    "categories": [3000, 13],
    "outputs": 9,
}
RATED = IMAGES | {
    "name": "films",
    "kind": "rating",
    "input_kind": "ids",
    "input_shape": [2],
    "categories": [30, 400],
    "outputs": 1,
}
MLP_ON_FILE = changed(changed(MLP, "task.dataset", "data.csv"), "objectives", {"params": "min"})
TRAINED = Blueprint(
    family="bits",
    input_shape=(1, 8, 8),
    layers=(
        traced_layer("flatten", "flatten", ("input",), width=64),
        traced_layer("fc1", "linear", ("flatten",), width=16, has_relu=True),
        Layer(kind="linear", width=10),
    ),
    trained="ab12",
)
DATA = {
    "bits": IMAGES | {"pretrained": network_to_json(TRAINED)},
    "cnn": IMAGES,
    "mlp": TABLE | {"kind": "regression", "outputs": 1},
    "text": SENTENCES,
    "transformer": SENTENCES,
    "tagger": TAGGED,
    "recommender": RATED,
    "custom": None,
}


def test_the_report_says_size_extremes_and_budget():
    lines = str(check(load_spec(changed(CNN, "constraints", "model_bytes <= 64 KB")), IMAGES)).splitlines()
    assert lines == [
        "sample: classification of tiny by cnn (1,000 training samples of 1 x 8 x 8, 10 classes)",
        "space     84 networks",
        "operators conv, linear, global_pool",
        "smallest  1 layer and the head: 170 params, 4688 MACs, 300 K BOPs, 415 B",
        "largest   3 layers and the head: 13.4 K params, 231 K MACs, 14.8 M BOPs, 14 KB",
        "search    NSGA-II, steady state with a population of 24, children ranked by a surrogate",
        "          hopeless trainings end at epoch 0.33 or 1, with a risk of 0.1",
        "          up to 20 of the evaluations train doubtful members of the front again",
        "budget    200 evaluations",
        "          each a training of 3 epochs over 1,000 samples",
        "          42.2 M MACs for the smallest network, 2.08 G for the largest",
        "note: the space holds only 84 networks, so the search ends before 200 evaluations",
    ]


def test_the_report_says_which_compiler_measures_for_which_cpu():
    found = check(load_spec(changed(CNN, "target.cpu", "cortex-m0plus")), IMAGES)
    assert "firmware" not in str(found)
    text = str(replace(found, toolchain="zig 0.17.1"))
    assert "\nfirmware  cortex-m0plus, compiled by zig 0.17.1\n" in text


def test_the_report_says_which_operators_are_never_proposed():
    spec = changed(changed(CNN, "space.kind", ["conv", "separable", "residual"]), "space.width", 8)
    text = str(check(load_spec(changed(spec, "target.operators", ["conv", "linear", "global_pool"])), IMAGES))
    assert (
        "operators conv, depthwise_conv, linear, add, global_pool; none with depthwise_conv or add is proposed "
        "(target.operators)\n" in text
    )
    assert "BOPs, 9.42 KB, which the constraints exclude\n" in text


def test_a_target_that_lacks_what_every_network_or_a_given_one_needs_is_refused():
    spec = changed(changed(CNN, "space.kind", ["conv", "residual"]), "target.operators", ["conv", "linear"])
    with pytest.raises(SpecError, match=r"^target\.operators: no network .* the nearest needs global_pool besides$"):
        check(load_spec(spec), IMAGES)
    spec = changed(spec, "target.operators", ["conv", "linear", "global_pool"])
    design = {"layers": [{"width": 8, "kernel": 3, "kind": "residual"}]}
    with pytest.raises(SpecError, match=r"designs\[0\]: the network needs add, which target\.operators lacks$"):
        check(load_spec(changed(spec, "start.designs", [design])), IMAGES)


def test_a_largest_network_that_the_constraints_exclude_is_said_to_be_so():
    text = str(check(load_spec(changed(CNN, "constraints", "model_bytes <= 10 KB")), IMAGES))
    assert "14.8 M BOPs, 14 KB, which the constraints exclude\n" in text


def test_a_custom_space_is_reported_without_networks():
    text = str(check(load_spec(CUSTOM), None))
    assert "a custom space, evaluated by package.module:evaluate\nspace     7 networks\nsearch" in text


@pytest.mark.parametrize(
    ("path", "value", "note"),
    [
        ("objectives.accuracy", "min", "objectives.accuracy is min, but more of it is better"),
        ("objectives.latency_ms", "min", "weights below 8 bits save bytes and BOPs, but no time"),
        ("budget.evaluations", 10, "the budget of 10 evaluations ends within the first population of 24"),
        ("space.pruning", ["structured", "unstructured"], "space.pruning decides nothing: space.sparsity has no share"),
    ],
)
def test_what_may_be_a_mistake_is_noted(path, value, note):
    report = check(load_spec(changed(changed(CNN, "space.weight_bits", [4, 8]), path, value)), IMAGES)
    assert any(note in line for line in report.notes)


def test_a_spec_without_doubts_has_no_notes():
    assert check(load_spec(changed(CNN, "budget.evaluations", 50)), IMAGES).notes == ()


@pytest.mark.parametrize(
    ("base", "data", "complaint"),
    [
        (CNN, TABLE, r"space\.family: cnn needs images of .*; tiny holds a table, which is for family mlp"),
        (
            MLP_ON_FILE,
            SENTENCES,
            r"space\.family: mlp needs a table or images of .*; reviews holds sentences, which",
        ),
        (
            TEXT,
            RATED,
            r"space\.family: text needs sentences; films holds ratings of items by users, which",
        ),
        (TEXT, TAGGED, r"task\.kind: family text does classification and regression; tagging is for family tagger"),
        (
            TAGGER,
            SENTENCES,
            r"task\.kind: family tagger does tagging; classification is for families mlp,",
        ),
        (
            changed(MLP_ON_FILE, "objectives.accuracy", "max"),
            PRICES,
            r"^objectives\.accuracy: a regression does not measure 'accuracy'; it measures rmse, params,",
        ),
        (
            changed(MLP_ON_FILE, "constraints", "rmse <= 1"),
            TABLE,
            r"^constraints\[0\]: a classification does not measure 'rmse'; it measures accuracy,",
        ),
        (
            changed(MLP_ON_FILE, "recipe.augment", "flip"),
            TABLE,
            r"^recipe\.augment: only images .* a row of a table",
        ),
        (
            changed(MLP_ON_FILE, "recipe.class_weights", "balanced"),
            PRICES,
            r"^recipe\.class_weights: a regression has",
        ),
    ],
)
def test_what_only_the_data_show_not_to_fit_is_refused(base, data, complaint):
    with pytest.raises(SpecError, match=complaint):
        build_on_data(load_spec(base), data)


@pytest.mark.parametrize(
    ("base", "data", "lines"),
    [
        (
            TEXT,
            SENTENCES,
            [
                "classification of reviews by text (1,000 training samples of 20 tokens of 3,000 words, 3 classes)",
                "smallest  the head alone: 32.1 K params, 48 MACs (2 a token), 3072 BOPs,",
            ],
        ),
        (
            TAGGER,
            TAGGED,
            ["sample: tagging of news by tagger (1,000 training samples of 20 tokens of 3,000 words, 9 tags)"],
        ),
        (
            RATINGS,
            RATED,
            ["sample: rating of films by recommender (1,000 training samples of 30 users and 400 items)"],
        ),
        (
            MLP_ON_FILE,
            PRICES,
            ["sample: regression of tiny by mlp (1,000 training samples of 30 columns, 2 of them categories)"],
        ),
    ],
)
def test_the_report_reads_well_for_every_kind_of_data(base, data, lines):
    text = str(check(load_spec(base), data))
    assert all(line in text for line in lines)


def test_an_embedding_that_decides_nothing_is_noted_and_so_is_what_the_data_say():
    notes = check(load_spec(changed(MLP, "space.embedding", [4])), TABLE | {"notes": ["3 rows are left out"]}).notes
    assert "space.embedding decides nothing: the table has no columns of categories" in notes
    assert notes[-1] == "3 rows are left out"


def test_a_share_of_the_data_is_in_the_budget():
    text = str(check(load_spec(changed(CNN, "recipe.data_share", 0.25)), IMAGES))
    assert "each a training of 3 epochs over 250 samples" in text


def test_an_mlp_takes_tables_and_images():
    for data in (TABLE, IMAGES):
        build_on_data(load_spec(MLP), data)


def test_a_constraint_that_no_network_can_meet_is_refused():
    with pytest.raises(SpecError, match=r'constraints\[0\]: no network .* "params <= 10"; the smallest has params 170'):
        check(load_spec(changed(CNN, "constraints", "params <= 10")), IMAGES)


def test_unknown_data_and_evaluators_are_refused_with_their_key():
    with pytest.raises(SpecError, match=r"task\.dataset: unknown dataset 'digitz'"):
        report(load_spec(changed(CNN, "task.dataset", "digitz")))
    with pytest.raises(SpecError, match=r"task\.evaluator: .*'package.module:evaluate' can't be imported"):
        report(load_spec(CUSTOM))


@pytest.mark.parametrize("family", sorted(STARTERS))
def test_every_starter_is_a_workable_spec(family, tmp_path):
    path = tmp_path / "starter.yaml"
    path.write_text(starter_spec(family), encoding="utf-8")
    spec = load_spec(path)
    assert spec.space.family == family
    build_on_data(spec, DATA[family])
    assert space_size(build_space(spec, DATA[family] and DataShape.of(DATA[family]))).count > 10


@pytest.mark.parametrize("family", sorted(STARTERS))
def test_the_design_in_the_comments_of_a_starter_is_one_of_its_space(family, tmp_path):
    path = tmp_path / "starter.yaml"
    before, start, after = starter_spec(family).partition("# start:")
    path.write_text(before + (start + after).replace("\n#", "\n").replace("# start", "start", 1), encoding="utf-8")
    spec = load_spec(path)
    assert len(spec.start.designs) == 1
    build_on_data(spec, DATA[family])


@pytest.mark.parametrize("family", ["cnn", "mlp"])
def test_a_starter_with_embedded_data_runs_as_it_stands(family, tmp_path):
    path = tmp_path / "starter.yaml"
    path.write_text(starter_spec(family), encoding="utf-8")
    assert "budget    120 evaluations" in report(load_spec(path))


def test_a_starter_of_an_unknown_family_is_refused():
    with pytest.raises(BadInput, match="for cnn, mlp, text, transformer, tagger, recommender, bits, custom; got 'gru'"):
        starter_spec("gru")


def test_reading_a_spec_loads_neither_torch_nor_numpy():
    code = (
        "import sys; from gasearch.spec.loader import load_spec; from gasearch.space.build import build_space; "
        "from gasearch.space.decisions import DataShape; "
        f"build_space(load_spec({str(EXAMPLES / 'digits.yaml')!r}), DataShape(input_shape=(1, 8, 8), outputs=10)); "
        "print(*{'torch', 'numpy', 'ray', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
