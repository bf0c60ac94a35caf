"""The instructions of a function, counted by QEMU: on its board with a Cortex-M4, by the clock that instructions drive.

Debian's QEMU has no plugin that counts. But with `-icount` each instruction takes 2^N ns of the board's time, and a
timer of the board, read right before and right after the call, tells that time. QEMU has no board for a Cortex-M0+ with
room for networks: its code is executed by the Cortex-M4, which has all instructions of a Cortex-M0+.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gasearch_workers.measure.elf import Elf
from gasearch_workers.measure.thumb import STACK_BYTES, UNUSED, Call, EmulatorError

PROGRAM: Final = "qemu-system-arm"
BOARD: Final = "mps2-an386"
SECONDS: Final = 120
MEMORY_BYTES: Final = 0x40_0000  #: At 0 for the program, and at `RAM` for what it works on.
RAM: Final = 0x2000_0000
TIMER: Final = 0x4000_2000  #: It counts down at 25 MHz: load, value, control, ..., at 16 whether it passed 0.
SHIFT: Final = 7  #: An instruction takes 2^7 ns, which is 3.2 of the timer's ticks: it wraps after 1.3 G instructions.
TICK_NS: Final = 40
BETWEEN: Final = 2  #: Instructions between the two readings beside the function's: the call, and a reading.
_BLOCK: Final = struct.Struct("<3I")  #: Arguments of QEMU's services for programs ("semihosting").
_RESULTS: Final = struct.Struct("<4I")
_OPEN, _WRITE, _EXIT = 1, 5, 0x18
_DONE, _FAULT = 0x2_0026, 0x2_0023  #: Reasons of an exit: QEMU's status is 0, or 1.
_WRITTEN: Final = "ram"  #: The file that holds the memory at `RAM` afterwards.

Code = Sequence[int | tuple[int, int]]  #: Halfwords of Thumb code; (register, value): the value is loaded.


def has_qemu() -> bool:
    """Whether it is on PATH."""
    return shutil.which(PROGRAM) is not None


def call(elf: Elf, buffers: tuple[bytes, ...]) -> Call:
    """Call the entry of a program with pointers to buffers, four at most.

    Args:
        elf: The program.
        buffers: What the arguments point to; each may be written.

    Raises:
        EmulatorError: if the program has no room, or the call fails or doesn't return within `SECONDS`.
    """
    name = _WRITTEN.encode()
    open_at = RAM + _RESULTS.size
    write_at = open_at + _BLOCK.size
    name_at = write_at + _BLOCK.size
    places, end = [], _aligned(name_at + len(name) + 1)
    for buffer in buffers:
        places.append(end)
        end = _aligned(end + max(len(buffer), 1))
    stack_top = end + STACK_BYTES
    size = stack_top - RAM
    if size > MEMORY_BYTES:
        raise EmulatorError(f"the board {BOARD} has {MEMORY_BYTES} bytes of RAM; the call needs {size}")
    ram = bytearray(size)
    _RESULTS.pack_into(ram, 0, 0, 0, 0, 0)
    _BLOCK.pack_into(ram, open_at - RAM, name_at, 5, len(name))  # 5: as "wb"
    _BLOCK.pack_into(ram, write_at - RAM, 0, RAM, size)
    ram[name_at - RAM : name_at - RAM + len(name)] = name
    for at, buffer in zip(places, buffers, strict=True):
        ram[at - RAM : at - RAM + len(buffer)] = buffer
    ram[end - RAM :] = bytes([UNUSED]) * STACK_BYTES
    written = _run(_image(elf, places, stack_top, (open_at, write_at)), bytes(ram))
    result, before, after, has_wrapped = _RESULTS.unpack_from(written)
    if has_wrapped:
        raise EmulatorError("the call takes more instructions than QEMU's timer can count")
    unused = written[end - RAM :]
    return Call(
        result=result,
        instructions=round((before - after) * TICK_NS / 2**SHIFT) - BETWEEN,
        stack_bytes=len(unused.lstrip(bytes([UNUSED]))),
        buffers=tuple(written[at - RAM : at - RAM + len(buffer)] for at, buffer in zip(places, buffers, strict=True)),
    )


def _image(elf: Elf, places: Sequence[int], stack_top: int, blocks: tuple[int, int]) -> bytes:
    """The board's memory from 0 on: vectors, the code that calls, the program where it was linked."""
    arguments = list(enumerate(places))
    exits: Code = (0x2000 | _EXIT, (1, _DONE), 0xBEAB)
    code: Code = (
        *((4, TIMER), (0, 0xFFFF_FFFF), 0x6020, 0x2082, 0x60A0),  # load = r0; control = enabled, 32 bits
        *(*arguments, (5, elf.entry | 1)),
        *(0x6866, 0x47A8, 0x6867),  # r6 = value; call r5; r7 = value
        *(0x6925, (4, RAM), 0x6020, 0x6066, 0x60A7, 0x60E5),  # results = r0, r6, r7, whether the timer passed 0
        *(0x2000 | _OPEN, (1, blocks[0]), 0xBEAB),
        *((1, blocks[1]), 0x6008, 0x2000 | _WRITE, 0xBEAB),  # of the file that was opened
        *exits,
    )
    vectors = struct.calcsize("<16I")
    start = assemble(code)
    fault = assemble((0x2000 | _EXIT, (1, _FAULT), 0xBEAB))
    head = struct.pack("<16I", stack_top, vectors | 1, *[vectors + len(start) | 1] * 14) + start + fault
    end = max((at + len(content) for at, content in elf.segments), default=0)
    if end > MEMORY_BYTES or any(at < len(head) for at, _ in elf.segments):
        raise EmulatorError(f"the board {BOARD} has {MEMORY_BYTES} bytes for a program; this one lies elsewhere")
    image = bytearray(max(end, len(head)))
    image[: len(head)] = head
    for at, content in elf.segments:
        image[at : at + len(content)] = content
    return bytes(image)


