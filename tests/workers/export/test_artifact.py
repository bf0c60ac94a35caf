"""What an artifact holds, that it is replaced but nothing else is, and that no damage goes unseen."""

import dataclasses
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from gasearch_workers.export.artifact import (
    CARD_NAME,
    DESCRIPTION_NAME,
    MOST_DESCRIPTION_BYTES,
    ONNX_NAME,
    PACKED_NAME,
    VERIFICATION_NAME,
    ArtifactError,
    read_artifact,
    read_packed,
    write_artifact,
)
from gasearch_workers.export.description import VOCABULARY_NAME
from gasearch_workers.export.exporters import EXPORTERS, Exporter
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.packed import pack, unpack
from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer, network_from_json
from gasearch_workers.network.costs import costs
from gasearch_workers.network.packed_layout import frame_bytes

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import (
    FAMILIES,
    assert_equal_networks,
    present,
    random_blueprint,
    random_network,
    random_raw,
    random_samples,
)

BLUEPRINT = Blueprint(
    family="cnn",
    input_shape=(1, 8, 8),
    layers=(
        Layer(kind="conv", width=8, kernel=3, weight_bits=4, activation_bits=4),
        Layer(kind="conv", width=8, kernel=3, weight_bits=FULL_PRECISION, activation_bits=8),
        Layer(kind="linear", width=5, weight_bits=3),
    ),
)
NETWORK = random_network(BLUEPRINT, np.random.default_rng(0))
SAMPLES = np.zeros((1, 1, 8, 8), np.uint8)
NAMES = ["README.md", "model.gap", "model.json", "model.onnx", "model.safetensors", "predict.py"]


def write(directory, description=None):
    return write_artifact(
        directory, NETWORK, blueprint=BLUEPRINT, samples=SAMPLES, description=description or {"accuracy": 0.9}
    )


def test_the_folder_holds_the_graph_the_packed_file_and_their_description(tmp_path):
    artifact = write(tmp_path / "new" / "model")
    assert sorted(path.name for path in artifact.iterdir()) == NAMES
    onnx.checker.check_model(onnx.load(artifact / ONNX_NAME))
    assert_equal_networks(unpack((artifact / PACKED_NAME).read_bytes()), NETWORK)


def test_the_graph_and_the_packed_file_are_the_same_network(tmp_path):
    artifact = write(tmp_path)
    x = random_samples(np.random.default_rng(1), NETWORK.input, (1, 8, 8), 200)
    from_graph = run_onnx((artifact / ONNX_NAME).read_bytes(), x).argmax(axis=1)
    from_packed = run_reference(unpack((artifact / PACKED_NAME).read_bytes()), x).argmax(axis=1)
    assert (from_graph == from_packed).mean() >= 0.99


def test_the_description_says_what_goes_in_what_comes_out_and_how(tmp_path):
    artifact = write(tmp_path, {"key": "abc", "measured": {"test_accuracy": 0.93}})
    content = json.loads((artifact / DESCRIPTION_NAME).read_text())
    assert content["format_version"] == 3
    assert content["input"] == {
        "name": "input",
        "shape": ["batch", 1, 8, 8],
        "dtype": "uint8",
        "kind": "image",
        "columns": [],
        "categories": [],
        "vocabulary": None,
    }
    assert content["output"] == {"name": "logits", "shape": ["batch", 5], "dtype": "float32", "labels": []}
    assert content["description"] == {"key": "abc", "measured": {"test_accuracy": 0.93}}
    assert content["files"]["model.gap"]["bytes"] == costs(NETWORK.plan).model_bytes
    assert network_from_json(json.dumps(content["blueprint"])) == BLUEPRINT


