"""Image sets that torchvision knows by name: from a local folder or, if asked for, the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.download import INSTALL, NotDownloaded, Notice, made_aside, tried
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

#: Megabytes to download, and where the makers say on which terms; torchvision tells neither.
ORIGINS: dict[str, tuple[int, str]] = {
    "MNIST": (12, "http://yann.lecun.com/exdb/mnist/"),
    "FashionMNIST": (31, "https://github.com/zalandoresearch/fashion-mnist"),
    "KMNIST": (21, "https://github.com/rois-codh/kmnist"),
    "CIFAR10": (171, "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "CIFAR100": (169, "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "USPS": (9, "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps"),
    "SVHN": (247, "http://ufldl.stanford.edu/housenumbers/"),
    "STL10": (2640, "https://cs.stanford.edu/~acoates/stl10/"),
}


def is_torchvision(source: str) -> bool:
    """Whether a source has torchvision's prefix, or is one of its names where it is installed."""
    return source.startswith(PREFIX) or (source in PARTS and importlib.util.find_spec("torchvision") is not None)


def read_torchvision(source: str, options: DataOptions, download: Notice | None = None) -> Source:
    """Both parts of an image set.

    Args:
        source: "torchvision:NAME" or "torchvision:NAME@FOLDER"; the folder is what torchvision calls the root, "data"
            where none is given. "torchvision:" may be left out.
        options: Nothing of it applies but the kind.
        download: None where nothing may be downloaded; else is told what is.

    Raises:
        NotDownloaded: if torchvision is missing, or the files are not here and may not be downloaded.
        DataError: if the name is unknown.
    """
    name, _, folder = source.removeprefix(PREFIX).partition("@")
    root = Path(folder or DEFAULT_FOLDER).expanduser()
    refuse(options, (*COLUMNS, *FILES), f"{source} is read as it is")
    if name not in PARTS:
        raise DataError(f"{source}: expected one of the image sets {', '.join(PARTS)}; got {name!r}")
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
    return make_source(name, source, Parts(train, None, test), kind=options.kind, labels=labels)


def _library(source: str) -> Any:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise NotDownloaded(
            f"{source}: expected the library torchvision, which isn't installed ({error}); install it with: {INSTALL}"
        ) from error
    except (RuntimeError, OSError) as error:  # Built for another torch than the one installed.
        raise DataError(f"{source}: expected a torchvision that fits the installed torch; got {error}") from error
    return datasets


def _both_parts(maker: Any, root: Path, source: str) -> list[tuple[Array, Array]]:
    """Images and labels of the training and of the test part."""
    name = maker.__name__
    try:
        found = [maker(root=str(root), download=False, **part) for part in PARTS[name]]
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
    megabytes, terms = ORIGINS[name]
    notice(f"downloading {name}, about {megabytes:,} MB, into {root}; its terms: {terms}")
    with made_aside(root, what=source, megabytes=megabytes) as folder:
        tried(lambda: [maker(root=str(folder), download=True, **part) for part in PARTS[name]], source, notice)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    notice(f"{name} lies in {root}: {size / 1e6:,.0f} MB")
