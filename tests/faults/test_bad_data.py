"""Data that can't be used: one sentence that names the array and the value, exit status 2, and no search stored."""

import numpy as np
import pytest

from tests.doubles.command_line import TRAINED

X, Y = np.arange(60 * 4, dtype=np.float32).reshape(60, 4), np.arange(60) % 3


def ragged():
    rows = np.empty(60, dtype=object)
    rows[:] = [np.zeros(3 + number % 2) for number in range(60)]
    return rows


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("x", "y", "complaint"),
    [
        (X[:0], Y[:0], "x_train must hold at least one sample; got the shape (0, 4)"),
        (ragged(), Y, "expected arrays of numbers with samples of equal shape; got Python objects"),
        (X, Y + (Y == 2), "without gaps; got 3 different labels from 0 to 3, but no 2"),
        (X, changed(Y, 7, -1), "must hold labels 0 .. classes - 1; got -1 at sample 7"),
        (X, Y[:50], "must have one label per sample; got 50 labels for 60 samples"),
        (changed(X, (3, 1), np.nan), Y, "must hold finite float32 numbers; got nan in row 3, column 1"),
    ],
    ids=["empty", "ragged", "gap", "negative", "fewer labels", "not finite"],
)
def test_arrays_that_can_t_be_used_are_refused(gasearch, x, y, complaint):
    np.savez(gasearch.folder / "bad.npz", x_train=x, y_train=y)
    done = gasearch.here("run", gasearch.write_spec(TRAINED, digits="bad.npz"))
    assert done.status == 2
    assert complaint in done.sentence
    assert "task.dataset" in done.sentence
    assert not (gasearch.folder / "store.db").exists()


@pytest.mark.parametrize(
    ("dataset", "complaint"),
    [
        ("nowhere.npz", "nowhere.npz: no such file"),
        ("digit", "unknown dataset 'digit'; did you mean 'digits'?"),
        ("empty.npz", "expected data; the file is empty (0 bytes)"),
    ],
)
def test_data_that_are_not_there_are_refused(gasearch, dataset, complaint):
    (gasearch.folder / "empty.npz").touch()
    done = gasearch.run("run", gasearch.write_spec(TRAINED, digits=dataset))
    assert done.status == 2
    assert complaint in done.sentence
    assert not (gasearch.folder / "store.db").exists()


def test_a_search_does_not_go_on_with_other_data_than_it_began_with(gasearch):
    path = gasearch.folder / "own.npz"
    x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    np.savez(path, x_train=x, y_train=np.arange(120) % 3)
    spec = gasearch.write_spec(TRAINED, digits="own.npz", **{"[2, 4, 8]": "[4]", "evaluations: 8": "evaluations: 4"})
    assert gasearch.here("run", spec).status == 0
    np.savez(path, x_train=x + 1, y_train=np.arange(120) % 3)
    done = gasearch.here("resume", "small", "--evaluations", "6")
    assert done.status == 2
    before = gasearch.record().data_json.partition('"fingerprint": "')[2][:16]
    assert f"began with data of fingerprint {before}, and own now has " in done.sentence
    assert "restore the data, or run a new search" in done.sentence
    np.savez(path, x_train=x, y_train=np.arange(120) % 3)
    assert gasearch.here("resume", "small", "--evaluations", "6").status == 0
    assert gasearch.completed() == 6