def test_each_step_tells_its_precision_and_whether_it_computes_in_float(tmp_path):
    steps = read_artifact(write(tmp_path))["steps"]
    assert [(step["name"], step["weight_bits"], step["computes_in"]) for step in steps] == [
        ("layer0", 4, "integers"),
        ("layer1", 32, "float"),
        ("pool", None, "integers"),
        ("head", 3, "integers"),
    ]
    assert steps[0]["input_bits"] == 8
    assert steps[0]["output_bits"] == 4


def test_each_step_tells_its_size(tmp_path):
    steps = read_artifact(write(tmp_path))["steps"]
    assert [(step["weights"], step["kept_weights"]) for step in steps] == [
        (72, None),
        (576, None),
        (0, None),
        (40, None),
    ]
    assert [step["output_shape"] for step in steps] == [[8, 8, 8], [8, 8, 8], [8], [5]]
    assert sum(step["bytes"] for step in steps) + frame_bytes(NETWORK.plan) == len(pack(NETWORK))


def text_network():
    layers = (
        Layer(kind="embedding", width=8, weight_bits=4),
        Layer(kind="gru", width=6, weight_bits=4, activation_bits=8),
        Layer(kind="linear", width=2, weight_bits=8),
    )
    blueprint = Blueprint(family="text", input_shape=(7,), layers=layers, categories=(4,))
    return blueprint, random_network(blueprint, np.random.default_rng(0))


WORDS = ("<padding>", "<unknown>", "good", "bäd")


def write_text(directory, **names):
    blueprint, network = text_network()
    names = {"labels": ("negative", "positive"), "vocabularies": (WORDS,), **names}
    return write_artifact(directory, network, blueprint=blueprint, samples=SAMPLES, description={}, **names)


def test_a_vocabulary_holds_only_the_words_that_have_a_vector(tmp_path):
    layers = (Layer(kind="embedding", width=8, weight_bits=4, rows=3), Layer(kind="linear", width=2, weight_bits=8))
    blueprint = Blueprint(family="text", input_shape=(7,), layers=layers, categories=(4,))
    network = random_network(blueprint, np.random.default_rng(0))
    write_artifact(
        tmp_path, network, blueprint=blueprint, samples=SAMPLES, description={}, labels="ab", vocabularies=(WORDS,)
    )
    assert json.loads((tmp_path / VOCABULARY_NAME).read_text()) == [list(WORDS[:3])]
    graph = (tmp_path / ONNX_NAME).read_bytes()
    known, unknown = (run_onnx(graph, np.array([[2, code, 0, 0, 0, 0, 0]], np.int32)) for code in (3, 1))
    np.testing.assert_array_equal(known, unknown)


def test_a_text_network_comes_with_its_labels_and_vocabulary(tmp_path):
    artifact = write_text(tmp_path)
    content = read_artifact(tmp_path)
    assert (content["input"]["kind"], content["input"]["categories"]) == ("tokens", [4])
    assert content["output"]["labels"] == ["negative", "positive"]
    assert content["input"]["vocabulary"] == "vocabulary.json"
    assert json.loads((artifact / VOCABULARY_NAME).read_text()) == [list(WORDS)]
    assert [step["op"] for step in content["steps"] if step["computes_in"] == "float"] == ["gru", "mean_tokens"]


def test_a_table_comes_with_the_names_of_its_columns(tmp_path):
    layers = (Layer(kind="embedding", width=2, weight_bits=4), Layer(kind="linear", width=1, weight_bits=8))
    blueprint = Blueprint(family="mlp", input_shape=(2,), layers=layers, categories=(3,), is_regression=True)
    network = random_network(blueprint, np.random.default_rng(0))
    write_artifact(tmp_path, network, blueprint=blueprint, samples=SAMPLES, description={}, columns=("age", "town"))
    content = read_artifact(tmp_path)
    assert content["input"]["columns"] == ["age", "town"]
    assert content["output"] == {"name": "prediction", "shape": ["batch", 1], "dtype": "float32", "labels": []}


