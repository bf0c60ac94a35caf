"""The program of docs/deploy.md: on raw samples it gives the test score that an export's `model.json` reports."""

import ast
import csv
import json
import sys

import numpy as np
import pytest
from gasearch_workers.data import DataOptions, load_dataset
from gasearch_workers.evaluation import claims
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.evaluation.verify import LATENCY_TRIES
from gasearch_workers.messages import Blueprint, Layer, Recipe

from tests.doubles.requests import request_for
from tests.readme.commands import ROOT, blocks

COUNTS = {"train": 160, "dev": 40, "test": 40}
WORDS = ("Good", "bad", "it's", "3.5", "NASA", "#fun", "@you", "https://a.b/c", "iPhone", "B2B", "!", "A", "\u4f60")


@pytest.fixture(scope="module")
def program():
    names: dict = {}
    exec(compile("\n".join(blocks("python", "docs/deploy.md")), "deploy.md", "exec"), names)
    return names


def write_rows(folder, header, rows, suffix):
    """`rows` in the folder's three parts, under one header."""
    start = 0
    for part, count in COUNTS.items():
        with (folder / f"{part}.{suffix}").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="," if suffix == "csv" else "\t")
            writer.writerows([header, *rows[start : start + count]])
        start += count


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t"))


def write_export(source, folder, family, *layers, options=None, epochs=3):
    """Train a small network and export it; the test scores that it reports."""
    data = load_dataset(str(source), options or DataOptions())
    network = Blueprint(
        family=family,
        input_shape=data.input_shape,
        layers=(*layers, Layer(kind="linear", width=data.outputs, weight_bits=8)),
        categories=data.categories,
        is_regression=data.kind in ("regression", "rating"),
    )
    request = request_for(network, recipe=Recipe(epochs=epochs, batch_size=16, learning_rate=0.02))
    export(request, folder, evaluator=Evaluator(data), data=data, claimed={})
    return json.loads((folder / "model.json").read_text())["description"]["measured"]


def layer(kind, width, **changes):
    return Layer(**{"kind": kind, "width": width, "weight_bits": 8, "activation_bits": 8} | changes)


def rmse(predicted, rows, target):
    return float(
        np.sqrt(np.mean([(guess - float(row[target])) ** 2 for guess, row in zip(predicted, rows, strict=True)]))
    )


def sentences(rng, count):
    return [[WORDS[n] for n in rng.integers(len(WORDS), size=rng.integers(1, 14))] for _ in range(count)]


def test_the_program_needs_numpy_and_onnxruntime_alone():
    tree = ast.parse("\n".join(blocks("python", "docs/deploy.md")))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime"}


@pytest.mark.parametrize("is_lower", [True, False])
def test_sentences_are_classified_as_in_the_report(program, tmp_path, is_lower):
    rows = [
        [
            " ".join(tokens) + ("" if "Good" in tokens else " rare\u2019s word" * (number % 3)),
            "good" if "Good" in tokens else "poor",
        ]
        for number, tokens in enumerate(sentences(np.random.default_rng(0), 240))
    ]
    write_rows(tmp_path, ["sentence", "label"], rows, "tsv")
    options = DataOptions(is_lower=is_lower, length=10, vocabulary=9)
    measured = write_export(tmp_path, tmp_path / "model", "text", layer("embedding", 8), options=options)
    model = program["Model"](tmp_path / "model")
    right = [program["classify_sentence"](model, text) == label for text, label in rows[200:]]
    assert np.mean(right) == pytest.approx(measured["test_accuracy"])
    assert 0.5 < np.mean(right) < 1


