"""NumPy archives (.npz) as datasets; nothing in them is unpickled."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source
from gasearch_workers.messages import TaskKind

REQUIRED = ("x_train", "y_train")
OPTIONAL = ("x_test", "y_test")


def read_npz(path: Path, *, kind: TaskKind | None = None, channels: str | None = None) -> Source:
    """The arrays x_train, y_train and, where there is a test part, x_test, y_test.

    Raises:
        DataError: if the file can't be read, lacks an array, or holds one that can't be used.
    """
    check_file(path)
    arrays = _load(path)
    missing = [key for key in REQUIRED if key not in arrays]
    if missing:
        raise DataError(
            f"{path}: expected the arrays x_train, y_train and perhaps x_test, y_test; "
            f"missing {', '.join(missing)}, found {', '.join(arrays) or 'none'}"
        )
    if ("x_test" in arrays) != ("y_test" in arrays):
        have, lack = OPTIONAL if "x_test" in arrays else OPTIONAL[::-1]
        raise DataError(f"{path}: expected x_test and y_test together; got {have} without {lack}")
    test = (arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    train = (arrays["x_train"], arrays["y_train"])
    if train[0].ndim != 4 and channels is not None:
        raise DataError(f"{path}: task.channels is for images of four axes; got x_train of the shape {train[0].shape}")
    found = make_source(path.stem, str(path), Parts(train, None, test), kind=kind, channels=channels)
    others = [key for key in arrays if key.startswith(("x_", "y_")) and key not in (*REQUIRED, *OPTIONAL)]
    note = f"the archive's arrays {', '.join(others)} are left out: only {', '.join((*REQUIRED, *OPTIONAL))} are read"
    return replace(found, notes=(*found.notes, note)) if others else found


def check_file(path: Path) -> None:
    """Raise a DataError unless the path is a file with something in it."""
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file")
        if not path.is_file():
            raise DataError(f"{path}: expected a file; this is {'a folder' if path.is_dir() else 'none'}")
        if path.stat().st_size == 0:
            raise DataError(f"{path}: expected data; the file is empty (0 bytes)")
    except OSError as error:  # a name that no file can have, for instance
        raise DataError(f"{path}: expected a file; it can't be read ({error.strerror})") from error


def _load(path: Path) -> dict[str, Array]:
    """The wanted arrays of the archive that are there; of others, the names with empty arrays."""
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: expected an archive of named arrays (numpy.savez); got a single array")
            wanted = (*REQUIRED, *OPTIONAL)
            return {key: archive[key] if key in wanted else np.empty(0) for key in archive.files}
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: expected arrays of numbers with samples of equal shape; "
                "got Python objects (ragged or pickled), which are not loaded"
            ) from error
        raise DataError(f"{path}: the archive is damaged ({error})") from error
    except (OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: expected a NumPy archive (.npz); it can't be read ({error})") from error
