"""Calls on QEMU's board, by Thumb code written by hand; counted to the last instruction."""

import struct

import pytest
from gasearch_workers.measure import qemu, thumb
from gasearch_workers.measure.elf import read_elf

from tests.workers.measure.elf_files import elf
from tests.workers.measure.test_thumb import (
    ADD_THREE,
    LOAD_BYTE,
    LOOP,
    POP_AND_RETURN,
    PUSH,
    RETURN,
    STORE_BYTE,
    ZERO,
    needs_emulator,
    program,
)

needs_qemu = pytest.mark.skipif(not qemu.has_qemu(), reason="qemu-system-arm is not installed")
DOWN, AGAIN = 0x3801, 0xD1FD  #: r0 -= 1; one back, unless that made 0
COPIES = (PUSH, LOAD_BYTE, ADD_THREE, STORE_BYTE, ZERO, POP_AND_RETURN)
#: r0 = 0x55 << 8, then that many times two instructions.
COUNTS = (0x2055, 0x0200, DOWN, AGAIN, RETURN)


@needs_qemu
def test_a_call_reads_and_writes_its_buffers_and_is_counted():
    called = qemu.call(program(*COPIES), (b"\x05\x06", b"\0"))
    assert called.buffers == (b"\x05\x06", b"\x08")
    assert (called.result, called.instructions, called.stack_bytes) == (0, 6, 8)


@needs_qemu
def test_each_instruction_of_a_long_loop_is_counted():
    assert qemu.call(program(*COUNTS), (b"", b"")).instructions == 3 + 2 * 0x5500


@needs_qemu
@needs_emulator
@pytest.mark.parametrize("code", [COPIES, COUNTS])
def test_both_emulators_find_the_same(code):
    found = qemu.call(program(*code), (b"\x05\x06", b"\0"))
    assert found == thumb.call(program(*code), "cortex-m0plus", (b"\x05\x06", b"\0"))


@needs_qemu
def test_an_endless_call_is_ended(monkeypatch):
    monkeypatch.setattr(qemu, "SECONDS", 0.2)
    with pytest.raises(thumb.EmulatorError, match=r"took more than 0\.2 s"):
        qemu.call(program(LOOP), (b"", b""))


@needs_qemu
def test_an_instruction_that_there_is_not_is_a_failure():
    with pytest.raises(thumb.EmulatorError, match="the call failed on QEMU, which ended with status 1"):
        qemu.call(program(0xDE00), (b"", b""))


@pytest.mark.parametrize("address", [0x20, qemu.MEMORY_BYTES - 2])
def test_a_program_that_lies_where_the_board_has_no_room_is_refused(address):
    with pytest.raises(thumb.EmulatorError, match="this one lies elsewhere"):
        qemu.call(read_elf(elf(struct.pack("<2H", ZERO, RETURN), address=address)), (b"", b""))


def test_buffers_that_the_board_has_no_room_for_are_refused():
    with pytest.raises(thumb.EmulatorError, match=r"the board mps2-an386 has 4194304 bytes of RAM"):
        qemu.call(program(RETURN), (bytes(qemu.MEMORY_BYTES), b""))


def test_values_stand_behind_the_code_that_loads_them():
    content = qemu.assemble([(1, 0xDEADBEEF), 0x4770, (2, 7)])
    assert content == struct.pack("<4H2I", 0x4901, 0x4770, 0x4A01, 0xBF00, 0xDEADBEEF, 7)


def test_without_it_on_path_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not qemu.has_qemu()
    with pytest.raises(thumb.EmulatorError, match="qemu-system-arm is not on PATH"):
        qemu.call(program(RETURN), (b"", b""))
