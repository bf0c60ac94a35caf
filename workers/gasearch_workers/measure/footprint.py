"""What an artifact's C form takes on a microcontroller: read off a program that a cross compiler has linked.

The program is the network alone, with what the compiler's own library adds for it (products of 64 bits, floats). The
instructions are counted on an emulated CPU. What no tool here can say is absent, with the reason.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from gasearch_workers.measure.elf import Elf, read_elf
from gasearch_workers.measure.thumb import Call, EmulatorError, call, has_emulator
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.steps import UNKNOWN
from gasearch_workers.runtimes.c99 import CompilerError, compile_files, execute, genuine_source

CPUS: Final = ("cortex-m4", "cortex-m0plus")  #: Without a floating-point unit.
ENTRY: Final = "gasearch_predict"
_COMMON: Final = ("-std=c99", "-Os", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")
VERSION_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A cross compiler for ARM."""

    name: str
    command: tuple[str, ...]
    version: tuple[str, ...]  #: The command that prints it.
    flags: Callable[[str], tuple[str, ...]]  #: For a CPU.
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What the network takes on one CPU; None is absent, and `absent` says why, by the field's name."""

    cpu: str
    toolchain: str | None = None  #: With its version.
    flash_bytes: int | None = None  #: Code and constants.
    ram_bytes: int | None = None  #: The static array; neither the sample, the outputs nor the stack.
    stack_bytes: int | None = None  #: At most, during one call.
    instructions: int | None = None  #: Of one inference: a sample of middling values, a sequence of full length.
    absent: Mapping[str, str] = field(default_factory=dict)


def footprint(directory: Path, cpu: str = "cortex-m4") -> Footprint:
    """What an artifact with a C form takes on a CPU.

    Raises:
        ValueError: if the CPU is unknown, or the folder's C is not what this version writes for its packed file.
        OSError: if the folder can't be read.
    """
    if cpu not in CPUS:
        raise ValueError(f"cpu must be one of {', '.join(CPUS)}; got {cpu!r}")
    network, files = genuine_source(directory)
    found = toolchain()
    if found is None:
        reason = (
            "no cross compiler: neither arm-none-eabi-gcc nor zig is on PATH, and there is no Python module ziglang"
        )
        return Footprint(cpu=cpu, absent=dict.fromkeys((*_LINKED, *_EMULATED), reason))
    try:
        elf = link(files, cpu, found)
        version = execute(found.version, seconds=VERSION_SECONDS).decode(errors="replace").partition("\n")[0].strip()
    except CompilerError as error:
        return Footprint(cpu=cpu, toolchain=found.name, absent=dict.fromkeys((*_LINKED, *_EMULATED), str(error)))
    called, reason = _call(network, elf, cpu)
    return Footprint(
        cpu=cpu,
        toolchain=f"{found.name} {version}",
        flash_bytes=elf.flash_bytes,
        ram_bytes=elf.ram_bytes,
        stack_bytes=None if called is None else called.stack_bytes,
        instructions=None if called is None else called.instructions,
        absent={} if called is not None else dict.fromkeys(_EMULATED, reason),
    )


_LINKED: Final = ("flash_bytes", "ram_bytes")
_EMULATED: Final = ("stack_bytes", "instructions")


def toolchain() -> Toolchain | None:
    """The cross compiler of this machine; None where there is none."""
    if gcc := shutil.which("arm-none-eabi-gcc"):
        return Toolchain(
            name="arm-none-eabi-gcc",
            command=(gcc,),
            version=(gcc, "-dumpfullversion"),
            flags=lambda cpu: (f"-mcpu={cpu}", "-mthumb", "-nostdlib", "-fno-tree-loop-distribute-patterns"),
            libraries=("-lgcc",),
        )
    zig = shutil.which("zig") or _module_zig()
    if zig is None:
        return None
    return Toolchain(
        name="zig",
        command=(zig, "cc"),
        version=(zig, "version"),
        flags=lambda cpu: ("-target", "thumb-freestanding-eabi", f"-mcpu={cpu.replace('-', '_')}"),
    )


def _module_zig() -> str | None:
    """The program in the Python module."""
    module = find_spec("ziglang")
    places = [] if module is None else list(module.submodule_search_locations or ())
    return shutil.which("zig", path=os.pathsep.join(places)) if places else None


def link(files: Mapping[str, bytes], cpu: str, chain: Toolchain) -> Elf:
    """A program of the C form alone, which begins with `gasearch_predict`.

    Args:
        files: Source and header, by name.
        cpu: See `CPUS`.
        chain: The compiler.

    Raises:
        CompilerError: if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="gasearch-c-") as folder:
        command: Sequence[str] = (*chain.command, *_COMMON, *chain.flags(cpu), f"-Wl,-e,{ENTRY}")
        program = compile_files(Path(folder), dict(files), command, libraries=chain.libraries)
        return read_elf(program.read_bytes())


def call_on(network: IntegerNetwork, elf: Elf, cpu: str, sample: np.ndarray) -> tuple[Call, np.ndarray]:
    """What one inference takes, and its outputs, float32 of the last step's shape.

    Args:
        network: That the program was linked of.
        elf: The program.
        cpu: See `CPUS`.
        sample: One raw sample, (*input_shape).

    Raises:
        EmulatorError: if it fails.
    """
    shape = network.plan.steps[-1].output_shape
    taken = sample.astype(network.input.dtype).tobytes()
    called = call(elf, cpu, (taken, bytes(4 * int(np.prod(shape)))))
    return called, np.frombuffer(called.buffers[1], np.float32).reshape(shape)


def _call(network: IntegerNetwork, elf: Elf, cpu: str) -> tuple[Call | None, str]:
    """One call, or the reason why there is none."""
    if not has_emulator():
        return None, "no emulator: pip install unicorn"
    try:
        return call_on(network, elf, cpu, _middling(network))[0], ""
    except EmulatorError as error:
        return None, str(error)


def _middling(network: IntegerNetwork) -> np.ndarray:
    """A sample as good as any: (*input_shape)."""
    plan = network.plan
    match plan.input_kind:
        case "image":
            return np.full(plan.input_shape, 128, np.uint8)
        case "table":
            return np.concatenate([network.input.mean, np.zeros(len(plan.categories), np.float32)])
        case "tokens":
            return np.full(plan.input_shape, UNKNOWN, np.int32)
        case _:
            return np.zeros(plan.input_shape, np.int32)
