import math

import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

COLOURS = ("red", "blue", "?", "green", "")


def columns(count: int = 60, **changes: list) -> dict[str, list]:
    """A numeric column, one of words, one of numbers that name something, and a target of two words."""
    return {
        "size": [n / 4 for n in range(count)],
        "colour": [COLOURS[n % 5] for n in range(count)],
        "zip": [(n * 7) % 3 for n in range(count)],
        "label": ["yes" if n % 2 else "no" for n in range(count)],
    } | changes


def with_cell(column: str, row: int, cell: object) -> dict[str, list]:
    found = columns()
    found[column][row] = cell
    return found


def test_numbers_come_first_and_words_become_codes(save_columns):
    data = load_dataset(save_columns(columns()))
    assert (data.kind, data.input_kind, data.input_shape) == ("classification", "table", (3,))
    assert data.columns == ("size", "zip", "colour")
    assert data.categories == (4,)
    assert data.vocabularies == (("<missing>", "blue", "green", "red"),)
    assert (data.labels, data.outputs, data.classes) == (("no", "yes"), 2, 2)
    assert data.train.x.dtype == np.float32
    assert set(np.unique(data.train.x[:, 2])) == {0, 1, 2, 3}


def test_every_row_keeps_its_cells_and_label(save_columns):
    given = columns()
    data = load_dataset(save_columns(given))
    for split in (data.train, data.validation, data.test):
        for (size, place, colour), label in zip(split.x, split.y, strict=True):
            row = round(float(size) * 4)
            word = data.vocabularies[0][int(colour)]
            assert word == given["colour"][row] or (word == "<missing>" and given["colour"][row] in ("?", ""))
            assert place == given["zip"][row]
            assert data.labels[label] == given["label"][row]


def test_numbers_that_are_names_become_codes_where_the_options_say_so(save_columns):
    data = load_dataset(save_columns(columns()), DataOptions(categorical=("zip",)))
    assert data.columns == ("size", "colour", "zip")
    assert data.categories == (4, 4)
    assert data.vocabularies[1] == ("<missing>", "0", "1", "2")


def test_only_the_named_features_are_used(save_columns):
    data = load_dataset(save_columns(columns()), DataOptions(features=("zip", "size")))
    assert data.columns == ("zip", "size")
    assert data.categories == ()


def test_a_missing_number_becomes_the_mean_of_the_training_split(save_columns):
    given = columns()
    given["size"] = ["" if n % 6 == 0 else n for n in range(60)]
    data = load_dataset(save_columns(given))
    size = data.train.x[:, 0]
    given_sizes = {float(n) for n in range(60) if n % 6}
    (filler,) = {
        float(value) for split in (data.train, data.test, data.validation) for value in split.x[:, 0]
    } - given_sizes
    assert filler == pytest.approx(float(np.mean([value for value in size if value != filler], dtype=np.float64)))


def test_a_category_that_training_never_saw_counts_as_missing(save_columns):
    test = columns(colour=["violet"] * 60)
    data = load_dataset(save_columns(columns()), DataOptions(test=save_columns(test, "test.csv")))
    assert "violet" not in data.vocabularies[0]
    assert set(data.test.x[:, 2]) == {0}


@pytest.mark.parametrize(
    ("target", "kind", "labels"),
    [
        ([n % 3 for n in range(60)], "classification", ("0", "1", "2")),
        ([n % 12 for n in range(60)], "classification", tuple(map(str, range(12)))),
        ([n % 2 - 1 for n in range(60)], "classification", ("-1", "0")),
        ([n / 2 for n in range(60)], "regression", ()),
        (list(range(60)), "regression", ()),
        (["a", "1"] * 30, "classification", ("1", "a")),
    ],
)
def test_the_kind_of_task_is_told_from_the_target(save_columns, target, kind, labels):
    data = load_dataset(save_columns(columns(4 * 60, label=4 * target)))
    assert (data.kind, data.labels, data.outputs) == (kind, labels, len(labels) or 1)