@pytest.mark.parametrize("scheme", ["BIIB", "BMES"])
def test_words_are_tagged_as_in_the_report(program, tmp_path, scheme):
    """Runs of capitalized words are entities; the sentences are longer than what the network reads."""
    every = sentences(np.random.default_rng(1), 240)
    tagged = [list(zip(tokens, spell(tokens, scheme), strict=True)) for tokens in every]
    start = 0
    for part, count in COUNTS.items():
        lines = ["".join(f"{token} {tag}\n" for token, tag in one) for one in tagged[start : start + count]]
        (tmp_path / f"{part}.conll").write_text("\n".join(lines), encoding="utf-8")
        start += count
    options = DataOptions(length=10, vocabulary=6)
    layers = (layer("embedding", 4), layer("gru", 4))
    measured = write_export(tmp_path, tmp_path / "model", "tagger", *layers, options=options, epochs=15)
    model = program["Model"](tmp_path / "model")
    right, hits, total = [], 0, 0
    for one in tagged[200:]:
        tokens = [token for token, _ in one]
        found, true = set(program["entities"](model, tokens)), set(runs(tokens))
        right += [guess == tag for guess, (_, tag) in zip(program["tag"](model, tokens), one, strict=True)]
        hits, total = hits + len(found & true), total + len(found) + len(true)
    assert max(map(len, every[200:])) > 10
    assert np.mean(right) == pytest.approx(measured["test_accuracy"])
    assert 2 * hits / total == pytest.approx(measured["test_entity_f1"])
    assert np.mean(right) > 0.6
    assert hits > 20


def runs(tokens):
    """Each run of words that begin with a capital, as (first, last, type)."""
    found = []
    for place, token in enumerate(tokens):
        if token[0].isupper():
            first = found.pop()[0] if found and found[-1][1] == place - 1 else place
            found.append((first, place, "x"))
    return found


def spell(tokens, scheme):
    """The tags of these runs; a scheme is its letters for the first, inner, last and only token of an entity."""
    tags = ["O"] * len(tokens)
    for first, last, kind in runs(tokens):
        inner = scheme[1] * (last - first - 1)
        letters = scheme[3] if first == last else scheme[0] + inner + scheme[2]
        tags[first : last + 1] = [f"{letter}-{kind}" for letter in letters]
    return tags


def table(rng):
    """Rows with missing numbers and categories, and a category that only the test part has."""
    rows = []
    for number in range(240):
        size, town = rng.integers(1, 90) / 4, str(rng.choice(["Oslo", "New York", "Z\u00fcrich"]))
        town = "Rome" if number % 200 == 3 and number > 3 else town
        price = 3 * size + len(town) + rng.normal()
        cells = ["" if number % 7 == 1 else size, "?" if number % 11 == 1 else town, 7 + number % 3]
        rows.append([*cells, round(price, 2), "dear" if price > 40 else "cheap"])
    return rows


def test_numbers_are_predicted_from_rows_as_in_the_report(program, tmp_path):
    write_rows(tmp_path, ["size", "town", "zip", "price", "grade"], table(np.random.default_rng(2)), "csv")
    options = DataOptions(target="price", features=("size", "town", "zip"), categorical=("zip",))
    layers = (layer("embedding", 4), layer("linear", 8))
    measured = write_export(tmp_path, tmp_path / "model", "mlp", *layers, options=options)
    model = program["Model"](tmp_path / "model")
    rows = read_rows(tmp_path / "test.csv")
    predicted = [program["predict_row"](model, row) for row in rows]
    assert rmse(predicted, rows, "price") == pytest.approx(measured["test_rmse"], rel=1e-5)
    assert len(set(predicted)) > 10


def test_rows_are_classified_as_in_the_report(program, tmp_path):
    write_rows(tmp_path, ["size", "town", "zip", "price", "grade"], table(np.random.default_rng(3)), "csv")
    options = DataOptions(target="grade", features=("size", "town"))
    layers = (layer("embedding", 4), layer("linear", 8))
    measured = write_export(tmp_path, tmp_path / "model", "mlp", *layers, options=options)
    model = program["Model"](tmp_path / "model")
    right = [program["classify_row"](model, row) == row["grade"] for row in read_rows(tmp_path / "test.csv")]
    assert np.mean(right) == pytest.approx(measured["test_accuracy"])
    assert np.mean(right) > 0.6


