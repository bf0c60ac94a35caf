"""Numbers that float32 can't tell apart, from files of text and from archives."""

import numpy as np
import pytest
from gasearch_workers.data import DataError, load_dataset
from gasearch_workers.data.normalize import fit_input

COUNT = 120


def table(cells, count=COUNT):
    return {"amount": cells, "b": [n % 7 for n in range(count)], "label": ["low", "high"] * (count // 2)}


@pytest.mark.parametrize("offset", [1_700_000_000, 1e12, -(2**40), 16_777_210])
def test_numbers_that_float32_cannot_tell_apart_are_taken_minus_an_offset(save_columns, offset):
    near = [n % 60 for n in range(COUNT)]
    far = load_dataset(save_columns(table([offset + n for n in near])))
    plain = load_dataset(save_columns(table(near), "plain.csv"))
    assert (far.train.x[:, 0] + (far.offsets[0] - offset) == plain.train.x[:, 0]).all()
    assert far.notes[0].startswith(f"the column 'amount' is taken minus {far.offsets[0]!r}")
    assert far.offsets[1] == 0
    assert plain.offsets == ()


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint64])
def test_numbers_of_an_archive_are_taken_minus_an_offset_too(tmp_path, dtype):
    x = np.array([[1_700_000_000 + n % 60, n % 7] for n in range(COUNT)]).astype(dtype)
    y = 1e9 + np.arange(COUNT) / 8
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    data = load_dataset(str(tmp_path / "set.npz"))
    assert (data.test.x.astype(np.float64) + data.offsets == x).all()
    assert (data.test.y.astype(np.float64) + data.target_offset == y).all()
    assert data.describe()["target_mean"] == pytest.approx(y.mean(), abs=2)


def test_whole_numbers_that_float32_rounds_are_taken_minus_an_offset(save_columns):
    """An hour apart they are still different in float32, but no longer an hour."""
    data = load_dataset(save_columns(table([1_700_000_000 + 3_600 * n for n in range(COUNT)])))
    assert set(np.unique(np.diff(np.sort(data.train.x[:, 0]))) % 3_600) == {0}


def test_a_target_that_float32_cannot_tell_apart_is_taken_minus_an_offset(save_columns):
    target = [f"{1_700_000_000 + n / 100:.2f}" for n in range(COUNT)]
    data = load_dataset(save_columns({"b": [n % 7 for n in range(COUNT)], "target": target}))
    assert data.target_deviation == pytest.approx(0.35, abs=0.1)
    shown = {f"{value + data.target_offset:.2f}" for split in (data.train, data.test) for value in split.y.tolist()}
    assert shown <= set(target)


def test_an_outlier_does_not_hide_what_lies_close_together(save_columns):
    cells = [0 if n % 20 == 0 else 1_700_000_000 + n for n in range(COUNT)]
    data = load_dataset(save_columns(table(cells)))
    known = data.train.x[:, 0].astype(np.float64) + data.offsets[0]
    assert {cell for cell in cells if cell} >= set(known[known > 1e9].tolist())
    assert abs(known[known < 1e9]).max() < 100
    assert len(np.unique(known)) > 60


def test_numbers_of_two_far_places_are_refused_with_how_many_become_how_many(save_columns, tmp_path):
    cells = [n + (10**12 if n % 2 else -(10**12)) for n in range(COUNT)]
    with pytest.raises(
        DataError, match=r"float32 tells apart; 120 different values of the column 'amount' become \d+ in f"
    ):
        load_dataset(save_columns(table(cells)))
    x = np.array(cells, dtype=np.int64)[:, None]
    np.savez(tmp_path / "set.npz", x_train=x, y_train=np.arange(COUNT) % 2)
    with pytest.raises(
        DataError, match=r"set\.npz: .*120 different values of the column number 0 become \d+ in float32"
    ):
        load_dataset(str(tmp_path / "set.npz"))


def test_columns_of_tiny_numbers_are_no_constants(tmp_path):
    x = np.random.default_rng(0).normal(size=(COUNT, 2)) * [1e-20, 1.0]
    np.savez(tmp_path / "set.npz", x_train=x, y_train=np.arange(COUNT) % 2)
    data = load_dataset(str(tmp_path / "set.npz"))
    assert fit_input(data.train.x, input_bits=8).deviation == pytest.approx(data.train.x.std(axis=0))


def test_numbers_that_may_be_names_are_told(save_columns):
    path = save_columns(table([f"{n % 50:05}" for n in range(COUNT)]) | {"b": list(range(1, COUNT + 1))})
    assert [note.partition(",")[0] for note in load_dataset(path).notes] == [
        "the cells of the column 'amount' begin with zeros",
        "the cells of the column 'b' number the rows",
    ]


def test_ids_that_lose_a_few_values_are_told(save_columns):
    rng = np.random.default_rng(0)
    ids = rng.choice(10**9, size=20_000, replace=False) + 10**9
    data = load_dataset(save_columns(table(ids.tolist(), 20_000)))
    assert data.notes[-1].startswith("20000 different values of the column 'amount' become 19")


def test_times_of_a_year_keep_nearly_all_their_seconds(tmp_path):
    times = np.sort(np.random.default_rng(0).random(20_000)) * 3e7 + 1.7e9
    np.savez(tmp_path / "set.npz", x_train=times[:, None], y_train=np.arange(20_000) % 2)
    data = load_dataset(str(tmp_path / "set.npz"))
    assert data.offsets[0] > 1.7e9
    assert len(np.unique(data.train.x)) > 0.99 * len(data.train)


def test_fractions_of_many_digits_are_numbers_like_any_other(save_columns):
    data = load_dataset(save_columns(table(np.random.default_rng(0).random(20_000).tolist(), 20_000)))
    assert (data.notes, data.offsets) == ((), ())