def assemble(code: Code) -> bytes:
    """Thumb code with the values that it loads behind it, a multiple of four bytes; it begins at such a one."""
    values = [item[1] for item in code if isinstance(item, tuple)]
    words = -(-len(code) // 2)
    halves, loaded = [], 0
    for number, item in enumerate(code):
        if isinstance(item, int):
            halves.append(item)
            continue
        halves.append(0x4800 | item[0] << 8 | words + loaded - (number // 2 + 1))  # from the next word on
        loaded += 1
    halves += [0xBF00] * (2 * words - len(halves))
    return struct.pack(f"<{len(halves)}H{len(values)}I", *halves, *values)


def _run(image: bytes, ram: bytes) -> bytes:
    """The RAM after the call."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise EmulatorError(f"{PROGRAM} is not on PATH")
    with tempfile.TemporaryDirectory(prefix="gasearch-qemu-") as folder:
        Path(folder, "program").write_bytes(image)
        Path(folder, "before").write_bytes(ram)
        command = [found, "-machine", BOARD, "-nodefaults", "-nographic", "-monitor", "none", "-serial", "none"]
        command += ["-icount", f"shift={SHIFT}", "-semihosting-config", "enable=on,target=native"]
        command += ["-kernel", "program", "-device", f"loader,file=before,addr={RAM:#x},force-raw=on"]
        try:
            done = subprocess.run(  # noqa: S603
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise EmulatorError(f"the call took more than {SECONDS} s on QEMU") from None
        except OSError as error:
            raise EmulatorError(f"{PROGRAM} can't be started: {error}") from error
        said = done.stderr.decode(errors="replace").strip()[-300:]
        after = Path(folder, _WRITTEN)
        content = after.read_bytes() if done.returncode == 0 and after.exists() else b""
    if len(content) != len(ram):
        raise EmulatorError(f"the call failed on QEMU, which ended with status {done.returncode}: {said or 'a fault'}")
    return content


def _aligned(address: int) -> int:
    return -(-address // 8) * 8
