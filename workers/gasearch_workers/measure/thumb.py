"""An emulated Cortex-M, to count the instructions of a function: by the library unicorn, where it is installed."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from gasearch_workers.measure.elf import Elf

PAGE: Final = 0x1000
STACK_TOP, STACK_BYTES = 0x2100_0000, 0x1_0000
ARGUMENTS: Final = 0x6000_0000  #: Where the arguments lie, one after the other.
RETURN: Final = 0x1000_0000  #: The function returns to here: an address of code, which others are not allowed to be.
SECONDS: Final = 120
UNUSED: Final = 0xA5  #: Fills the stack; what is something else afterwards was used.


class EmulatorError(RuntimeError):
    """A function that doesn't return, or does what the emulated CPU can't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one call of a function came to."""

    result: int
    instructions: int
    stack_bytes: int
    buffers: tuple[bytes, ...]  #: The arguments' bytes afterwards.


def has_emulator() -> bool:
    """Whether the library is installed."""
    return find_spec("unicorn") is not None


def call(elf: Elf, cpu: str, buffers: tuple[bytes, ...]) -> Call:
    """Call the entry of a program with pointers to buffers, four at most.

    Args:
        elf: The program.
        cpu: "cortex-m4" or "cortex-m0plus".
        buffers: What the arguments point to; each may be written.

    Raises:
        EmulatorError: if the call doesn't return within `SECONDS`, or fails.
    """
    import unicorn  # an extra
    from unicorn import arm_const as arm

    models: Mapping[str, int] = {
        "cortex-m4": arm.UC_CPU_ARM_CORTEX_M4,
        "cortex-m0plus": arm.UC_CPU_ARM_CORTEX_M0,  # the same instructions
    }
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    machine.ctl_set_cpu_model(models[cpu])
    places = [ARGUMENTS + sum(_pages(len(before)) for before in buffers[:number]) for number in range(len(buffers))]
    _load(machine, [*elf.segments, *zip(places, buffers, strict=True)])
    machine.mem_map(STACK_TOP - STACK_BYTES, STACK_BYTES)
    machine.mem_write(STACK_TOP - STACK_BYTES, bytes([UNUSED]) * STACK_BYTES)
    machine.mem_map(RETURN, PAGE)
    registers = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3)
    for register, place in zip(registers, places, strict=False):
        machine.reg_write(register, place)
    machine.reg_write(arm.UC_ARM_REG_SP, STACK_TOP)
    machine.reg_write(arm.UC_ARM_REG_LR, RETURN | 1)
    counter = _Counter()
    machine.hook_add(unicorn.UC_HOOK_BLOCK, counter)
    try:
        machine.emu_start(elf.entry | 1, RETURN, timeout=int(SECONDS * 1_000_000))
    except unicorn.UcError as error:
        raise EmulatorError(f"the emulated {cpu} stopped: {error}") from error
    if machine.reg_read(arm.UC_ARM_REG_PC) & ~1 != RETURN:
        raise EmulatorError(f"the call took more than {SECONDS} s on the emulated {cpu}")
    unused = bytes(machine.mem_read(STACK_TOP - STACK_BYTES, STACK_BYTES))
    return Call(
        result=machine.reg_read(arm.UC_ARM_REG_R0),
        instructions=counter.instructions,
        stack_bytes=len(unused.lstrip(bytes([UNUSED]))),
        buffers=tuple(
            bytes(machine.mem_read(place, len(buffer))) for place, buffer in zip(places, buffers, strict=True)
        ),
    )


def _pages(size: int) -> int:
    """Bytes of the pages that hold so many."""
    return max(-(-size // PAGE), 1) * PAGE


def _load(machine: Any, contents: list[tuple[int, bytes]]) -> None:
    """Map the pages of these contents, some of which share one, and write them."""
    pages = {
        page
        for place, content in contents
        for page in range(place // PAGE, (place + max(len(content), 1) - 1) // PAGE + 1)
    }
    for page in sorted(pages):
        machine.mem_map(page * PAGE, PAGE)
    for place, content in contents:
        machine.mem_write(place, content)


class _Counter:
    """Counts the instructions of each block of code as it begins."""

    def __init__(self) -> None:
        self.instructions = 0
        self._lengths: dict[tuple[int, int], int] = {}

    def __call__(self, machine: Any, address: int, size: int, _: object) -> None:
        count = self._lengths.get((address, size))
        if count is None:
            count = self._lengths[address, size] = count_thumb(bytes(machine.mem_read(address, size)))
        self.instructions += count


def count_thumb(code: bytes) -> int:
    """Instructions of Thumb code: those whose first five bits are 11101 or more have four bytes, the others two."""
    at = count = 0
    while at + 1 < len(code):
        (half,) = struct.unpack_from("<H", code, at)
        at += 4 if half >> 11 >= 0b11101 else 2
        count += 1
    return count