def test_a_changed_vocabulary_is_told_by_its_hash(tmp_path):
    artifact = write_text(tmp_path)
    (artifact / VOCABULARY_NAME).write_text((artifact / VOCABULARY_NAME).read_text().replace("good", "evil"))
    with pytest.raises(ArtifactError, match=r"vocabulary.json was changed: its SHA-256"):
        read_artifact(tmp_path)


def test_an_artifact_without_a_vocabulary_takes_away_the_one_that_it_replaces(tmp_path):
    write_text(tmp_path)
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    read_artifact(tmp_path)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({"labels": ("one",)}, r"a network with 2 outputs needs as many labels; got 1"),
        ({"vocabularies": (WORDS[:3],)}, r"must have \(4,\) entries, one per code; got \(3,\)"),
        ({"vocabularies": (WORDS, WORDS)}, r"must have \(4,\) entries, one per code; got \(4, 4\)"),
    ],
)
def test_names_that_do_not_fit_the_network_are_refused(tmp_path, names, text):
    with pytest.raises(ArtifactError, match=text):
        write_text(tmp_path / "model", **names)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("version", [1, 2])
def test_an_artifact_of_an_earlier_version_is_read(tmp_path, version):
    artifact = write(tmp_path)
    content = json.loads((artifact / DESCRIPTION_NAME).read_text())
    files = {name: content["files"][name] for name in (ONNX_NAME, PACKED_NAME)}
    (artifact / DESCRIPTION_NAME).write_text(json.dumps({**content, "format_version": version, "files": files}))
    assert read_artifact(tmp_path)["description"] == {"accuracy": 0.9}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_files_of_every_family_are_the_same_network(tmp_path, family):
    rng = np.random.default_rng(2)
    blueprint = random_blueprint(rng, family=family, bits=(4, 8), widths=(8, 16), layers=(1, 2), is_compressed=True)
    network = random_network(blueprint, rng)
    artifact = write_artifact(tmp_path, network, blueprint=blueprint, samples=SAMPLES, description={})
    read_artifact(tmp_path)
    unpacked = unpack((artifact / PACKED_NAME).read_bytes())
    assert_equal_networks(unpacked, network)
    x = random_raw(rng, network, 100)
    counts = present(network, x)
    found, expected = run_onnx((artifact / ONNX_NAME).read_bytes(), x)[counts], run_reference(unpacked, x)[counts]
    if network.plan.is_regression:
        np.testing.assert_allclose(found, expected, atol=0.05 * expected.std())
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.99


def test_reading_gives_the_description_of_an_intact_artifact(tmp_path):
    write(tmp_path, {"note": "as written"})
    assert read_artifact(tmp_path)["description"] == {"note": "as written"}


def test_an_artifact_is_replaced_and_files_beside_it_stay(tmp_path):
    write(tmp_path, {"number": 1})
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, {"number": 2})
    assert read_artifact(tmp_path)["description"] == {"number": 2}
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.tex", "model.onnx", "model.json"])
def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ArtifactError, match=r"is not empty and holds no artifact that could be replaced .*new folder"):
        write(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "{}")]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(ArtifactError, match=r"model is a file; an artifact needs a folder"):
        write(tmp_path / "model")


