"""Where a search keeps the weights that it has trained, for the children of its networks."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gasearch.errors import BadInput
from gasearch.settings import cache_folder
from gasearch.storage.records import SearchRecord


def weights_folder(record: SearchRecord) -> Path:
    """A folder of the search's own, whether it is there or not.

    Other searches never read it, so what a search finds doesn't depend on what ran before it.
    """
    identity = f"{record.spec_hash}/{record.data_json}/{record.name}/{record.created_at.isoformat()}"
    return _root() / hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


def make_folder(folder: str) -> None:
    """Make it, where it isn't there.

    Raises:
        BadInput: if it can't be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error


@contextmanager
def marked_root() -> Iterator[str]:
    """A file beside the folders of all searches, there for as long as the context: who sees it, shares them.

    Raises:
        BadInput: if it can't be made.
    """
    make_folder(str(_root()))
    try:
        descriptor, mark = tempfile.mkstemp(prefix="controller-", dir=_root())
    except OSError as error:
        raise _unusable(str(_root()), error) from error
    os.close(descriptor)
    try:
        yield mark
    finally:
        Path(mark).unlink(missing_ok=True)


def _root() -> Path:
    return cache_folder() / "weights"


def _unusable(folder: str, error: OSError) -> BadInput:
    why = f"inherited weights need a folder, and {folder} can't be made: {error.strerror}"
    return BadInput(f"{why}; name another one by GASEARCH_CACHE")
