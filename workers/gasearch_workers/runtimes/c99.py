"""The C form, compiled by this machine's compiler and run on raw samples in a process of its own.

A folder may come from anybody, so its C is never compiled: what is compiled is what this version writes for the
folder's packed file, and the folder's own files must be equal to it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.c99.files import FILES, to_c
from gasearch_workers.export.exporters import GAP
from gasearch_workers.export.packed import unpack
from gasearch_workers.network.integer import IntegerNetwork

COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-std=c99", "-O2")
VERSION_SECONDS, COMPILE_SECONDS, RUN_SECONDS = 10, 120, 600
SOURCE, HEADER, _ = FILES
PROGRAM: Final = "program"
#: Reads samples from stdin, writes outputs to stdout; ends with 2 for a code that has no row, 3 for a failure.
MAIN: Final = """\
#include <stdio.h>
#include "model.h"

int main(void)
{
    static gasearch_input_t input[GASEARCH_INPUTS];
    static float output[GASEARCH_OUTPUTS];
    while (fread(input, sizeof input[0], GASEARCH_INPUTS, stdin) == GASEARCH_INPUTS) {
        if (gasearch_predict(input, output) != 0)
            return 2;
        if (fwrite(output, sizeof output[0], GASEARCH_OUTPUTS, stdout) != GASEARCH_OUTPUTS)
            return 3;
    }
    return ferror(stdin) || fflush(stdout) ? 3 : 0;
}
"""


class CompilerError(RuntimeError):
    """No compiler, or one that failed; the message has the end of what it said."""


def compiler() -> str | None:
    """The path of this machine's C compiler; None where there is none."""
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


@cache
def version() -> str | None:
    """The first line of what the compiler says of itself; None where there is none that works."""
    found = compiler()
    if found is None:
        return None
    try:
        said = execute([found, "--version"], seconds=VERSION_SECONDS).decode(errors="replace")
    except CompilerError:
        return None
    return said.partition("\n")[0].strip() or Path(found).name


def run(directory: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of raw samples (B, *input_shape): float32 (B, *output_shape).

    Raises:
        CompilerError: if there is no compiler, it fails, or what it made does.
        ValueError: if the folder's C is not what this version writes for its packed file, or a sample doesn't fit.
        OSError: if the folder can't be read.
    """
    network, files = genuine_source(directory)
    if x.shape[1:] != network.plan.input_shape:
        raise ValueError(f"samples must have the shape {network.plan.input_shape}; got {x.shape[1:]}")
    found = compiler()
    if found is None:
        raise CompilerError(f"there is no C compiler: none of {', '.join(COMPILERS)} is on PATH")
    with tempfile.TemporaryDirectory(prefix="gasearch-c-") as folder:
        program = compile_files(Path(folder), {**files, "main.c": MAIN.encode()}, [found, *FLAGS])
        samples = np.ascontiguousarray(x.astype(network.input.dtype, copy=False))
        written = execute([str(program)], seconds=RUN_SECONDS, stdin=samples.tobytes())
    shape = (len(x), *network.plan.steps[-1].output_shape)
    outputs = np.frombuffer(written, np.float32)
    if outputs.size != int(np.prod(shape)):
        raise CompilerError(f"the program gave {outputs.size} numbers for {len(x)} samples, expected {shape}")
    return outputs.reshape(shape).copy()


def genuine_source(directory: Path) -> tuple[IntegerNetwork, dict[str, bytes]]:
    """A folder's network by its packed file, and the C source and header that this version writes for it.

    Raises:
        ValueError: if the folder's own files differ from these.
        OSError: if one can't be read.
    """
    network = unpack((directory / GAP.files[0]).read_bytes())
    written = to_c(network, np.zeros((0, *network.plan.input_shape), network.input.dtype))
    files = {name: written[name] for name in (SOURCE, HEADER)}
    for name, content in files.items():
        if (directory / name).read_bytes() != content:
            raise ValueError(
                f"{directory / name} is not what this version of gasearch writes for {GAP.files[0]}: edited, or "
                f"written by another version; it is not compiled. Export the network again"
            )
    return network, files


def compile_files(
    folder: Path, files: Mapping[str, bytes], command: Sequence[str], *, libraries: Sequence[str] = ()
) -> Path:
    """Compile and link files in a folder; returns the path of what was made.

    Args:
        folder: An empty one.
        files: Their content by name; those that end with .c are compiled.
        command: The compiler with its options.
        libraries: Options that stand behind the sources.

    Raises:
        CompilerError: if the compiler fails.
    """
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sources = [name for name in files if name.endswith(".c")]
    execute([*command, *sources, *libraries, "-o", PROGRAM], seconds=COMPILE_SECONDS, folder=folder)
    return folder / PROGRAM


def execute(command: Sequence[str], *, seconds: float, stdin: bytes = b"", folder: Path | None = None) -> bytes:
    """What a command writes to stdout.

    Args:
        command: An argument list.
        seconds: After these it is ended.
        stdin: What it reads.
        folder: In which it runs; None: this one.

    Raises:
        CompilerError: if it can't be started, takes too long, or doesn't end with status 0.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603
            list(command), input=stdin, capture_output=True, timeout=seconds, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired:
        raise CompilerError(f"{name} took more than {seconds} s") from None
    except OSError as error:
        raise CompilerError(f"{name} can't be started: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        reason = "a code of a sample has no row in its table" if done.returncode == 2 and not said else said
        raise CompilerError(f"{name} ended with status {done.returncode}: {reason}")
    return done.stdout