@pytest.mark.parametrize("survived", range(6))
def test_an_interrupted_writing_is_no_artifact_and_can_be_repeated(tmp_path, monkeypatch, survived):
    calls = iter(range(100))
    replace, fsync = Path.replace, "gasearch_workers.export.artifact.os.fsync"

    def fail_or(action):
        def step(*args):
            if next(calls) >= survived:
                raise OSError(28, "No space left on device")
            return action(*args)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_or(replace))
        patch.setattr(fsync, fail_or(lambda descriptor: None))
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path)
    with pytest.raises(ArtifactError, match=r"no exported folder: no model.json in"):
        read_artifact(tmp_path)
    write(tmp_path)
    assert read_artifact(tmp_path)["description"] == {"accuracy": 0.9}
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_a_full_disk_leaves_the_artifact_that_was_there_and_takes_no_room(tmp_path, monkeypatch):
    write(tmp_path, {"number": 1})
    calls = iter(range(100))

    def fail_late(descriptor):
        if next(calls) >= 3:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("gasearch_workers.export.artifact.os.fsync", fail_late)
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path, {"number": 2})
    assert read_artifact(tmp_path)["description"] == {"number": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_what_an_interrupted_writing_left_of_other_forms_is_gone_with_the_next_one(tmp_path, monkeypatch):
    def all_but_the_description(path, target):
        if target.name == DESCRIPTION_NAME:
            raise OSError(28, "No space left on device")
        return os.replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", all_but_the_description)
        with pytest.raises(OSError, match="No space left"):
            write_artifact(
                tmp_path, NETWORK, blueprint=BLUEPRINT, samples=SAMPLES, description={}, formats=["qdq", "tflite"]
            )
    (tmp_path / "model.c.writing").write_text("half")
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_of_writers_at_the_same_time_one_is_last_and_its_artifact_is_whole(tmp_path):
    folder = tmp_path / "model"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write_often, [folder] * 3, range(3), [[], ["qdq"], ["qdq"]]))
    last = read_artifact(folder)["description"]["number"]
    expected = [*NAMES, "model.qdq.onnx"] if last else NAMES
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)


def write_often(folder, number, formats):
    for _ in range(4):
        write_artifact(
            folder, NETWORK, blueprint=BLUEPRINT, samples=SAMPLES, description={"number": number}, formats=formats
        )


def test_a_changed_graph_is_known_by_its_hash(tmp_path):
    artifact = write(tmp_path)
    content = bytearray((artifact / ONNX_NAME).read_bytes())
    content[-1] ^= 1
    (artifact / ONNX_NAME).write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=r"model.onnx was changed: its SHA-256 is not the one in model.json"):
        read_artifact(tmp_path)


