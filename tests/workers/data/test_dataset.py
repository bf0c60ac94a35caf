import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.data.dataset import NumberFormat, Split

LABELS = np.arange(60) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 5, 4), dtype=np.uint8)


def test_what_the_store_keeps_is_plain_data(save_arrays):
    assert load_dataset(save_arrays(x_train=IMAGES, y_train=LABELS)).describe() == {
        "name": "set",
        "kind": "classification",
        "input_kind": "image",
        "input_shape": [1, 5, 4],
        "dtype": "uint8",
        "classes": 3,
        "outputs": 3,
        "categories": [],
        "labels": [],
        "tags": None,
        "columns": [],
        "offsets": [],
        "target_offset": 0.0,
        "target_mean": 0.0,
        "target_deviation": 1.0,
        "notes": [],
        "train": 38,
        "validation": 10,
        "test": 12,
        "fingerprint": load_dataset(save_arrays(x_train=IMAGES, y_train=LABELS)).fingerprint,
    }


@pytest.mark.parametrize(
    ("cell", "value"),
    [(" 5 ", 5), ("(5)", -5), ("-5", -5), ("\u22125", -5), ("\u20ac 1.234,5", 1234.5), ("(1.000)", -1000)],
)
def test_a_number_is_read_by_its_column_s_format(cell, value):
    assert NumberFormat(decimal=",", removed=("\u20ac", ".", " ")).value(cell) == value


def test_no_number_is_an_error():
    with pytest.raises(ValueError, match="could not convert"):
        NumberFormat().value("five")


def test_chosen_samples_keep_all_that_belongs_to_them():
    numbers = np.arange(4)[:, None]
    split = Split(x=numbers, y=numbers, teacher=numbers.astype(np.float32), cut=numbers.astype(np.int16))
    chosen = split.chosen(np.array([3, 1]))
    assert [array[:, 0].tolist() for array in (chosen.x, chosen.y, chosen.teacher, chosen.cut)] == [[3, 1]] * 4
    assert chosen.truth.tolist() == [[3, 3], [1, 1]]
