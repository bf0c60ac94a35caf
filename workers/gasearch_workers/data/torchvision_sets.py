"""Image sets that torchvision knows by name: from a local folder or, if asked for, the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.download import NotDownloaded, Notice, made_aside, not_installed, tried
from gasearch_workers.data.options import COLUMNS, FILES, DataOptions
from gasearch_workers.data.source import Parts, Source

PREFIX = "torchvision:"
DEFAULT_FOLDER = "data"
_TRAIN: tuple[dict[str, Any], ...] = ({"train": True}, {"train": False})
_SPLIT: tuple[dict[str, Any], ...] = ({"split": "train"}, {"split": "test"})
#: Of each name: how torchvision asks for the training and the test part; megabytes to download, and where the makers
#: say on which terms, neither of which torchvision tells. CIFAR is pickled: torchvision compares the files' digests
#: with those of the originals before it reads them.
SETS: dict[str, tuple[tuple[dict[str, Any], ...], int, str]] = {
    "MNIST": (_TRAIN, 12, "http://yann.lecun.com/exdb/mnist/"),
    "FashionMNIST": (_TRAIN, 31, "https://github.com/zalandoresearch/fashion-mnist"),
    "KMNIST": (_TRAIN, 21, "https://github.com/rois-codh/kmnist"),
    "CIFAR10": (_TRAIN, 171, "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "CIFAR100": (_TRAIN, 169, "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "USPS": (_TRAIN, 9, "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps"),
    "SVHN": (_SPLIT, 247, "http://ufldl.stanford.edu/housenumbers/"),
    "STL10": (_SPLIT, 2640, "https://cs.stanford.edu/~acoates/stl10/"),
}


def is_torchvision(source: str) -> bool:
    """Tell whether a source has torchvision's prefix, or is one of its names where it is installed."""
    return source.startswith(PREFIX) or (source in SETS and importlib.util.find_spec("torchvision") is not None)


def read_torchvision(source: str, options: DataOptions, download: Notice | None = None) -> Source:
    """Both parts of an image set.

    Args:
        source: "torchvision:NAME" or "torchvision:NAME@FOLDER"; the folder is what torchvision calls the root, "data"
            where none is given. "torchvision:" may be left out.
        options: Nothing of it applies but the kind.
        download: None where nothing may be downloaded; else takes what is.

    Raises:
        NotDownloaded: if torchvision is missing, or the files are not here and may not be downloaded.
        DataError: if the name is unknown.
    """
    name, _, folder = source.removeprefix(PREFIX).partition("@")
    root = Path(folder or DEFAULT_FOLDER).expanduser()
    options.refuse((*COLUMNS, *FILES, "channels"), f"{source} is read as it is")
    if name not in SETS:
        raise DataError(f"{source}: expected one of the image sets {', '.join(SETS)}; got {name!r}")
    datasets = _library(source)
    maker = getattr(datasets, name)
    try:
        train, test = _both_parts(maker, root, source)
    except NotDownloaded:
        if download is None:
            raise
        _download(maker, root, source, download)
        train, test = _both_parts(maker, root, source)
    labels = tuple(str(label) for label in getattr(maker, "classes", ()))
    return make_source(source, Parts(name, train, None, test), kind=options.kind, labels=labels)


def _library(source: str) -> Any:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise not_installed(source, "torchvision", error) from error
    except (RuntimeError, OSError) as error:  # Built for another torch than the one installed.
        raise DataError(f"{source}: expected a torchvision that fits the installed torch; got {error}") from error
    return datasets


def _both_parts(maker: Any, root: Path, source: str) -> list[tuple[Array, Array]]:
    """Images and labels of the training and of the test part."""
    name = maker.__name__
    try:
        found = [maker(root=str(root), download=False, **part) for part in SETS[name][0]]
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise NotDownloaded(
            f"{source}: expected the files of {name} in the folder {root}, where torchvision puts them; "
            f"they can't be read ({error}); name another folder by {PREFIX}{name}@FOLDER"
        ) from error
    return [
        (np.asarray(part.data), np.asarray(part.targets if hasattr(part, "targets") else part.labels)) for part in found
    ]


def _download(maker: Any, root: Path, source: str, notice: Notice) -> None:
    """Put the files of an image set into the folder.

    torchvision compares each archive with the digest of the original, but takes whatever was unpacked for whole: so it
    unpacks into a folder of its own.
    """
    name = maker.__name__
    _, megabytes, terms = SETS[name]
    notice(f"downloading {name}, about {megabytes:,} MB, into {root}; its terms: {terms}")
    with made_aside(root, what=source, megabytes=megabytes) as folder:
        tried(lambda: [maker(root=str(folder), download=True, **part) for part in SETS[name][0]], source, notice)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    notice(f"{name} lies in {root}: {size / 1e6:,.0f} MB")
