import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8)
TABLE = RNG.normal(size=(60, 7))


AMBIGUOUS = [(3, 32, 3), (4, 4, 4), (1, 8, 3), (3, 5, 4), (6, 9, 8), (9, 8, 6), (8, 4, 4), (16, 3, 3), (4, 4, 16)]


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_images_whose_axes_cannot_be_told_are_refused_until_they_are_named(save_arrays, shape):
    x = RNG.integers(0, 256, (60, *shape), dtype=np.uint8)
    path = save_arrays(x_train=x, y_train=LABELS)
    with pytest.raises(DataError, match=r"x_train must hold images whose axis .*\(task\.channels: first, or last\)"):
        load_dataset(path)
    assert load_dataset(path, DataOptions(channels="first")).input_shape == shape
    assert load_dataset(path, DataOptions(channels="last")).input_shape == (shape[2], *shape[:2])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((60, 5, 4), (1, 5, 4)),
        ((60, 5, 4, 1), (1, 5, 4)),
        ((60, 5, 4, 3), (3, 5, 4)),
        ((60, 3, 8, 9), (3, 8, 9)),
        ((60, 1, 8, 5), (1, 8, 5)),
        ((60, 4, 8, 9), (4, 8, 9)),
        ((60, 8, 9, 4), (4, 8, 9)),
        ((60, 8, 8, 2), (2, 8, 8)),
        ((60, 2, 2, 3), (3, 2, 2)),
        ((60, 3, 4, 4), (3, 4, 4)),
        ((60, 6, 9, 9), (6, 9, 9)),
        ((60, 9, 9, 6), (6, 9, 9)),
    ],
)
def test_images_become_channels_first(save_arrays, given, expected):
    x = RNG.integers(0, 256, given, dtype=np.uint8)
    data = load_dataset(save_arrays(x_train=x, y_train=LABELS, x_test=x, y_test=LABELS))
    assert data.input_shape == expected
    if len(given) == 4 and given[1:] != expected:
        assert (data.test.x.transpose(0, 2, 3, 1) == x).all()


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
def test_two_dimensional_numbers_become_a_float_table(save_arrays, kind):
    data = load_dataset(save_arrays(x_train=(10 * np.abs(TABLE)).astype(kind), y_train=LABELS.astype(np.uint8)))
    assert data.train.x.dtype == np.float32
    assert data.input_shape == (7,)
    assert data.train.y.dtype == np.int64


def test_a_column_of_labels_is_taken_as_labels(save_arrays):
    assert load_dataset(save_arrays(x_train=TABLE, y_train=LABELS[:, None])).classes == 3


def test_floating_targets_of_a_table_mean_regression(save_arrays):
    data = load_dataset(save_arrays(x_train=TABLE, y_train=LABELS + 0.5))
    assert (data.kind, data.outputs, data.labels, data.train.y.dtype) == ("regression", 1, (), np.float32)
    assert data.target_mean == pytest.approx(float(data.train.y.mean()))
    assert data.target_deviation == pytest.approx(float(data.train.y.std()))


def test_whole_targets_are_amounts_where_the_options_say_so(save_arrays):
    path = save_arrays(x_train=TABLE, y_train=LABELS[:, None], x_test=TABLE, y_test=LABELS * 5)
    data = load_dataset(path, DataOptions(kind="regression"))
    assert (data.kind, data.train.y.ndim, data.test.y.max()) == ("regression", 1, 10)
    with pytest.raises(DataError, match=r"y_test must hold labels 0 \.\. 2 as y_train does; got 10"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("arrays", "kind", "text"),
    [
        ({"y_train": np.full(60, np.nan)}, None, r"y_train must hold finite float32 numbers; got nan at sample 0"),
        ({"y_train": np.where(LABELS == 2, 1e39, 0.5)}, None, r"y_train must hold finite .*; got 1e\+39 at sample 2"),
        (
            {"y_train": np.full(60, 0.5)},
            None,
            r"set: expected a target that varies; got 0\.5 for every training sample",
        ),
        ({"y_train": LABELS + 0.5}, "classification", r"y_train must hold integer labels .* got type float64"),
        (
            {"y_train": np.eye(3)[LABELS]},
            "regression",
            r"y_train must have the shape \(count,\), one number .* \(60, 3\)",
        ),
        ({"y_train": np.array(["a"] * 60)}, "regression", r"y_train must hold numbers for regression; got type <U1"),
        ({"x_train": IMAGES}, "regression", r"x_train must hold a table .* for regression; got \(60, 5, 4\)"),
        ({}, "rating", r"set\.npz: arrays serve classification or regression; got kind 'rating'"),
    ],
)
def test_targets_that_cannot_be_used_are_refused_by_name(save_arrays, arrays, kind, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save_arrays(**({"x_train": TABLE, "y_train": LABELS} | arrays)), DataOptions(kind=kind))


