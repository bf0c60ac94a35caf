"""A dataset as a file: equal when it is read, held once by all hosts of a node, gone with the last of them."""

from __future__ import annotations

import dataclasses
import os
import shutil

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.data.dataset import Split
from gasearch_workers.sandbox import data_file
from gasearch_workers.sandbox.data_file import make_folder, open_data, read_data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A host's folder beside those of others."""
    monkeypatch.setattr(data_file.tempfile, "tempdir", str(tmp_path))
    return make_folder()


def assert_equal(found, data):
    for name in ("train", "validation", "test"):
        for part in ("x", "y", "teacher"):
            one, other = getattr(getattr(found, name), part), getattr(getattr(data, name), part)
            assert (one is None) == (other is None)
            if one is not None:
                assert (one.dtype, one.shape) == (other.dtype, other.shape)
                assert np.array_equal(one, other)
                assert not one.flags.writeable
    assert found.describe() == data.describe()
    assert (found.vocabularies, found.missing_numbers) == (data.vocabularies, data.missing_numbers)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_dataset_is_read_as_it_was_written(name, folder):
    data = load_dataset(name)
    descriptor = open_data(data, folder)
    assert_equal(read_data(descriptor), data)
    os.close(descriptor)


def test_splits_of_odd_sizes_and_a_teacher_are_read_as_they_were_written(folder):
    split = Split(
        x=np.arange(7, dtype=np.int32).reshape(7, 1)[:, ::-1],
        y=np.zeros(7, np.float32),
        teacher=np.ones((7, 1), np.float32),
    )
    empty = Split(x=np.zeros((0, 3), np.uint8), y=np.zeros(0, np.int64))
    data = dataclasses.replace(load_dataset("diabetes"), train=split, test=empty)
    descriptor = open_data(data, folder)
    assert_equal(read_data(descriptor), data)
    os.close(descriptor)


def test_hosts_of_one_node_share_a_file_until_the_last_is_gone(folder):
    data, other = load_dataset("diabetes"), make_folder()
    first, second = open_data(data, folder), open_data(data, other)
    assert os.fstat(first).st_ino == os.fstat(second).st_ino
    shutil.rmtree(folder)
    third = open_data(data, make_folder())
    assert os.fstat(third).st_ino == os.fstat(first).st_ino
    assert os.fstat(first).st_nlink == 2
    for descriptor in (first, second, third):
        os.close(descriptor)


def test_other_data_are_another_file(folder):
    data = load_dataset("diabetes")
    first = open_data(data, folder)
    second = open_data(dataclasses.replace(data, target_mean=1.0), folder)
    assert os.fstat(first).st_ino != os.fstat(second).st_ino
    os.close(first)
    os.close(second)


def test_arrays_of_objects_are_no_dataset(folder):
    split = Split(x=np.array([["a"]], dtype=object), y=np.zeros(1, np.int64))
    with pytest.raises(TypeError):
        open_data(dataclasses.replace(load_dataset("diabetes"), train=split), folder)
