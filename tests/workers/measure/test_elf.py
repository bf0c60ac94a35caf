"""Flash and RAM of a linked program, by its sections."""

import pytest
from gasearch_workers.measure.elf import ElfError, read_elf

from tests.workers.measure.elf_files import elf


def test_flash_holds_code_and_what_variables_begin_with_and_ram_the_variables():
    found = read_elf(elf(b"code" * 5, variables=b"var", zeros=100))
    assert (found.flash_bytes, found.code_bytes, found.ram_bytes) == (23, 20, 103)
    assert found.entry == 0x8001
    assert found.segments == ((0x8000, b"code" * 5 + b"var" + bytes(100)),)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a little-endian ELF file of 32 bits"),
        (b"\x7fELF\x02\x01" + bytes(60), "not a little-endian ELF file of 32 bits"),
        (elf(b"code")[:40], "cut off"),
        (elf(b"code")[:-8], "cut off"),
    ],
)
def test_what_is_no_whole_program_is_refused(content, words):
    with pytest.raises(ElfError, match=words):
        read_elf(content)
