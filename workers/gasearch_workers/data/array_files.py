"""Files of arrays as datasets: NumPy archives (.npz), of which nothing is unpickled, IDX, and those of scikit-learn.

IDX is the format of MNIST, `train-images-idx3-ubyte[.gz]` with its labels and `t10k-` siblings: two zero bytes, one
byte for the type (8 is unsigned byte), one for the number of dimensions, each dimension as a big-endian 32-bit integer,
then the data.
"""

from __future__ import annotations

import math
import pickle
import random
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.files import check_file, find_file, opened
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.messages import TaskKind

REQUIRED = ("x_train", "y_train")
OPTIONAL = ("x_test", "y_test")
TRAINING_IMAGES = ("train-images-idx3-ubyte", "train-images.idx3-ubyte")
UNSIGNED_BYTE = 8
MOST_BYTES = 2**36  #: A header of IDX that claims more is damaged.


def read_embedded(name: str) -> Source:
    """A dataset that scikit-learn carries.

    "digits": images (1797, 1, 8, 8) uint8 with values 0..16, ten classes, no test part of their own. "diabetes": a
    table (442, 10) as it was measured and how far the disease had come a year later, 25 .. 346, for regression.
    """
    state = random.getstate()  # Loading the library draws from it: a program that has seeded it goes on so.
    try:
        import sklearn.datasets
    finally:
        random.setstate(state)
    if name == "digits":
        bunch = sklearn.datasets.load_digits()
        return make_source(name, Parts(name, (bunch.images.astype(np.uint8), bunch.target)))
    bunch = sklearn.datasets.load_diabetes(scaled=False)
    return make_source(name, Parts(name, (bunch.data, bunch.target)), columns=tuple(map(str, bunch.feature_names)))


# --- NumPy archives ---------------------------------------------------------------------------------------------


def read_npz(path: Path, *, kind: TaskKind | None = None, channels: str | None = None) -> Source:
    """The arrays x_train, y_train and, where there is a test part, x_test, y_test.

    Args:
        path: Of the archive.
        kind: As for `make_source`.
        channels: As for `make_source`.

    Raises:
        DataError: if the file can't be read, lacks an array, or holds one that can't be used.
    """
    check_file(path)
    arrays = _load(path)
    missing = [key for key in REQUIRED if key not in arrays]
    if missing:
        is_test_alone = arrays.keys() >= set(OPTIONAL)
        advice = "; samples to verify a network by are x_train, y_train in a file of their own" if is_test_alone else ""
        raise DataError(
            f"{path}: expected the arrays x_train, y_train and perhaps x_test, y_test; "
            f"missing {', '.join(missing)}, found {', '.join(arrays) or 'none'}{advice}"
        )
    if ("x_test" in arrays) != ("y_test" in arrays):
        have, lack = OPTIONAL if "x_test" in arrays else OPTIONAL[::-1]
        raise DataError(f"{path}: expected x_test and y_test together; got {have} without {lack}")
    test = (arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    train = (arrays["x_train"], arrays["y_train"])
    if train[0].ndim != 4 and channels is not None:
        raise DataError(f"{path}: task.channels is for images of four axes; got x_train of the shape {train[0].shape}")
    found = make_source(str(path), Parts(path.stem, train, None, test), kind=kind, channels=channels)
    others = [key for key in arrays if key.startswith(("x_", "y_")) and key not in (*REQUIRED, *OPTIONAL)]
    note = f"the archive's arrays {', '.join(others)} are left out: only {', '.join((*REQUIRED, *OPTIONAL))} are read"
    return replace(found, notes=(*found.notes, note)) if others else found


def _load(path: Path) -> dict[str, Array]:
    """The wanted arrays of the archive that are there; of others, the names with empty arrays."""
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: expected an archive of named arrays (numpy.savez); got a single array")
            wanted = (*REQUIRED, *OPTIONAL)
            return {key: archive[key] if key in wanted else np.empty(0) for key in archive.files}
    except DataError:
        raise
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: expected arrays of numbers with samples of equal shape; "
                "got Python objects (ragged or pickled), which are not loaded"
            ) from error
        raise DataError(f"{path}: the archive is damaged ({error})") from error
    except (OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: expected a NumPy archive (.npz); it can't be read ({error})") from error


# --- IDX --------------------------------------------------------------------------------------------------------


def is_idx(path: Path) -> bool:
    """Tell by its name whether a path is a file of IDX images."""
    return not path.is_dir() and "idx3" in path.name


def find_images(folder: Path) -> Path | None:
    """The IDX training images of a folder, under one of their names; None where it holds none."""
    return next((found for name in TRAINING_IMAGES if (found := find_file(folder / name)) is not None), None)


def read_idx(path: Path, *, kind: TaskKind | None = None) -> Source:
    """The given training images, their labels and the test part by the standard names; each file may be gzipped.

    Raises:
        DataError: if a file is missing, damaged or of another type.
    """
    images = find_file(path) or path
    check_file(images)
    test = find_file(images.with_name(images.name.replace("train", "t10k", 1)))
    parts = Parts(images.resolve().parent.name, images, None, None if test == images else test)
    return make_source(str(images), parts.map(_read_pair), kind=kind)


def _read_pair(images: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, height, width) and the labels (count,) of the file that stands beside them."""
    expected = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    labels = find_file(expected)
    if labels is None or labels == images:
        raise DataError(f"{images}: expected the labels in {expected.name} beside it; there is no such file")
    return _read_array(images, dimensions=3), _read_array(labels, dimensions=1)


def _read_array(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    with opened(path, "an IDX file") as file:
        shape = _parse_header(file.read(4 + 4 * dimensions), dimensions, path)
        size = math.prod(shape)
        if size > MOST_BYTES:
            raise DataError(f"{path}: the header claims {size} bytes of data in the shape {shape}; it is damaged")
        data = file.read(size + 1)
    if len(data) != size:
        came = f"only {len(data)} (truncated)" if len(data) < size else "more"
        raise DataError(f"{path}: expected {size} bytes of data for the shape {shape}; got {came}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _parse_header(header: bytes, dimensions: int, path: Path) -> tuple[int, ...]:
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if header[:4] != magic:
        raise DataError(f"{path}: expected the IDX magic number {magic.hex()}; got {header[:4].hex()}")
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path}: expected a header of {4 + 4 * dimensions} bytes; got {len(header)} (truncated)")
    return struct.unpack(f">{dimensions}I", header[4:])
