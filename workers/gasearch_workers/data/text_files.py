"""Text files, plain or gzipped, as strings; every error knows its line."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.files import check_file

MOST_BYTES = 2**28  #: Of one unpacked text file; read as cells it takes some twenty times as much memory.


def read_text(path: Path, *, fallback: str | None = None) -> str:
    """The file's content without a byte-order mark at its beginning.

    Args:
        path: Of a UTF-8 text; gzipped where the name ends in `.gz`.
        fallback: The encoding of a file that is known not to be UTF-8.

    Raises:
        DataError: if the file can't be read, is empty, too large, or no text of that encoding, with the line.
    """
    content = _read_bytes(path)
    if not content.strip():
        raise DataError(f"{path}: expected data; the file holds nothing but white space")
    if b"\0" in content:
        raise DataError(f"{path}:{_line(content, content.index(0))}: expected text; got a zero byte")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if fallback is not None:
            return content.decode(fallback)
        raise DataError(
            f"{path}:{_line(content, error.start)}: expected text in UTF-8; got the byte 0x{content[error.start]:02x}"
        ) from error


def read_lines(path: Path, *, fallback: str | None = None) -> list[str]:
    r"""The lines of `read_text` without their ends; what stands behind the last end of line counts if it isn't empty.

    Only \n and \r\n end a line: sentences may hold the other characters that Python's `splitlines` breaks at.
    """
    lines = read_text(path, fallback=fallback).split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def find_text(path: Path) -> Path | None:
    """The path itself or its gzipped twin, whichever is a file."""
    return next((one for one in (path, path.with_name(path.name + ".gz")) if one.is_file()), None)


def plain_suffix(path: Path) -> str:
    """The suffix in lower case, that before `.gz` where the file is gzipped."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def plain_stem(path: Path) -> str:
    """The file's name without its suffix, and without `.gz`."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


def _read_bytes(path: Path) -> bytes:
    check_file(path)
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a text file; it can't be read ({error})") from error
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: expected at most {MOST_BYTES} bytes of text, unpacked; got more (an .npz takes less)")
    return content


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
