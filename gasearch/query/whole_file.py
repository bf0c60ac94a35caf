"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gasearch.errors import BadInput


def write_whole(path: Path, content: str | bytes | Callable[[Path], None]) -> None:
    """Write beside the file, sync, and rename: an old one stays whole if the disk is full, or the power fails.

    Args:
        path: The file; there is one already, or there isn't.
        content: Text, which is written as UTF-8, bytes, or what writes the file that it is given.

    Raises:
        BadInput: if it can't be written.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if callable(content):
            content(beside)
        else:
            beside.write_bytes(content.encode() if isinstance(content, str) else content)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise BadInput(f"can't write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            beside.unlink()
