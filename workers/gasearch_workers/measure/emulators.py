"""What counts the instructions of a call on an emulated Cortex-M: QEMU where it is on PATH, else the library unicorn.

They count alike, to the last instruction; QEMU takes a second, and unicorn several.
"""

from __future__ import annotations

from gasearch_workers.measure import qemu, thumb
from gasearch_workers.measure.elf import Elf
from gasearch_workers.measure.thumb import Call, EmulatorError
from gasearch_workers.messages import Microcontroller


def emulator() -> str | None:
    """The name of what counts here; None where nothing does."""
    if qemu.has_qemu():
        return qemu.PROGRAM
    return "unicorn" if thumb.has_emulator() else None


def call(elf: Elf, cpu: Microcontroller, buffers: tuple[bytes, ...]) -> Call:
    """Call the entry of a program with pointers to buffers, four at most.

    Args:
        elf: The program.
        cpu: Whose code it is.
        buffers: What the arguments point to; each may be written.

    Raises:
        EmulatorError: if nothing here emulates, or the call fails.
    """
    match emulator():
        case qemu.PROGRAM:
            return qemu.call(elf, buffers)
        case None:
            raise EmulatorError(f"no emulator: neither is {qemu.PROGRAM} on PATH, nor the library unicorn installed")
        case _:
            return thumb.call(elf, cpu, buffers)
