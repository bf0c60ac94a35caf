import numpy as np
import torch
from gasearch_workers.data.dataset import Dataset, Split
from gasearch_workers.training.resident import make_resident, target_of, use_one_thread, use_threads_as_before

X = np.arange(16, dtype=np.uint8).reshape(4, 1, 2, 2)
Y = np.arange(4) % 2


def dataset(split: Split, kind: str = "classification") -> Dataset:
    parts = {"train": split, "validation": split, "test": split}
    return Dataset(name="t", kind=kind, input_kind="image", outputs=2, labels=("O", "B-x"), fingerprint="0", **parts)


def test_read_only_arrays_are_taken_without_a_copy():
    x = X.copy()
    x.flags.writeable = False
    assert make_resident(dataset(Split(x=x, y=Y))).train.x.data_ptr() == x.ctypes.data


def test_chosen_samples_keep_all_that_belongs_to_them():
    teacher, cut = np.eye(4, 2, dtype=np.float32), np.arange(4, dtype=np.int16)[:, None]
    data = dataset(Split(x=X, y=Y, teacher=teacher, cut=cut))
    chosen = make_resident(data).train.chosen(torch.tensor([3, 1]))
    expected = data.train.chosen(np.array([3, 1]))
    for name in ("x", "y", "teacher", "cut"):
        assert np.array_equal(getattr(chosen, name).numpy(), getattr(expected, name))
    assert (chosen.target, len(chosen)) == (target_of(data), 2)


def test_the_truth_is_that_of_the_split():
    tags = np.array([[0, 1], [1, -1]])
    split = Split(x=tags, y=tags, cut=np.array([[1], [-1]], dtype=np.int16))
    assert np.array_equal(make_resident(dataset(split, "tagging")).test.truth, split.truth)


def test_torch_gets_its_threads_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        use_one_thread()
        use_one_thread()
        assert torch.get_num_threads() == 1
        use_threads_as_before()
        assert torch.get_num_threads() == 3
        torch.set_num_threads(2)
        use_threads_as_before()  # Nothing was taken since.
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
