"""Datasets of Hugging Face by name: the splits, from the local cache, a saved folder or, if asked for, the network.

No code of a dataset is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.download import INSTALL, NotDownloaded, Notice, tried

PREFIX = "hf:"
FIRST_WITHOUT_CODE = 4  #: Versions of the library before it can run a script that comes with a dataset.
HOME = "https://huggingface.co/datasets/"


@dataclass(frozen=True, slots=True)
class _Name:
    """What stands behind the prefix: "NAME[/CONFIG][@REVISION]", where NAME may hold one slash itself, or a folder."""

    text: str
    revision: str | None

    @classmethod
    def of(cls, source: str) -> _Name:
        text = source.removeprefix(PREFIX)
        if Path(text).expanduser().is_dir():
            return cls(text, None)
        text, _, revision = text.partition("@")
        return cls(text.strip("/"), revision or None)

    def readings(self) -> list[tuple[str, str | None]]:
        """Name and configuration, in the order in which they are looked for: "a/b" is a name or one with a part."""
        head, slash, tail = self.text.rpartition("/")
        if not slash:
            return [(self.text, None)]
        return [(head, tail)] if "/" in head else [(self.text, None), (head, tail)]


def load_splits(source: str, download: Notice | None) -> dict[str, Any]:
    """The splits of a dataset by their names.

    Args:
        source: "hf:NAME[/CONFIG][@REVISION]", or "hf:FOLDER", which `DatasetDict.save_to_disk` wrote.
        download: None where nothing may be downloaded; else is told what is.

    Raises:
        NotDownloaded: if the library is missing, or the dataset is not here and may not be downloaded.
        DataError: if it can't be had.
    """
    datasets = _library(source)
    name = _Name.of(source)
    try:
        with _offline():
            if Path(name.text).expanduser().is_dir():
                found = datasets.load_from_disk(str(Path(name.text).expanduser()))
            else:
                found = _first(name, datasets.load_dataset, unknown=(OSError, ValueError, RuntimeError))
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        if download is None:
            raise NotDownloaded(
                f"{source}: expected a saved folder or a dataset in the cache of Hugging Face, loaded there "
                f"beforehand; it can't be read ({' '.join(str(error).split())[:300]})"
            ) from error
        # The library tries a connection that fails some six times by itself.
        found = tried(lambda: _downloaded(name, datasets, download), source, download, pauses_s=())
    return dict(found) if isinstance(found, dict) else {"train": found}


def _downloaded(name: _Name, datasets: Any, notice: Notice) -> Any:
    """The dataset from the network, kept in the library's cache, which takes no half of a file for a whole one."""
    info = _first(name, datasets.load_dataset_builder, unknown=_UNKNOWN).info
    size = f"{info.download_size / 1e6:,.1f} MB" if info.download_size else "of a size that isn't stated"
    terms = info.license or "not stated in its files"
    cache = datasets.config.HF_DATASETS_CACHE
    notice(f"downloading {name.text} from Hugging Face, {size}, into {cache}; licence: {terms}; see {HOME}{name.text}")
    found = _first(name, datasets.load_dataset, unknown=_UNKNOWN)
    splits = found if isinstance(found, dict) else {"train": found}
    notice(f"{name.text}: " + ", ".join(f"{split} {len(rows):,} rows" for split, rows in splits.items()))
    return found


_UNKNOWN = (FileNotFoundError, ValueError)  #: What the library raises for a name or a configuration that isn't there.


def _first(name: _Name, load: Any, *, unknown: tuple[type[Exception], ...]) -> Any:
    """What the library gives for the first reading of the name that it knows; the first one's error if it knows none.

    Args:
        name: Is read in one or two ways.
        load: Takes a name, a configuration and the revision.
        unknown: The errors of a reading that the library doesn't know; without the network that is any.
    """
    refusal: Exception | None = None
    for path, config in name.readings():
        try:
            return load(path, config, revision=name.revision)
        except unknown as error:
            refusal = refusal or error
    assert refusal is not None, "a name has a reading"
    raise refusal


def _library(source: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise NotDownloaded(
            f"{source}: expected the library datasets, which isn't installed ({error}); install it with: {INSTALL}"
        ) from error
    if int(datasets.__version__.split(".")[0]) < FIRST_WITHOUT_CODE:
        raise DataError(
            f"{source}: expected datasets {FIRST_WITHOUT_CODE} or later, which runs no code of a dataset; "
            f"got {datasets.__version__}"
        )
    return datasets


@contextmanager
def _offline() -> Iterator[None]:
    """Keep both libraries from asking the network, which they do even for what they have."""
    import datasets.config
    import huggingface_hub.constants

    switches = [
        (module, name)
        for module in (datasets.config, huggingface_hub.constants)
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
        if hasattr(module, name)
    ]
    before = [getattr(module, name) for module, name in switches]
    try:
        for module, name in switches:
            setattr(module, name, True)
        yield
    finally:
        for (module, name), value in zip(switches, before, strict=True):
            setattr(module, name, value)
