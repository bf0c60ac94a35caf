"""Specs from files and mappings, with overrides."""

import json

import pytest

from gasearch.errors import SpecError
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN, MLP, changed

YAML = """\
seed: 3
space:
  family: cnn
  layers: [1, 3]
  width: [8, 16]
objectives: {accuracy: max, model_bytes: min}
"""
TOML = """\
name = "sample"
[space]
family = "cnn"
layers = [1, 3]
width = [8, 16]
kernel = [3, 5]
[objectives]
accuracy = "max"
model_bytes = "min"
"""


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(source, overrides=()):
    with pytest.raises(SpecError) as caught:
        load_spec(source, overrides)
    return str(caught.value)


def test_yaml_toml_json_and_a_mapping_give_equal_specs(tmp_path):
    yaml = YAML.replace("seed: 3\n", "name: sample\n").replace("  width", "  kernel: [3, 5]\n  width")
    sources = [
        write(tmp_path, "a.yaml", yaml),
        write(tmp_path, "a.toml", TOML),
        write(tmp_path, "a.json", json.dumps(CNN)),
        str(write(tmp_path, "a.yml", "\ufeff" + yaml)),
        CNN,
    ]
    assert len({load_spec(source).to_json() for source in sources}) == 1


def test_a_file_without_a_name_gives_its_own(tmp_path):
    assert load_spec(write(tmp_path, "my first spec.yaml", YAML)).name == "my-first-spec"


def test_a_mapping_is_left_as_it_was():
    before = json.dumps(CNN)
    load_spec(CNN, ["recipe.epochs=9"])
    assert json.dumps(CNN) == before


def test_overrides_are_read_as_yaml_and_later_ones_win():
    spec = load_spec(
        CNN, ["recipe.epochs=5", "space.width=[4, 32]", "recipe.epochs=6", 'constraints=["macs <= 5M"]', "name=b"]
    )
    assert (spec.recipe.epochs, spec.space.width, spec.constraints, spec.name) == (6, (4, 32), ("macs <= 5M",), "b")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("recipe.epoch=5", 'recipe.epoch: unknown key; did you mean "epochs"?'),
        ("recipes.epochs=5", 'recipes: unknown key; did you mean "recipe"?'),
        ("recipe.epochs", "--set takes key.path=value, such as recipe.epochs=5; got 'recipe.epochs'"),
        ("=5", "--set takes key.path=value"),
        ("space..width=5", "--set takes key.path=value"),
        ("space.width=[1", "--set space.width=[1: the value is no YAML: expected ',' or ']'"),
        ("name.first=x", "--set name.first=x: name is 'sample', not a mapping"),
        ("recipe.epochs=", "recipe.epochs: is empty; give a whole number from 0 to 10,000, or leave the key out"),
    ],
)
def test_an_override_that_cannot_be_used_is_refused(override, sentence):
    assert sentence in refusal(CNN, [override])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.yaml", "space: [1, 2", "a.yaml, line 1: expected ',' or ']'"),
        ("a.yaml", "name: a\nname: b", "a.yaml, line 2: the key 'name' stands here a second time"),
        ("a.yaml", "", "a spec is a mapping with keys such as name, space and objectives; got nothing"),
        ("a.yaml", "- 1", "a spec is a mapping with keys such as name, space and objectives; got [1]"),
        ("a.yaml", b"name: \xff", "a.yaml, line 1: a spec is UTF-8 text; got the byte 0xff"),
        ("a.yaml", "x" * 300_000, "is too large for a spec: at most 256 KiB"),
        ("a.json", '{"name": ', "a.json, line 1: Expecting value (column 10)"),
        ("a.json", '{"name": "a", "name": "b"}', "the key 'name' stands twice in one object"),
        ("a.json", '{"seed": NaN}', "NaN is no JSON"),
        ("a.json", "[" * 100_000, "a.json can't be read: it is nested too deeply"),
        ("a.json", json.dumps([[0] * 101] * 100), "a spec holds at most 10,000 values, nested at most 32 deep"),
        ("a.toml", "a = 1\na = 2", "a.toml can't be read: Cannot overwrite a value"),
        ("a.toml", "name = 1979-05-27", "name: must be 1 to 100 letters"),
        ("a.toml", "a = " + "[" * 50_000, "a.toml can't be read: it is nested too deeply"),
    ],
)
def test_a_file_that_is_no_spec_is_refused_with_file_and_line(tmp_path, name, content, sentence):
    assert sentence in refusal(write(tmp_path, name, content))


def test_a_missing_file_is_one_sentence_with_the_command_that_helps(tmp_path):
    path = tmp_path / "none.yaml"
    assert refusal(path) == f"there is no spec file '{path}'; write one with: gasearch init -o {path}"


def test_a_folder_is_refused(tmp_path):
    assert refusal(tmp_path) == f"'{tmp_path}' is a folder; give the spec file in it"


def test_a_problem_in_yaml_names_the_line_of_its_key(tmp_path):
    path = write(tmp_path, "a.yaml", YAML + "recipe:\n  epochs: 0\n")
    assert refusal(path) == f"{path}: line 8: recipe.epochs: must be a whole number from 1 to 10,000; got 0"


def test_keys_that_are_no_texts_are_refused():
    assert refusal({1: 2}) == "the keys of a spec are texts; got 1"


def test_a_data_file_is_looked_for_beside_the_spec_first(tmp_path, monkeypatch):
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    spec = write(tmp_path / "specs", "a.yaml", YAML + "task: {dataset: data.npz}\n")
    assert load_spec(spec).task.dataset == "data.npz"
    here = write(tmp_path, "data.npz", b"")
    assert load_spec(spec).task.dataset == str(here)
    beside = write(tmp_path / "specs", "data.npz", b"")
    assert load_spec(spec).task.dataset == str(beside)


def test_the_embedded_data_is_no_file_whatever_lies_around(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "diabetes"):
        (tmp_path / name).mkdir()
        assert load_spec(changed(MLP, "task.dataset", name) | {"objectives": {"params": "min"}}).task.dataset == name


def test_the_files_of_the_parts_and_of_a_teacher_are_looked_for_like_the_data(tmp_path):
    for name in ("dev.tsv", "late.tsv", "teacher.onnx"):
        write(tmp_path, name, b"")
    text = YAML + "task: {dataset: d.npz, validation: dev.tsv, test: late.tsv}\n"
    spec = load_spec(write(tmp_path, "a.yaml", text + "recipe: {distillation: {teacher: teacher.onnx}}\n"))
    assert (spec.task.validation, spec.task.test) == (str(tmp_path / "dev.tsv"), str(tmp_path / "late.tsv"))
    assert spec.recipe.to_recipe().teacher == str(tmp_path / "teacher.onnx")


def test_the_largest_network_as_teacher_is_no_file_whatever_lies_around(tmp_path):
    (tmp_path / "largest").mkdir()
    spec = load_spec(write(tmp_path, "a.yaml", YAML + "recipe: {distillation: {teacher: largest}}\n"))
    assert spec.recipe.to_recipe().teacher == "largest"
