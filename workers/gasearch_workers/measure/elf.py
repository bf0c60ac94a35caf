"""What a linked 32-bit ELF file occupies: its sections, its loaded bytes and its entry; little-endian, as ARM's are."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_IDENTITY: Final = b"\x7fELF\x01\x01"  # 32 bits, little-endian
_HEADER: Final = struct.Struct("<16xHHIIIIIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIIIIIII")
_SECTION: Final = struct.Struct("<IIIIIIIIII")
_LOAD, _NOBITS, _WRITE, _ALLOC, _CODE = 1, 8, 1, 2, 4


class ElfError(ValueError):
    """No 32-bit ELF file, or one that is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """A program as it is loaded."""

    entry: int  #: Address; of Thumb code with its lowest bit set.
    segments: tuple[tuple[int, bytes], ...]  #: (address, bytes), zeros included.
    flash_bytes: int  #: Code, constants, and the values that variables begin with.
    code_bytes: int  #: The code of these; no constants.
    ram_bytes: int  #: Variables.


def read_elf(content: bytes) -> Elf:
    """A program by its file.

    Raises:
        ElfError: if it is none.
    """
    if not content.startswith(_IDENTITY):
        raise ElfError("not a little-endian ELF file of 32 bits")
    try:
        return _read(content)
    except struct.error as error:
        raise ElfError(f"an ELF file that is cut off: {error}") from error


def _read(content: bytes) -> Elf:
    header = _HEADER.unpack_from(content)
    entry, segments_at, sections_at = header[3:6]
    segment_count, section_count = header[9], header[11]
    segments = []
    for number in range(segment_count):
        kind, offset, address, _, size, whole, *_ = _SEGMENT.unpack_from(content, segments_at + number * _SEGMENT.size)
        if kind == _LOAD and whole:
            segments.append((address, content[offset : offset + size].ljust(whole, b"\0")))
    flash = code = ram = 0
    for number in range(section_count):
        _, kind, flags, _, _, size, *_ = _SECTION.unpack_from(content, sections_at + number * _SECTION.size)
        if flags & _ALLOC:
            flash += size if kind != _NOBITS else 0
            code += size if flags & _CODE else 0
            ram += size if flags & _WRITE else 0
    return Elf(entry=entry, segments=tuple(segments), flash_bytes=flash, code_bytes=code, ram_bytes=ram)
