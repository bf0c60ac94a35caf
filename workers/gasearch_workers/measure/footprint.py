"""What an artifact's C form takes on a microcontroller: read off a program that a cross compiler has linked.

The program is the network alone, with what the compiler's own library adds for it (products of 64 bits, floats). The
instructions are counted on an emulated CPU. What no tool here can say is absent, with the reason.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

import numpy as np

from gasearch_workers.measure.elf import Elf, read_elf
from gasearch_workers.measure.emulators import call, emulator
from gasearch_workers.measure.thumb import Call, EmulatorError
from gasearch_workers.measure.toolchains import Toolchain, toolchain
from gasearch_workers.messages import Microcontroller
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.steps import UNKNOWN
from gasearch_workers.runtimes.c99 import CompilerError, compile_files, genuine_source

CPUS: Final[tuple[Microcontroller, ...]] = get_args(Microcontroller)  #: Without a floating-point unit.
ENTRY: Final = "gasearch_predict"
_COMMON: Final = ("-std=c99", "-Os", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What the network takes on one CPU; None is absent, and `absent` says why, by the field's name."""

    cpu: str
    toolchain: str | None = None  #: With its version.
    emulator: str | None = None  #: What counted.
    flash_bytes: int | None = None  #: Code and constants.
    code_bytes: int | None = None  #: The code of these, with what the compiler's own library adds.
    ram_bytes: int | None = None  #: The static array; neither the sample, the outputs nor the stack.
    stack_bytes: int | None = None  #: At most, during one call.
    instructions: int | None = None  #: Of one inference: a sample of middling values, a sequence of full length.
    absent: Mapping[str, str] = field(default_factory=dict)


def footprint(directory: Path, cpu: Microcontroller = "cortex-m4", compiler: str = "") -> Footprint:
    """What an artifact with a C form takes on a CPU.

    Args:
        directory: The artifact.
        cpu: See `CPUS`.
        compiler: "arm-none-eabi-gcc" or "zig"; "": the first of these that is here.

    Raises:
        ValueError: if the CPU is unknown, or the folder's C is not what this version writes for its packed file.
        OSError: if the folder can't be read.
    """
    if cpu not in CPUS:
        raise ValueError(f"cpu must be one of {', '.join(CPUS)}; got {cpu!r}")
    network, files = genuine_source(directory)
    found = toolchain(compiler)
    if found is None:
        missing = f"{compiler} is not here" if compiler else "neither arm-none-eabi-gcc nor zig is here"
        reason = f"no cross compiler: {missing}"
        return Footprint(cpu=cpu, absent=dict.fromkeys((*_LINKED, *_EMULATED), reason))
    try:
        elf = link(files, cpu, found)
    except CompilerError as error:
        return Footprint(cpu=cpu, toolchain=found.name, absent=dict.fromkeys((*_LINKED, *_EMULATED), str(error)))
    called, reason = _call(network, elf, cpu)
    return Footprint(
        cpu=cpu,
        toolchain=found.label(),
        emulator=None if called is None else emulator(),
        flash_bytes=elf.flash_bytes,
        code_bytes=elf.code_bytes,
        ram_bytes=elf.ram_bytes,
        stack_bytes=None if called is None else called.stack_bytes,
        instructions=None if called is None else called.instructions,
        absent={} if called is not None else dict.fromkeys(_EMULATED, reason),
    )


_LINKED: Final = ("flash_bytes", "code_bytes", "ram_bytes")
_EMULATED: Final = ("stack_bytes", "instructions")


def link(files: Mapping[str, bytes], cpu: Microcontroller, chain: Toolchain) -> Elf:
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


def call_on(network: IntegerNetwork, elf: Elf, cpu: Microcontroller, sample: np.ndarray) -> tuple[Call, np.ndarray]:
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


def _call(network: IntegerNetwork, elf: Elf, cpu: Microcontroller) -> tuple[Call | None, str]:
    """One call, or the reason why there is none."""
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
