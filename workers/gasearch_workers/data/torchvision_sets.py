"""Image sets that torchvision knows by name, read from a local folder; nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.options import COLUMNS, FILES, DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source, refuse

PREFIX = "torchvision:"
DEFAULT_FOLDER = "data"
#: The names, and how torchvision asks for the training and the test part. CIFAR is pickled: torchvision compares the
#: files' digests with those of the originals before it reads them.
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **dict.fromkeys(
        ("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "USPS"), ({"train": True}, {"train": False})
    ),
    **dict.fromkeys(("SVHN", "STL10"), ({"split": "train"}, {"split": "test"})),
}


def is_torchvision(source: str) -> bool:
    """Whether a source has torchvision's prefix, or is one of its names where it is installed."""
    return source.startswith(PREFIX) or (source in PARTS and importlib.util.find_spec("torchvision") is not None)


def read_torchvision(source: str, options: DataOptions) -> Source:
    """Both parts of an image set.

    Args:
        source: "torchvision:NAME" or "torchvision:NAME@FOLDER"; the folder is what torchvision calls the root, "data"
            where none is given. "torchvision:" may be left out.
        options: Nothing of it applies but the kind.

    Raises:
        DataError: if torchvision, the name or the files are missing.
    """
    name, _, folder = source.removeprefix(PREFIX).partition("@")
    root = Path(folder or DEFAULT_FOLDER).expanduser()
    refuse(options, (*COLUMNS, *FILES), f"{source} is read as it is")
    if name not in PARTS:
        raise DataError(f"{source}: expected one of the image sets {', '.join(PARTS)}; got {name!r}")
    datasets = _library(source)
    train, test = (_arrays(getattr(datasets, name), root, part, source) for part in PARTS[name])
    labels = tuple(str(label) for label in getattr(getattr(datasets, name), "classes", ()))
    return make_source(name, source, Parts(train, None, test), kind=options.kind, labels=labels)


def _library(source: str) -> Any:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError(f"{source}: expected the library torchvision, which isn't installed ({error})") from error
    except (RuntimeError, OSError) as error:  # Built for another torch than the one installed.
        raise DataError(f"{source}: expected a torchvision that fits the installed torch; got {error}") from error
    return datasets


def _arrays(maker: Any, root: Path, part: dict[str, Any], source: str) -> tuple[Array, Array]:
    """Images and labels of one part."""
    try:
        found = maker(root=str(root), download=False, **part)
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{source}: expected the files of {maker.__name__} in the folder {root}, where torchvision puts them; "
            f"they can't be read ({error}); name another folder by {PREFIX}{maker.__name__}@FOLDER"
        ) from error
    labels = found.targets if hasattr(found, "targets") else found.labels
    return np.asarray(found.data), np.asarray(labels)