def test_the_options_may_say_another_kind_than_the_target_looks_like(save_columns):
    whole = save_columns(columns(label=[n % 3 for n in range(60)]))
    assert load_dataset(whole, DataOptions(kind="regression")).train.y.dtype == np.float32
    halves = save_columns(columns(label=[n % 3 / 2 for n in range(60)]), "halves.csv")
    assert load_dataset(halves, DataOptions(kind="classification")).labels == ("0.0", "0.5", "1.0")


def test_the_moments_of_a_continuous_target_are_those_of_the_training_split(save_columns):
    data = load_dataset(save_columns(columns(label=[n**1.5 for n in range(60)])))
    assert data.target_mean == pytest.approx(float(data.train.y.mean()))
    assert data.target_deviation == pytest.approx(float(data.train.y.std()))
    assert load_dataset(save_columns(columns())).target_deviation == 1.0


def test_the_target_needs_no_option_under_a_usual_name_alone(save_columns):
    renamed = columns()
    renamed["outcome"] = renamed.pop("label")
    with pytest.raises(
        DataError, match=r"set\.csv: expected the column to predict in task\.target; the columns are size"
    ):
        load_dataset(save_columns(renamed))
    assert load_dataset(save_columns(renamed), DataOptions(target="outcome")).labels == ("no", "yes")


def test_given_parts_are_used_as_they_are(save_columns):
    paths = {name: save_columns(columns(count), f"{name}.csv") for name, count in (("validation", 8), ("test", 6))}
    data = load_dataset(save_columns(columns()), DataOptions(**paths))
    assert (len(data.train), len(data.validation), len(data.test)) == (60, 8, 6)


def test_the_fingerprint_follows_content_and_options_and_not_the_seed(save_columns):
    path = save_columns(columns())
    base = load_dataset(path).fingerprint
    assert load_dataset(path, seed=3).fingerprint == base
    assert load_dataset(save_columns(with_cell("size", 5, 99), "other.csv")).fingerprint != base
    assert load_dataset(save_columns(with_cell("colour", 5, "grey"), "third.csv")).fingerprint != base
    assert load_dataset(path, DataOptions(categorical=("zip",))).fingerprint != base
    assert load_dataset(path, DataOptions(features=("size", "zip"))).fingerprint != base
    assert load_dataset(path, DataOptions(test=path)).fingerprint != base
    assert (
        load_dataset(path, DataOptions(test=path)).fingerprint
        != load_dataset(path, DataOptions(validation=path)).fingerprint
    )


BAD_TABLES = [
    (
        with_cell("size", 7, "big"),
        {},
        r"set\.csv:9: expected a number in the column 'size', as in most rows; got 'big'",
    ),
    (with_cell("size", 7, "-inf"), {}, r"set\.csv:9: expected a finite number in the column 'size'; got '-inf'"),
    (with_cell("size", 7, "1e39"), {}, r"set\.csv:9: expected a finite number in the column 'size'; got '1e39'"),
    (
        with_cell("size", 7, "1_0"),
        {},
        r"set\.csv:9: expected a number with the decimal mark '\.' in the column 'size'; got '1_0'",
    ),
    (columns(size=[""] * 60), {}, r"expected values in the column 'size'; every cell is empty or marked as missing"),
    (
        columns(label=["high" if n == 7 else n * 1.5 for n in range(60)]),
        {},
        r"set\.csv:9: expected a number in the column 'label', as in most rows; got 'high'",
    ),
    (
        columns(1_100, label=[f"name {n}" for n in range(1_100)]),
        {},
        r"set\.csv:2: expected at most 1000 classes; got 1100, name 0, name 1, name 10, ",
    ),
    (with_cell("label", 7, ""), {}, r"set\.csv:9: expected a label; got none"),
    (with_cell("label", 7, "?"), {}, r"set\.csv:9: expected a label; got '\?'"),
    (columns(label=["yes"] * 60), {}, r"set\.csv:2: expected at least 2 classes; got the label 'yes' in every row"),
    (columns(label=[math.pi] * 60), {}, r"set: expected a target that varies; got 3\.14159 for every training sample"),
    (columns(), {"kind": "regression"}, r"set\.csv:2: expected a finite number in the column 'label'; got 'no'"),
    (columns(), {"kind": "tagging"}, r"a table serves classification or regression; got kind 'tagging'"),
    (columns(), {"target": "label", "features": ("size", "label")}, r"the target 'label' can't be one of the features"),
    (
        columns(),
        {"user": "zip", "kind": "classification"},
        r"users and items belong to the kind 'rating'; got task\.user",
    ),
    (
        with_cell("label", 7, "maybe"),
        {},
        r"set: the validation part must hold every class; it leaves out 'maybe', of which the training part has 1 samp",
    ),
]


