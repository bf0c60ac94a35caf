"""IDX files, the format of MNIST: `train-images-idx3-ubyte[.gz]` with its labels and `t10k-` siblings.

Layout: two zero bytes, one byte for the type (8 is unsigned byte), one for the number of dimensions, each dimension
as a big-endian 32-bit integer, then the data.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.arrays import make_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.files import check_file
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source
from gasearch_workers.messages import TaskKind

UNSIGNED_BYTE = 8
TRAINING_IMAGES = ("train-images-idx3-ubyte", "train-images.idx3-ubyte")
MOST_BYTES = 2**36  #: A header that claims more is damaged.


def is_idx(path: Path) -> bool:
    """Whether a path is named like a file of IDX images."""
    return not path.is_dir() and "idx3" in path.name


def has_images(folder: Path) -> bool:
    """Whether a folder holds IDX training images under one of their names."""
    return any(_find(folder / name) is not None for name in TRAINING_IMAGES)


def read_idx(path: Path, *, kind: TaskKind | None = None) -> Source:
    """Images and labels by the standard names.

    Args:
        path: The training images, or the folder that holds them. Files may be gzipped, each for itself.
        kind: What the images serve: classification alone.

    Raises:
        DataError: if a file is missing, damaged or of another type.
    """
    images = _training_images(path)
    test_images = _find(images.with_name(images.name.replace("train", "t10k", 1)))
    has_test = test_images is not None and test_images != images
    test = _read_pair(test_images) if test_images is not None and has_test else None
    return make_source(images.resolve().parent.name, str(images), Parts(_read_pair(images), None, test), kind=kind)


def _training_images(path: Path) -> Path:
    if not path.is_dir():
        found = _find(path)
        check_file(path if found is None else found)
        return found or path
    for name in TRAINING_IMAGES:
        found = _find(path / name)
        if found is not None:
            return found
    raise DataError(f"{path}: expected the file train-images-idx3-ubyte[.gz] in this folder; it is not there")


def _find(path: Path) -> Path | None:
    """The path itself, or its gzipped or unpacked twin, whichever exists."""
    plain = path.with_name(path.name.removesuffix(".gz"))
    candidates = (path, plain, plain.with_name(plain.name + ".gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _read_pair(images: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, height, width) and the labels (count,) of the file that stands beside them."""
    expected = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    labels = _find(expected)
    if labels is None or labels == images:
        raise DataError(f"{images}: expected the labels in {expected.name} beside it; there is no such file")
    return _read(images, dimensions=3), _read(labels, dimensions=1)


def _read(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    check_file(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _parse_header(file.read(4 + 4 * dimensions), dimensions, path)
            size = math.prod(shape)
            if size > MOST_BYTES:
                raise DataError(f"{path}: the header claims {size} bytes of data in the shape {shape}; it is damaged")
            data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected an IDX file; it can't be read ({error})") from error
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