@pytest.fixture(scope="module")
def odd_table(program, tmp_path_factory):
    """Rows as people write them, an export that was trained on them, and its program."""
    folder, rng = tmp_path_factory.mktemp("odd"), np.random.default_rng(5)
    rows = []
    for number in range(240):
        cents, second = int(rng.integers(100_000)), int(rng.integers(60))
        is_new, share = bool(rng.integers(2)), int(rng.integers(-20, 21))
        price = 1_700_000_000 + cents / 1_000 + second + 9 * is_new + share
        amount = "N/A" if number % 9 == 1 else f"${cents // 100:,}.{cents % 100:02}"
        percent = f"({-share} %)" if share < 0 else f"{share} %"
        known = str(is_new) if number % 2 else str(is_new).upper()
        rows.append([amount, 1_700_000_000 + second, percent, known, f"{price:.2f}"])
    write_rows(folder, ["amount", "at", "share", "is_new", "price"], rows, "csv")
    layers = (layer("embedding", 4), layer("linear", 8))
    measured = write_export(folder, folder / "model", "mlp", *layers, options=DataOptions(target="price"), epochs=20)
    return read_rows(folder / "test.csv"), program["Model"](folder / "model"), measured


def test_rows_as_people_write_them_are_predicted_as_in_the_report(program, odd_table):
    rows, model, measured = odd_table
    predicted = [program["predict_row"](model, row) for row in rows]
    assert rmse(predicted, rows, "price") == pytest.approx(measured["test_rmse"], rel=1e-4)
    assert measured["test_rmse"] < 0.6 * np.std([float(row["price"]) for row in rows])


def test_zero_and_false_are_not_missing(program, odd_table):
    _, model, _ = odd_table
    amount, at, share, known = model.input["columns"]
    row = {amount: "$0.00", at: "1700000000", share: "0 %", known: "FALSE"}
    encoded = program["encode_row"](model, row)
    for zero in (0, 0.0, np.float64(0), np.int64(0), False):
        assert program["encode_row"](model, row | {amount: zero, share: zero}) == encoded
    for false in (False, "False", "false"):
        assert program["encode_row"](model, row | {known: false}) == encoded
    means = model.input["missing_numbers"]
    for nothing in (None, "", "?", "NA", float("nan")):
        missing = program["encode_row"](model, row | {amount: nothing, share: nothing, known: nothing})
        assert missing == [means[0], encoded[1], means[2], 0]
    assert program["encode_row"](model, {}) == [*means, 0]


def test_a_category_a_user_and_an_item_may_be_the_number_zero(program, tmp_path):
    pairs = np.random.default_rng(6).integers((12, 9), size=(240, 2))
    write_rows(tmp_path, ["user", "item", "rating"], [[*pair, 1 + pair.sum() % 5] for pair in pairs], "csv")
    write_export(tmp_path, tmp_path / "model", "recommender", layer("embedding", 4))
    model = program["Model"](tmp_path / "model")
    assert program["rate"](model, 0, 0) == program["rate"](model, "0", "0") != model.mean
    (tmp_path / "rows").mkdir()
    rows = [[user, item / 2 if item else -999, "yes" if user % 2 else "no"] for user, item in pairs]
    write_rows(tmp_path / "rows", ["zip", "size", "label"], rows, "csv")
    options = DataOptions(categorical=("zip",), missing=("-999",))
    write_export(tmp_path / "rows", tmp_path / "rows" / "model", "mlp", layer("embedding", 4), options=options)
    model = program["Model"](tmp_path / "rows" / "model")
    assert program["encode_row"](model, {"zip": 0, "size": 0}) == [0.0, model.codes[0]["0"]]
    for nothing in (None, -999, "-999"):
        assert program["encode_row"](model, {"zip": nothing, "size": nothing}) == [*model.input["missing_numbers"], 0]