def test_whole_numbers_as_fractions_are_asked_about(save_arrays):
    path = save_arrays(x_train=TABLE, y_train=LABELS.astype(float))
    with pytest.raises(
        DataError, match=r"y_train holds 3 different whole numbers as float64 \(task\.kind: classification, or"
    ):
        load_dataset(path)
    assert load_dataset(path, DataOptions(kind="classification")).outputs == 3
    assert load_dataset(path, DataOptions(kind="regression")).outputs == 1


BAD_ARRAYS = [
    ({"x_train": IMAGES}, r"set\.npz: expected the arrays x_train, y_train .* missing y_train, found x_train"),
    ({"images": IMAGES}, r"missing x_train, y_train, found images"),
    ({"x_test": IMAGES}, r"expected x_test and y_test together; got x_test without y_test"),
    ({"y_test": LABELS}, r"expected x_test and y_test together; got y_test without x_test"),
    ({"y_train": LABELS[:50]}, r"y_train must have one label per sample; got 50 labels for 60 samples"),
    ({"y_train": LABELS + 0.5}, r"y_train must hold integer labels 0 \.\. classes - 1; got type float64"),
    ({"y_train": np.array(["a", "b"] * 30)}, r"y_train must hold integer labels .* got type <U1"),
    ({"y_train": np.eye(3)[LABELS]}, r"y_train must have the shape \(count,\), .* got \(60, 3\)"),
    ({"y_train": LABELS - 1}, r"y_train must hold labels 0 \.\. classes - 1; got -1 at sample 0"),
    ({"y_train": LABELS + 1}, r"without gaps; got 3 different labels from 1 to 3, but no 0"),
    ({"y_train": LABELS * 2}, r"without gaps; got 3 different labels from 0 to 4, but no 1"),
    ({"y_train": np.where(LABELS == 2, 2**40, LABELS)}, r"got 1099511627776 at sample 2"),
    ({"y_train": LABELS * 0}, r"y_train must hold at least 2 classes; got only label 0"),
    (
        {"x_train": np.zeros((0, 5, 4), dtype=np.uint8), "y_train": LABELS[:0]},
        r"at least one sample; got .*\(0, 5, 4\)",
    ),
    ({"x_train": np.zeros((60, 0))}, r"at least one sample; got the shape \(60, 0\)"),
    ({"x_train": np.zeros(60)}, r"x_train must have the shape \(count, features\), .* got \(60,\)"),
    ({"x_train": IMAGES / 255}, r"x_train must hold images as uint8 .* got type float64 .* values from 0 to 1"),
    ({"x_train": np.array([["a"]] * 60)}, r"x_train must hold numbers; got type <U1"),
    ({"x_train": np.where(TABLE[3, 2] == TABLE, np.nan, TABLE)}, r"finite float32 numbers; got nan in row 3, column 2"),
    ({"x_train": np.where(TABLE[0, 1] == TABLE, np.inf, TABLE)}, r"finite float32 numbers; got inf in row 0, column 1"),
    ({"x_train": np.where(TABLE[0, 1] == TABLE, 1e300, TABLE)}, r"got 1e\+300 in row 0, column 1"),
    (
        {"x_test": IMAGES[:, 1:], "y_test": LABELS},
        r"x_test must hold samples like .* \(1, 5, 4\); got \(1, 4, 4\)",
    ),
    ({"x_test": TABLE, "y_test": LABELS}, r"x_test must hold samples like .* got \(7,\)"),
    ({"x_test": IMAGES, "y_test": LABELS + 1}, r"y_test must hold labels 0 \.\. 2 as y_train does; got 3"),
]


@pytest.mark.parametrize(("arrays", "text"), BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_arrays_that_cannot_be_used_are_refused_by_name(save_arrays, arrays, text):
    is_alone = set(arrays) in ({"images"}, {"x_train"}) and "missing" in text
    with pytest.raises(DataError, match=text):
        load_dataset(save_arrays(**(arrays if is_alone else {"x_train": IMAGES, "y_train": LABELS} | arrays)))
