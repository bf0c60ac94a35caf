import struct

import numpy as np
import pytest
from gasearch_workers.data import DataError, load_dataset

RNG = np.random.default_rng(0)
LABELS = (np.arange(60) % 10).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def images(tmp_path):
    """A tiny MNIST where torchvision looks for it."""
    pytest.importorskip("torchvision", reason="torchvision isn't installed")
    pixels = RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return tmp_path, pixels


def test_torchvision_reads_what_lies_in_the_named_folder(images):
    folder, pixels = images
    data = load_dataset(f"torchvision:MNIST@{folder}")
    assert (data.name, data.input_kind, data.input_shape) == ("MNIST", "image", (1, 28, 28))
    assert (len(data.train), len(data.validation), len(data.test)) == (48, 12, 60)
    assert data.labels[:2] == ("0 - zero", "1 - one")
    assert (data.test.x[:, 0] == pixels).all()
    assert (data.test.y == LABELS).all()


def test_torchvision_looks_in_the_folder_data_and_needs_no_prefix(images, monkeypatch, tmp_path):
    folder, _ = images
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data").symlink_to(folder)
    monkeypatch.chdir(tmp_path / "work")
    named = load_dataset(f"torchvision:MNIST@{folder}")
    assert load_dataset("MNIST").fingerprint == load_dataset("torchvision:MNIST").fingerprint == named.fingerprint


def test_torchvision_downloads_nothing(tmp_path):
    pytest.importorskip("torchvision", reason="torchvision isn't installed")
    for name in ("MNIST", "CIFAR10", "SVHN", "STL10"):
        with pytest.raises(DataError, match=rf"torchvision:{name}@.*: expected the files of {name} in the folder"):
            load_dataset(f"torchvision:{name}@{tmp_path / 'none'}")
    assert not list(tmp_path.rglob("*.gz"))


def test_torchvision_reads_no_pickle_that_is_not_the_original(tmp_path):
    pytest.importorskip("torchvision", reason="torchvision isn't installed")
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "run").encode() + b"'\ntR.")
    with pytest.raises(DataError, match=r"torchvision:CIFAR10@.*: expected the files of CIFAR10"):
        load_dataset(f"torchvision:CIFAR10@{tmp_path}")
    assert not (tmp_path / "run").exists()
