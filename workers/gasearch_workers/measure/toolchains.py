"""The cross compilers for ARM that this machine has, in the order in which they are preferred."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from gasearch_workers.messages import CROSS_COMPILERS, Microcontroller
from gasearch_workers.runtimes.c99 import CompilerError, execute

VERSION_SECONDS: Final = 30
GCC, ZIG = CROSS_COMPILERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A cross compiler for ARM."""

    name: str  #: One of `CROSS_COMPILERS`.
    command: tuple[str, ...]
    asks_version: tuple[str, ...]  #: The command that prints it.
    flags: Callable[[Microcontroller], tuple[str, ...]]
    libraries: tuple[str, ...] = ()

    def version(self) -> str:
        """Its version alone.

        Raises:
            CompilerError: if it doesn't say.
        """
        said = execute(self.asks_version, seconds=VERSION_SECONDS).decode(errors="replace")
        return said.partition("\n")[0].strip()

    def label(self) -> str:
        """Name and version, as they stand beside figures; the name alone where it doesn't say its version."""
        try:
            return f"{self.name} {self.version()}".strip()
        except CompilerError:
            return self.name


def toolchain(name: str = "") -> Toolchain | None:
    """The compiler of that name, or the first of `CROSS_COMPILERS` that is here; None where there is none.

    `arm-none-eabi-gcc` comes first: most firmware is compiled with it. It is looked for on PATH; `zig` is, too, and
    else taken from the Python module ziglang.
    """
    return next((found for one in CROSS_COMPILERS if name in ("", one) and (found := _FINDERS[one]())), None)


def _gcc() -> Toolchain | None:
    found = shutil.which(GCC)
    if found is None:
        return None
    return Toolchain(
        name=GCC,
        command=(found,),
        asks_version=(found, "-dumpfullversion"),
        flags=lambda cpu: (f"-mcpu={cpu}", "-mthumb", "-nostdlib", "-fno-tree-loop-distribute-patterns"),
        libraries=("-lgcc",),
    )


def _zig() -> Toolchain | None:
    found = shutil.which("zig") or _module_zig()
    if found is None:
        return None
    return Toolchain(
        name=ZIG,
        command=(found, "cc"),
        asks_version=(found, "version"),
        flags=lambda cpu: ("-target", "thumb-freestanding-eabi", f"-mcpu={cpu.replace('-', '_')}"),
    )


def _module_zig() -> str | None:
    """The program in the Python module."""
    module = find_spec("ziglang")
    places = [] if module is None else list(module.submodule_search_locations or ())
    return shutil.which("zig", path=os.pathsep.join(places)) if places else None


_FINDERS: Final[dict[str, Callable[[], Toolchain | None]]] = {GCC: _gcc, ZIG: _zig}
