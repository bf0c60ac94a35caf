"""Files, plain or gzipped, as bytes and as text; every error names the file, that of a text its line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from gasearch_workers.data.dataset import DataError

MOST_BYTES = 2**28  #: Of one unpacked text file; read as cells it takes some twenty times as much memory.


def check_file(path: Path) -> None:
    """Refuse what is no file with something in it.

    Raises:
        DataError: saying what is there instead.
    """
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file")
        if not path.is_file():
            raise DataError(f"{path}: expected a file; this is {'a folder' if path.is_dir() else 'none'}")
        if path.stat().st_size == 0:
            raise DataError(f"{path}: expected data; the file is empty (0 bytes)")
    except OSError as error:  # a name that no file can have, for instance
        raise DataError(f"{path}: expected a file; it can't be read ({error.strerror})") from error


@contextmanager
def opened(path: Path, what: str) -> Iterator[BinaryIO]:
    """A file's content, unpacked where its name ends in `.gz`; errors say what was expected.

    Raises:
        DataError: if there is none, or it can't be read.
    """
    check_file(path)
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            yield cast("BinaryIO", file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected {what}; it can't be read ({error})") from error


def find_file(path: Path) -> Path | None:
    """The path itself, or its gzipped or unpacked twin, whichever is a file."""
    plain = path.with_name(path.name.removesuffix(".gz"))
    return next((one for one in (path, plain, plain.with_name(f"{plain.name}.gz")) if one.is_file()), None)


def plain_suffix(path: Path) -> str:
    """The suffix in lower case, that before `.gz` where the file is gzipped."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def plain_stem(path: Path) -> str:
    """The file's name without its suffix, and without `.gz`."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).stem


def read_text(path: Path, *, fallback: str | None = None) -> str:
    """A text in UTF-8, or else in the fallback, without a byte-order mark at its beginning.

    Raises:
        DataError: if the file can't be read, is empty, too large, or no text of that encoding, with the line.
    """
    with opened(path, "a text file") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: expected at most {MOST_BYTES} bytes of text, unpacked; got more (an .npz takes less)")
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
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