@pytest.mark.parametrize("is_far", [False, True])
def test_a_table_of_an_archive_is_predicted_as_in_the_report(program, tmp_path, is_far):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(240, 3)) + is_far * np.array([1.7e9, 0, -1e12])
    y = x @ [1.0, 2.0, 3.0] - is_far * (1.7e9 - 3e12) + is_far * 1e9
    np.savez(tmp_path / "set.npz", x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    measured = write_export(tmp_path / "set.npz", tmp_path / "model", "mlp", layer("linear", 8), epochs=20)
    model = program["Model"](tmp_path / "model")
    predicted = program["run_table"](model, x[200:])[:, 0]
    assert np.sqrt(np.mean((predicted - y[200:]) ** 2)) == pytest.approx(measured["test_rmse"], rel=1e-4)
    assert measured["test_rmse"] < 0.6 * y[200:].std()


def test_no_samples_give_no_outputs_and_samples_of_another_shape_are_refused(program, odd_table):
    _, model, _ = odd_table
    assert model.run([]).shape == (0, 1)
    with pytest.raises(ValueError, match=r"expected samples of the shape \[4\], \['columns'\]; got \(3,\)"):
        model.run([[1, 2, 3]])


def test_ratings_are_predicted_as_in_the_report(program, tmp_path):
    rng = np.random.default_rng(4)
    pairs = [(int(user), int(item)) for user, item in rng.integers((12, 9), size=(240, 2))]
    rows = [[f"user {user}", f"film, {item}", 1 + (user + item) % 5] for user, item in pairs]
    write_rows(tmp_path, ["user", "item", "rating"], rows, "csv")
    measured = write_export(tmp_path, tmp_path / "model", "recommender", layer("embedding", 4))
    model = program["Model"](tmp_path / "model")
    rows = read_rows(tmp_path / "test.csv")
    predicted = [program["rate"](model, row["user"], row["item"]) for row in rows]
    assert rmse(predicted, rows, "rating") == pytest.approx(measured["test_rmse"], rel=1e-5)
    assert program["rate"](model, "nobody", "film, 1") == pytest.approx(np.mean([row[2] for row in table_of(tmp_path)]))


def table_of(folder):
    """The training ratings of a folder, each as user, item and rating."""
    return [[row["user"], row["item"], float(row["rating"])] for row in read_rows(folder / "train.csv")]


def test_the_torch_module_answers_as_the_program_does(program, tmp_path, monkeypatch):
    write_export("digits", tmp_path / "digits-model", "mlp", layer("linear", 12))
    monkeypatch.chdir(tmp_path)
    images = load_dataset("digits").test.x
    names = {"images": images}
    exec(compile("\n".join(blocks("py", "docs/deploy.md")), "deploy.md", "exec"), names)
    found = names["logits"].detach().numpy().argmax(axis=1)
    assert (found == program["classify_images"](program["Model"]("digits-model"), images)).mean() >= 0.99


def test_the_tolerances_are_those_of_the_code():
    text = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    assert f"within {100 * claims.POINTS:g} points, or what two of the samples make" in text
    assert claims.FLIPS == 2
    assert f"within {100 * claims.RMSE_SHARE:g} %" in text
    assert f"at least {claims.LEAST_AGREEMENT}" in text
    assert (claims.STANDARD_ERRORS, claims.SPREADS, claims.NEAR, LATENCY_TRIES) == (3, 3, 0.01, 3)


def test_images_are_classified_as_in_the_report(program, tmp_path):
    measured = write_export("digits", tmp_path / "model", "mlp", layer("linear", 12))
    test = load_dataset("digits").test
    model = program["Model"](tmp_path / "model")
    found = program["classify_images"](model, test.x)
    assert np.mean(found == test.y) == pytest.approx(measured["test_accuracy"])
    pictures = test.x.transpose(0, 2, 3, 1)
    for given in (pictures, pictures[..., 0]):
        assert (program["classify_pictures"](model, given) == found).all()
    assert len(program["classify_images"](model, test.x[:0])) == 0
    assert program["probabilities"](model.run(test.x)).sum(axis=1) == pytest.approx(np.ones(len(test)), abs=1e-5)
