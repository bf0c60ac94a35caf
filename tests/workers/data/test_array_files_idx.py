import gzip
import struct

import numpy as np
import pytest
from gasearch_workers.data import DataError, load_dataset

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 4, 3), dtype=np.uint8)
LABELS = (np.arange(40) % 2).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tiny"
    path.mkdir()
    (path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return path


def add_test_part(folder, count: int = 10) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(IMAGES[:count]))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:count]))


def test_labels_and_test_part_are_found_beside_the_training_images(folder):
    add_test_part(folder)
    data = load_dataset(str(folder / "train-images-idx3-ubyte"))
    assert (data.name, data.classes, data.input_shape) == ("tiny", 2, (1, 4, 3))
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 8, 10)
    assert (data.test.x[:, 0] == IMAGES[:10]).all()


def test_the_folder_says_the_same_as_the_file(folder):
    named = load_dataset(str(folder / "train-images-idx3-ubyte"))
    assert load_dataset(str(folder)).fingerprint == named.fingerprint


def test_gzipped_files_hold_the_same_data(folder):
    plain = load_dataset(str(folder))
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert load_dataset(str(folder)).fingerprint == plain.fingerprint
    assert load_dataset(str(folder / "train-images-idx3-ubyte.gz")).fingerprint == plain.fingerprint


def test_an_npz_of_the_same_arrays_has_the_same_fingerprint(folder, tmp_path):
    np.savez(tmp_path / "tiny.npz", x_train=IMAGES, y_train=LABELS)
    assert load_dataset(str(tmp_path / "tiny.npz")).fingerprint == load_dataset(str(folder)).fingerprint


def test_names_with_a_dot_are_understood(folder):
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert load_dataset(str(folder)).classes == 2


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("train-images-idx3-ubyte", b"", r"train-images-idx3-ubyte: expected data; the file is empty"),
        ("train-images-idx3-ubyte", b"\x89PNG....", r"expected the IDX magic number 00000803; got 89504e47"),
        (
            "train-labels-idx1-ubyte",
            idx(IMAGES),
            r"train-labels.*: expected the IDX magic number 00000801; got 00000803",
        ),
        ("train-images-idx3-ubyte", idx(IMAGES)[:9], r"expected a header of 16 bytes; got 9 \(truncated\)"),
        (
            "train-images-idx3-ubyte",
            idx(IMAGES)[:-1],
            r"expected 480 bytes .* \(40, 4, 3\); got only 479 \(truncated\)",
        ),
        ("train-images-idx3-ubyte", idx(IMAGES) + b"x", r"expected 480 bytes of data .* got more"),
        ("train-images-idx3-ubyte", bytes((0, 0, 8, 3)) + b"\xff" * 12, r"the header claims \d+ bytes .* damaged"),
        ("train-labels-idx1-ubyte", idx(LABELS[:30]), r"one label per sample; got 30 labels for 40 samples"),
    ],
)
def test_damaged_files_are_refused_with_what_was_expected(folder, name, content, text):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=text):
        load_dataset(str(folder))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: b"plain text", lambda data: data[:60] + b"?" * 60]
)
def test_damaged_gzip_files_are_refused(folder, damage):
    path = folder / "train-images-idx3-ubyte"
    (folder / "train-images-idx3-ubyte.gz").write_bytes(damage(gzip.compress(path.read_bytes())))
    path.unlink()
    with pytest.raises(DataError, match=r"ubyte\.gz: expected an IDX file; it can't be read"):
        load_dataset(str(folder))


def test_missing_labels_are_named(folder):
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"expected the labels in train-labels-idx1-ubyte beside it; there is no such"):
        load_dataset(str(folder))


def test_a_test_part_without_labels_is_refused(folder):
    add_test_part(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-images.*: expected the labels in t10k-labels-idx1-ubyte beside it"):
        load_dataset(str(folder))


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected in this folder the file train-images-idx3-ubyte\[\.gz\]"):
        load_dataset(str(tmp_path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: no such file"):
        load_dataset(str(tmp_path / "train-images-idx3-ubyte"))
