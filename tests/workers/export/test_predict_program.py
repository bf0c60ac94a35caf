"""Each kind of program, run in a process that can import neither gasearch nor torch, on the raw test samples."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
from gasearch_workers.data import DataOptions, load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.predict_program import predict_program
from gasearch_workers.messages import Blueprint, Layer, Recipe

from tests.doubles.requests import request_for

#: Runs a program as `python FILE` does, where importing what an artifact must not need fails.
ALONE = """
import runpy, sys
for name in ("gasearch", "gasearch_workers", "torch", "onnx", "safetensors"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TEST = 24  #: Samples of the test part.


def layer(kind, width, **changes):
    return Layer(**{"kind": kind, "width": width, "weight_bits": 8, "activation_bits": 8} | changes)


@pytest.fixture
def made(tmp_path):
    """Exports a small network for a data set; the folder, the data, and what the graph gives on the test part."""

    def make(source, family, *layers, options=None):
        data = load_dataset(str(source), options or DataOptions())
        head = Layer(kind="linear", width=data.outputs, weight_bits=8)
        network = Blueprint(
            family=family,
            input_shape=data.input_shape,
            layers=(*layers, head),
            categories=data.categories,
            is_regression=data.kind in ("regression", "rating"),
        )
        request = request_for(network, recipe=Recipe(epochs=1, batch_size=16, learning_rate=0.02))
        folder = export(request, tmp_path / "model", evaluator=Evaluator(data), data=data, claimed={})
        return folder, data, run_onnx((folder / "model.onnx").read_bytes(), data.test.x)

    return make


def run_program(folder, *files):
    """The folder's program, ended, in a process where what it must not need fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ALONE, folder / "predict.py", *files]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder.parent)


def predict(folder, file):
    """What the folder's program prints, a list of lines."""
    done = run_program(folder, file)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def write_rows(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([header, *rows])


def parted(folder, header, rows, suffix="csv"):
    """A folder of data with the last rows as the test part; returns that file."""
    for part, some in (("train", rows[: -2 * TEST]), ("dev", rows[-2 * TEST : -TEST]), ("test", rows[-TEST:])):
        write_rows(folder / f"{part}.{suffix}", header, some)
    return folder / f"test.{suffix}"


def labels_of(data, outputs):
    names = data.labels or tuple(map(str, range(data.outputs)))
    return [names[number] for number in outputs.argmax(axis=-1)]


@pytest.mark.parametrize("form", ["first", "last", "none"])
def test_images(made, tmp_path, form):
    folder, data, outputs = made("digits", "mlp")
    images = {"first": data.test.x, "last": data.test.x.transpose(0, 2, 3, 1), "none": data.test.x[:, 0]}[form]
    np.save(tmp_path / "images.npy", images)
    lines = [line.split("\t") for line in predict(folder, tmp_path / "images.npy")]
    assert [label for label, _ in lines] == labels_of(data, outputs)
    assert all(0.1 <= float(probability) <= 1 for _, probability in lines)


def test_sentences(made, tmp_path):
    rng = np.random.default_rng(0)
    words = ("Good", "bad", "it's", "3.5", "@you", "rare!")
    rows = [[" ".join(rng.choice(words, rng.integers(1, 9))), str(rng.choice(["yes", "no"]))] for _ in range(120)]
    parted(tmp_path, ["text", "label"], rows, "tsv")
    options = DataOptions(length=6, vocabulary=5)
    folder, data, outputs = made(tmp_path, "text", layer("embedding", 4, rows=4), options=options)
    marked = [f"\u2028{text}\x85\x0b" for text, _ in rows[-TEST:]]  # what else ends lines, but not those of a file
    (tmp_path / "raw.txt").write_text("\n".join(marked), encoding="utf-8")
    assert [line.split("\t")[0] for line in predict(folder, tmp_path / "raw.txt")] == labels_of(data, outputs)


def test_words_that_are_tagged(made, tmp_path):
    rng = np.random.default_rng(1)
    words = ("Oslo", "NASA", "runs", "3.5", "iPhone", "!")
    sentences = [[str(word) for word in rng.choice(words, rng.integers(1, 9))] for _ in range(120)]
    for part, some in (("train", sentences[:-TEST]), ("test", sentences[-TEST:])):
        lines = ["".join(f"{word} {'B-x' if word[0].isupper() else 'O'}\n" for word in one) for one in some]
        (tmp_path / f"{part}.conll").write_text("\n".join(lines))
    options = DataOptions(length=6)
    folder, data, outputs = made(tmp_path, "tagger", layer("embedding", 4), options=options)
    (tmp_path / "raw.txt").write_text("\n".join(map(" ".join, sentences[-TEST:])))
    for line, one, tags in zip(predict(folder, tmp_path / "raw.txt"), sentences[-TEST:], outputs, strict=True):
        expected = [data.labels[number] for number in tags.argmax(axis=-1)][: len(one)] + ["O"] * (len(one) - 6)
        assert line == " ".join(f"{word}/{tag}" for word, tag in zip(one, expected, strict=True))


def test_rows_with_numbers_categories_and_what_is_missing(made, tmp_path):
    rng = np.random.default_rng(2)
    rows = []
    for number in range(160):
        price = "NA" if number % 9 == 1 else f"${rng.integers(1000, 9000):,}.50"
        known = str(bool(rng.integers(2))).upper() if number % 2 else str(bool(rng.integers(2)))
        rows.append([price, 1_700_000_000 + int(rng.integers(60)), known, round(rng.normal() + 5e9, 1)])
    test = parted(tmp_path, ["price", "at", "is_new", "y"], rows)
    layers = (layer("embedding", 4), layer("linear", 8))
    folder, data, outputs = made(tmp_path, "mlp", *layers, options=DataOptions(target="y"))
    assert data.offsets
    assert data.target_offset
    expected = outputs[:, 0].astype(np.float64) + data.target_offset
    np.testing.assert_array_equal([float(line) for line in predict(folder, test)], expected)


def test_a_table_without_names(made, tmp_path):
    rng = np.random.default_rng(3)
    x, y = rng.normal((1.7e9, 0, 0), size=(200, 3)), rng.integers(0, 2, 200)
    np.savez(tmp_path / "set.npz", x_train=x[:-TEST], y_train=y[:-TEST], x_test=x[-TEST:], y_test=y[-TEST:])
    folder, data, outputs = made(tmp_path / "set.npz", "mlp", layer("linear", 8))
    np.save(tmp_path / "table.npy", x[-TEST:])
    found = [line.split("\t")[0] for line in predict(folder, tmp_path / "table.npy")]
    assert found == labels_of(data, outputs)


def test_users_and_items(made, tmp_path):
    rng = np.random.default_rng(4)
    pairs = rng.integers((9, 7), size=(200, 2))
    rows = [[f"user {user}", f"film, {item}", 1 + (user + item) % 5] for user, item in pairs]
    test = parted(tmp_path, ["user", "item", "rating"], rows)
    folder, _, outputs = made(tmp_path, "recommender", layer("embedding", 4))
    found = [float(line) for line in predict(folder, test)]
    np.testing.assert_allclose(found, outputs[:, 0], rtol=1e-6)


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_rows_are_parted_and_quoted_as_in_training(made, tmp_path, mark):
    rng = np.random.default_rng(5)
    suffix = "tsv" if mark == "\t" else "csv"
    cities = ('"inch', "b,c")  # quotes mean nothing in TSV
    lines = [f" {rng.normal():.3f}{mark} {rng.choice(cities)} {mark}{rng.choice(['u', 'v'])}" for _ in range(160)]
    quoted = [line if mark == "\t" else line.replace('"', "") for line in lines]
    for part, some in (("train", quoted[: -2 * TEST]), ("dev", quoted[-2 * TEST : -TEST]), ("test", quoted[-TEST:])):
        (tmp_path / f"{part}.{suffix}").write_text("\n".join([f"size{mark} city{mark}y", *some]))
    layers = (layer("embedding", 4), layer("linear", 8))
    folder, data, outputs = made(tmp_path, "mlp", *layers)
    found = [line.split("\t")[0] for line in predict(folder, tmp_path / f"test.{suffix}")]
    assert found == labels_of(data, outputs)


def test_columns_of_a_file_without_a_header_are_counted(made, tmp_path):
    rng = np.random.default_rng(6)
    pairs = rng.integers((9, 7), size=(200, 2))
    rows = [[f"user {user}", 1 + (user + item) % 5, f"film {item}"] for user, item in pairs]
    (tmp_path / "train.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows[:-TEST]))
    (tmp_path / "test.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows[-TEST:]))
    options = DataOptions(kind="rating", header=False, user="1", item="3", target="2")
    folder, data, outputs = made(tmp_path, "recommender", layer("embedding", 4), options=options)
    assert data.columns == ("1", "3")
    found = [float(line) for line in predict(folder, tmp_path / "test.tsv")]
    np.testing.assert_allclose(found, outputs[:, 0], rtol=1e-6)


def test_a_table_that_has_not_the_columns_or_ragged_rows_is_refused(made, tmp_path):
    rng = np.random.default_rng(7)
    rows = [[round(rng.normal(), 3), rng.choice(["red", "blue"]), rng.choice(["u", "v"])] for _ in range(160)]
    parted(tmp_path, ["size", "color", "y"], rows)
    folder, *_ = made(tmp_path, "mlp", layer("embedding", 4))
    for text, said in (
        ("size,colour\n1,red\n", "its first line must name the columns size, color; got 'size,colour'"),
        ("", "its first line must name the columns size, color; got ''"),
        ("size,color\n1,red\n1,234,red\n", "line 3 has 3 cells, the first one 2"),
        ("size,color\n1,red\nlarge,red\n", "line 3: 'large' is no number of this column"),
    ):
        (tmp_path / "raw.csv").write_text(text)
        done = run_program(folder, tmp_path / "raw.csv")
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


def test_a_label_that_the_output_s_encoding_lacks_is_escaped(made, tmp_path, monkeypatch):
    rng = np.random.default_rng(8)
    rows = [[round(rng.normal(), 3), rng.choice(["ö", "ü"])] for _ in range(160)]
    test = parted(tmp_path, ["size", "y"], rows)
    folder, *_ = made(tmp_path, "mlp")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert {line.split("\t")[0] for line in predict(folder, test)} <= {"\\xf6", "\\xfc"}


def test_no_sample_gives_no_line(made, tmp_path):
    folder, data, _ = made("digits", "mlp")
    np.save(tmp_path / "images.npy", data.test.x[:0])
    assert predict(folder, tmp_path / "images.npy") == []


def test_what_it_cannot_read_is_a_sentence_and_status_2(made, tmp_path):
    folder, data, _ = made("digits", "mlp")
    np.save(tmp_path / "halves.npy", data.test.x[:4, 0].reshape(8, 4, 8))
    (tmp_path / "text.npy").write_text("no images")
    np.savez(tmp_path / "set.npz", x_test=data.test.x, y_test=data.test.y)
    np.save(tmp_path / "floats.npy", data.test.x / 255)
    for files, said in (
        ((), "python predict.py FILE"),
        (("none.npy",), "none.npy can't be read as an .npy file of images, uint8"),
        (("text.npy",), "text.npy can't be read as an .npy file of images"),
        (("set.npz",), "it holds several arrays: x_test, y_test; save one of them by numpy.save"),
        (("floats.npy",), "images are uint8, from 0 to 255; got float64"),
        (("halves.npy",), "images are (1, 8, 8) (channels, height, width); got (8, 4, 8)"),
    ):
        done = run_program(folder, *files)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_no_name_of_the_data_becomes_part_of_the_program():
    name = 'a"""\nimport os\nos.remove("x")\n"""'
    given = {"kind": "table", "columns": [name], "vocabulary": "vocabulary.json"}
    output = {"name": "logits", "shape": ["batch", 2], "labels": [name, "b"]}
    assert "os.remove" not in predict_program({"input": given, "output": output})
