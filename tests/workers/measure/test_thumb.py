"""Calls on an emulated Cortex-M, by Thumb code written by hand."""

import struct

import pytest
from gasearch_workers.measure import thumb
from gasearch_workers.measure.elf import read_elf

from tests.workers.measure.elf_files import elf

needs_emulator = pytest.mark.skipif(not thumb.has_emulator(), reason="the extra firmware is not installed")
PUSH, POP_AND_RETURN, RETURN, LOOP = 0xB510, 0xBD10, 0x4770, 0xE7FE
LOAD_BYTE, ADD_THREE, STORE_BYTE, ZERO = 0x7802, 0x3203, 0x700A, 0x2000  # r2 = *r0; r2 += 3; *r1 = r2; r0 = 0


def program(*halves):
    return read_elf(elf(struct.pack(f"<{len(halves)}H", *halves)))


@needs_emulator
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus"])
def test_a_call_reads_and_writes_its_buffers_and_is_counted(cpu):
    elf = program(PUSH, LOAD_BYTE, ADD_THREE, STORE_BYTE, ZERO, POP_AND_RETURN)
    called = thumb.call(elf, cpu, (b"\x05\x06", b"\0"))
    assert called.buffers == (b"\x05\x06", b"\x08")
    assert (called.result, called.instructions, called.stack_bytes) == (0, 6, 8)


@needs_emulator
def test_an_endless_call_is_ended(monkeypatch):
    monkeypatch.setattr(thumb, "SECONDS", 0.05)
    with pytest.raises(thumb.EmulatorError, match=r"took more than 0\.05 s"):
        thumb.call(program(LOOP), "cortex-m4", (b"", b""))


@needs_emulator
def test_an_instruction_that_there_is_not_stops_it():
    with pytest.raises(thumb.EmulatorError, match="the emulated cortex-m0plus stopped"):
        thumb.call(program(0xDE00), "cortex-m0plus", (b"", b""))


def test_instructions_of_two_and_four_bytes_are_told_apart():
    assert thumb.count_thumb(struct.pack("<6H", 0x2000, 0xF000, 0xF801, 0xE7FE, 0xEA4F, 0x0001)) == 4
