"""A file of test samples, read by itself, gives what the data set's own test part gives."""

import csv

import numpy as np
import pytest
from gasearch_workers.data import DataOptions, load_dataset
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.encoded import Encoding, read_split

TEST = 40


def encoding_of(data, **changes):
    return Encoding(
        **{
            "kind": data.kind,
            "input_kind": data.input_kind,
            "shape": data.input_shape,
            "outputs": data.outputs,
            "labels": data.labels,
            "tags": data.tags,
            "columns": data.columns,
            "vocabularies": data.vocabularies,
            "missing_numbers": data.missing_numbers,
            "offsets": data.offsets,
            "is_boolean": data.is_boolean,
            "target_offset": data.target_offset,
        }
        | changes
    )


def write_rows(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([header, *rows])


def parted(folder, header, rows, suffix="csv"):
    """Rows in three parts; returns the file of the test part."""
    parts = {"train": rows[: -2 * TEST], "dev": rows[-2 * TEST : -TEST], "test": rows[-TEST:]}
    for part, some in parts.items():
        write_rows(folder / f"{part}.{suffix}", header, some)
    return folder / f"test.{suffix}"


def assert_same(split, expected, atol=0.0):
    np.testing.assert_allclose(split.x, expected.x, atol=atol)
    np.testing.assert_allclose(split.truth, expected.truth, atol=atol)
    assert split.x.dtype == expected.x.dtype
    assert split.y.dtype == expected.y.dtype


def test_rows_of_a_table(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(300):
        price = "" if number % 9 == 1 else f"${rng.integers(1000, 9000):,}.50"
        town = "Rome" if number == 299 else str(rng.choice(["Oslo", "New York"]))
        known = str(bool(rng.integers(2))).upper() if number % 2 else str(bool(rng.integers(2)))
        rows.append([price, 1_700_000_000 + int(rng.integers(60)), int(7 + number % 3), town, known, number % 2])
    file = parted(tmp_path, ["price", "at", "zip", "town", "is_new", "label"], rows)
    options = DataOptions(categorical=("zip",))
    data = load_dataset(str(tmp_path), options)
    found = read_split(str(file), encoding_of(data), options)
    assert data.offsets
    assert_same(found, data.test, atol=1e-3)
    assert found.x[-1, -2] == 0  # a town that training never saw


def test_a_number_as_target(tmp_path):
    rng = np.random.default_rng(1)
    rows = [[round(x, 3), round(1e9 + 3 * x, 3)] for x in rng.normal(size=300)]
    file = parted(tmp_path, ["x", "y"], rows)
    data = load_dataset(str(tmp_path), DataOptions(target="y"))
    found = read_split(str(file), encoding_of(data), DataOptions(target="y"))
    assert data.target_offset
    assert_same(found, data.test, atol=1e-3)


@pytest.mark.parametrize("vocabulary", [4, 20_000])
def test_sentences_with_words_that_training_never_saw(tmp_path, vocabulary):
    rng = np.random.default_rng(2)
    words = ("Good", "bad", "it's", "3.5", "@you", "rare!", "new")
    rows = [
        [" ".join(rng.choice(words[: 6 + (number >= 260)], rng.integers(1, 14))), str(rng.choice(["yes", "no"]))]
        for number in range(300)
    ]
    file = parted(tmp_path, ["text", "label"], rows, "tsv")
    options = DataOptions(length=8, vocabulary=vocabulary)
    data = load_dataset(str(tmp_path), options)
    assert_same(read_split(str(file), encoding_of(data), options), data.test)


def test_sentences_in_the_words_that_a_network_knows(tmp_path):
    file = parted(tmp_path, ["text", "label"], [["a b c", "yes"], ["a b", "no"], ["a", "yes"]] * 100, "tsv")
    data = load_dataset(str(tmp_path))
    known = data.vocabularies[0][:3]
    found = read_split(str(file), encoding_of(data, vocabularies=(known,)))
    np.testing.assert_array_equal(found.x, np.where(data.test.x < 3, data.test.x, 1))


@pytest.mark.parametrize("longest", [5, 14])
def test_tagged_words(tmp_path, longest):
    rng = np.random.default_rng(3)
    for part, count in (("train", 200), ("dev", TEST), ("test", TEST)):
        most = longest if part == "test" else 9
        sentences = [rng.choice(["Oslo", "NASA", "runs", "3.5"], rng.integers(1, most)) for _ in range(count)]
        lines = ["".join(f"{word} {'B-x' if word[0].isupper() else 'O'}\n" for word in one) for one in sentences]
        (tmp_path / f"{part}.conll").write_text("\n".join(lines))
    options = DataOptions(length=6)
    data = load_dataset(str(tmp_path), options)
    found = read_split(str(tmp_path / "test.conll"), encoding_of(data), options)
    np.testing.assert_array_equal(found.x, data.test.x)
    np.testing.assert_array_equal(found.y, data.test.y)
    longest_found = found.truth.shape[1]
    np.testing.assert_array_equal(found.truth, data.test.truth[:, :longest_found])
    assert (data.test.truth[:, longest_found:] == -1).all()


def test_ratings_and_an_unknown_user(tmp_path):
    rng = np.random.default_rng(4)
    rows = [[f"u{user}", f"i{item}", 1 + (user + item) % 5] for user, item in rng.integers((9, 7), size=(300, 2))]
    file = parted(tmp_path, ["user", "item", "rating"], rows)
    data = load_dataset(str(tmp_path))
    assert_same(read_split(str(file), encoding_of(data)), data.test)
    write_rows(tmp_path / "more.csv", ["user", "item", "rating"], [["u1", "i1", 3], ["nobody", "i1", 4]])
    with pytest.raises(
        DataError, match=r"more.csv: expected ids in the column 'user' that the network knows; got 'nob"
    ):
        read_split(str(tmp_path / "more.csv"), encoding_of(data))


@pytest.mark.parametrize("has_test", [False, True])
def test_arrays_with_and_without_a_test_part(tmp_path, has_test):
    data = load_dataset("digits")
    named = {"x_test": data.test.x, "y_test": data.test.y} if has_test else {}
    train = data.train if has_test else data.test
    np.savez(tmp_path / "set.npz", x_train=train.x, y_train=train.y, **named)
    assert_same(read_split(str(tmp_path / "set.npz"), encoding_of(data)), data.test)


def refused(path, data, text, options=None, **changes):
    with pytest.raises(DataError, match=text):
        read_split(str(path), encoding_of(data, **changes), options or DataOptions())


def test_samples_of_another_kind_or_shape_are_refused(tmp_path):
    data = load_dataset("digits")
    np.savez(tmp_path / "table.npz", x_train=np.zeros((9, 3)), y_train=np.arange(9) % 3)
    refused(tmp_path / "table.npz", data, r"expected image samples for classification; got table samples for classif")
    np.savez(tmp_path / "wide.npz", x_train=np.zeros((9, 5, 9), np.uint8), y_train=np.arange(9) % 3)
    refused(tmp_path / "wide.npz", data, r"expected samples of the shape \(1, 8, 8\); got \(1, 5, 9\)")
    np.savez(tmp_path / "more.npz", x_train=np.zeros((24, 8, 8), np.uint8), y_train=np.arange(24) % 12)
    refused(tmp_path / "more.npz", data, r"expected a label that the network knows, 0, 1, .*, 9; got 10")
    refused(tmp_path / "none.npz", data, r"none.npz")
    np.savez(tmp_path / "test.npz", x_test=np.zeros((24, 8, 8), np.uint8), y_test=np.arange(24) % 9)
    refused(
        tmp_path / "test.npz", data, r"found x_test, y_test; samples to verify a network by are x_train, y_train in"
    )


def test_labels_and_columns_that_the_network_does_not_know_are_refused(tmp_path):
    rows = [[number / 4, "dear" if number % 2 else "cheap"] for number in range(300)]
    parted(tmp_path, ["size", "label"], rows)
    data = load_dataset(str(tmp_path))
    write_rows(tmp_path / "odd.csv", ["size", "label"], [[1.5, "dear"], [2.5, "free"]])
    refused(tmp_path / "odd.csv", data, r"expected a label that the network knows, cheap, dear; got 'free'")
    write_rows(tmp_path / "less.csv", ["weight", "label"], [[1.5, "dear"], [2.5, "cheap"]])
    refused(tmp_path / "less.csv", data, r"size")
    write_rows(tmp_path / "words.csv", ["size", "label"], [["big", "dear"], ["small", "cheap"]])
    refused(tmp_path / "words.csv", data, r"words.csv: expected 0 columns of codes, .*; got 1")
    np.savez(tmp_path / "bare.npz", x_train=np.ones((4, 1)), y_train=[0, 1, 0, 1])
    refused(tmp_path / "bare.npz", data, r"expected the columns size; got ")