@pytest.mark.parametrize(("given", "options", "text"), BAD_TABLES, ids=range(len(BAD_TABLES)))
def test_a_table_that_cannot_be_used_is_refused_with_its_line(save_columns, given, options, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save_columns(given), DataOptions(**options))


def test_a_column_of_names_is_refused_unless_it_is_asked_for(save_columns):
    many = columns(2_500, size=[f"name {n}" for n in range(2_500)])
    with pytest.raises(
        DataError, match=r"expected at most 1000 categories in the column 'size'; got 2500 \(leave it out"
    ):
        load_dataset(save_columns(many))
    assert (
        load_dataset(save_columns(many), DataOptions(categorical=("size",))).categories[0] == 1_601
    )  # 64 % train, 1 missing.


def test_a_given_part_with_an_unknown_or_missing_class_is_refused(save_columns):
    path = save_columns(columns())
    unknown = save_columns(with_cell("label", 3, "maybe"), "unknown.csv")
    with pytest.raises(DataError, match=r"unknown\.csv:5: expected a label of the training part, no, yes; got 'maybe'"):
        load_dataset(path, DataOptions(test=unknown))
    lacking = save_columns(columns(label=["yes"] * 60), "lacking.csv")
    with pytest.raises(DataError, match=r"set: the test part must hold every class; it leaves out 'no'"):
        load_dataset(path, DataOptions(test=lacking))


def test_a_word_among_the_numbers_of_a_given_part_is_refused_with_its_line(save_columns):
    wrong = save_columns(with_cell("size", 3, "big"), "wrong.csv")
    with pytest.raises(DataError, match=r"wrong\.csv:5: expected a finite number in the column 'size'; got 'big'"):
        load_dataset(save_columns(columns()), DataOptions(validation=wrong))


def test_the_embedded_table_needs_no_file():
    data = load_dataset("diabetes")
    assert (data.kind, data.input_kind, data.input_shape, data.outputs) == ("regression", "table", (10,), 1)
    assert (len(data.train), len(data.validation), len(data.test)) == (283, 71, 88)
    assert data.columns[:3] == ("age", "sex", "bmi")
    assert {split.y.min() >= 25 and split.y.max() <= 346 for split in (data.train, data.validation, data.test)} == {
        True
    }
    with pytest.raises(DataError, match=r"diabetes serves regression; got kind 'classification'"):
        load_dataset("diabetes", DataOptions(kind="classification"))
    with pytest.raises(DataError, match=r"diabetes is read as it is; got task\.target = 'age'"):
        load_dataset("diabetes", DataOptions(target="age"))


def test_what_stands_for_a_missing_number_is_told(save_columns):
    data = load_dataset(save_columns(columns(size=["" if n % 6 == 0 else n / 4 for n in range(60)])))
    assert data.missing_numbers == (float(np.float32(data.missing_numbers[0])), pytest.approx(1, abs=0.3))
    filled = [size for size in data.test.x[:, 0] if (size * 4) % 1]
    assert set(filled) <= {np.float32(data.missing_numbers[0])}


def test_the_mean_of_a_column_is_told_where_nothing_is_missing(save_columns):
    data = load_dataset(save_columns(columns()))
    assert data.missing_numbers == pytest.approx(data.train.x[:, :2].mean(axis=0, dtype=np.float64))