def test_a_shortened_packed_file_is_told_by_its_length(tmp_path):
    artifact = write(tmp_path)
    size = (artifact / PACKED_NAME).stat().st_size
    (artifact / PACKED_NAME).write_bytes((artifact / PACKED_NAME).read_bytes()[:-3])
    with pytest.raises(ArtifactError, match=rf"model.gap must have {size} bytes; it has {size - 3}"):
        read_artifact(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    (write(tmp_path) / PACKED_NAME).unlink()
    with pytest.raises(ArtifactError, match=r"model.gap can't be read: No such file"):
        read_artifact(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"model.json is no JSON"),
        ('"model"', r'lacks "format": "gasearch artifact"'),
        (
            '{"format": "gasearch artifact", "format_version": 7}',
            r"has format version 7; this program reads versions 1 to 3; a newer gasearch wrote it: pip",
        ),
        (
            '{"format": "gasearch artifact", "format_version": 1, "files": {"../../etc/passwd": {}}}',
            r"must list the files model.onnx and model.gap; got ../../etc/passwd",
        ),
        ('{"format": "gasearch artifact", "format_version": 1}', r"must list the files .*; got None"),
        (
            '{"format": "gasearch artifact", "format_version": 1, "files": {"model.onnx": 3, "model.gap": {}}}',
            r"must give bytes and sha256 of model.onnx; got 3",
        ),
    ],
)
def test_a_description_that_is_none_of_ours_is_refused(tmp_path, text, message):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ArtifactError, match=message):
        read_artifact(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_description_that_is_no_json_is_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(ArtifactError, match=r"the description can't be written as JSON"):
        write(tmp_path / "model", {"accuracy": value})
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("largest", [64, 127])
def test_the_description_names_the_options_that_the_graph_needs(tmp_path, largest):
    blueprint = Blueprint(family="mlp", input_shape=(1, 4, 4), layers=(Layer(kind="linear", width=2, weight_bits=8),))
    network = random_network(blueprint, np.random.default_rng(0))
    (flat, head) = network.steps
    head = dataclasses.replace(head, weight=np.full_like(head.weight, largest))
    network = dataclasses.replace(network, steps=(flat, head))
    write_artifact(tmp_path, network, blueprint=blueprint, samples=SAMPLES, description={})
    options = read_artifact(tmp_path)["session_options"]
    assert options == ({} if largest == 64 else {"session.x64quantprecision": "1"})


@pytest.fixture
def picky(monkeypatch):
    """Registers a form of two files that holds no network with a convolution."""
    form = Exporter(
        name="picky",
        files=("a.txt", "b.txt"),
        write=lambda network, samples: {"a.txt": b"a", "b.txt": bytes([len(samples)])},
        refusal=lambda plan: "convolutions" if any(step.op == "conv" for step in plan.steps) else "",
    )
    monkeypatch.setitem(EXPORTERS.own, "picky", form)


def test_a_form_may_write_several_files_and_gets_the_samples(tmp_path, picky):
    write_artifact(tmp_path, NETWORK, blueprint=BLUEPRINT, samples=SAMPLES, description={}, formats=["picky"])
    assert ((tmp_path / "a.txt").read_bytes(), (tmp_path / "b.txt").read_bytes()) == (b"a", b"\x01")
    write(tmp_path)
    assert not (tmp_path / "a.txt").exists()
    assert not (tmp_path / "b.txt").exists()


def test_a_verification_goes_with_the_artifact_that_it_is_of(tmp_path):
    write(tmp_path)
    (tmp_path / VERIFICATION_NAME).write_text("{}")
    read_artifact(tmp_path)
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_the_packed_network_is_read_and_what_is_none_is_named(tmp_path):
    write(tmp_path)
    assert_equal_networks(read_packed(tmp_path), NETWORK)
    content = bytearray((tmp_path / PACKED_NAME).read_bytes())
    content[4] = 9
    (tmp_path / PACKED_NAME).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model.gap: this program reads versions 1 and 2 .*; got 9"):
        read_packed(tmp_path)
    (tmp_path / PACKED_NAME).unlink()
    with pytest.raises(ArtifactError, match=r"model.gap can't be read: No such file"):
        read_packed(tmp_path)


def test_the_card_and_the_program_are_told_by_their_hashes_too(tmp_path):
    write(tmp_path)
    (tmp_path / CARD_NAME).write_text("# Better\n")
    with pytest.raises(ArtifactError, match=r"README.md must have \d+ bytes; it has 9"):
        read_artifact(tmp_path)


@pytest.mark.parametrize("name", ["model.json", "model.gap", "README.md"])
@pytest.mark.parametrize("kind", ["link", "device", "pipe", "folder"])
def test_what_is_no_file_of_the_folder_itself_is_not_read(tmp_path, name, kind):
    write(tmp_path / "model")
    path = tmp_path / "model" / name
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    match kind:
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case "device":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    with pytest.raises(ArtifactError, match=f"{name} must be a file of the folder itself"):
        read_artifact(tmp_path / "model")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"format": ' + "9" * 5000 + "}"])
def test_a_description_made_to_trip_its_reader_is_refused(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ArtifactError, match="is no JSON"):
        read_artifact(tmp_path)


def test_a_description_larger_than_any_of_ours_is_not_read(tmp_path):
    with (tmp_path / "model.json").open("wb") as file:
        file.truncate(MOST_DESCRIPTION_BYTES + 1)
    with pytest.raises(ArtifactError, match="one of ours has at most"):
        read_artifact(tmp_path)


def test_a_folder_without_a_description_is_told_so(tmp_path):
    with pytest.raises(
        ArtifactError,
        match=r"^no exported folder: no model.json in .*; export makes one: gasearch export NAME KEY -o DIR$",
    ):
        read_artifact(tmp_path)
