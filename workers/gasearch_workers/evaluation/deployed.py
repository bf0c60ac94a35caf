"""What a network takes in the forms for microcontrollers, where a search asks for it before anything is exported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from gasearch_workers.export.exporters import C99, GAP, TFLITE, Exporter
from gasearch_workers.measure.emulators import emulator
from gasearch_workers.measure.footprint import Footprint, footprint
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import DEPLOYED, Microcontroller
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.runtimes.tflite_micro import arena_bytes
from gasearch_workers.runtimes.tflite_micro import version as micro_version

_COMPILERS = {
    "": "a cross compiler: apt-get install gcc-arm-none-eabi, or pip install 'gasearch[firmware]'",
    "arm-none-eabi-gcc": "the cross compiler arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi",
    "zig": "the cross compiler zig: pip install 'gasearch[firmware]'",
}
_EMULATOR = "it needs an emulator: apt-get install qemu-system-arm, or pip install 'gasearch[firmware]'"
_MICRO = "it needs TFLite Micro: pip install 'gasearch[tflite]'"


class NotMeasured(RuntimeError):
    """A metric that was asked for and that no tool here gave, with the reason."""


def why_not_here(wanted: Iterable[str], compiler: str = "") -> dict[str, str]:
    """Of these `DEPLOYED` metrics the ones that can't be measured here, with what to install.

    Args:
        wanted: Names.
        compiler: One of `CROSS_COMPILERS`; "": any.
    """
    found: dict[str, str] = {}
    for name in sorted(wanted):
        if DEPLOYED[name] == TFLITE.name:
            reason = "" if micro_version() else _MICRO
        elif toolchain(compiler) is None:
            reason = f"it needs {_COMPILERS[compiler]}"
        else:
            reason = _EMULATOR if name == "instructions" and emulator() is None else ""
        if reason:
            found[name] = reason
    return found


def compiled_by(wanted: Iterable[str], compiler: str = "") -> str:
    """The cross compiler by which these metrics are measured here, with its version; "" where none is needed.

    Args:
        wanted: Names, of `DEPLOYED` metrics and others.
        compiler: One of `CROSS_COMPILERS`; "": the first that is here.
    """
    found = toolchain(compiler) if any(DEPLOYED.get(name) == C99.name for name in wanted) else None
    return "" if found is None else found.label()


def deployed_metrics(
    network: IntegerNetwork, wanted: frozenset[str], cpu: Microcontroller, compiler: str = ""
) -> dict[str, float]:
    """Those of the `DEPLOYED` metrics that are wanted.

    Args:
        network: One that the forms can hold.
        wanted: Names; others than these are not looked at.
        cpu: Of the C form.
        compiler: Of the C form: one of `CROSS_COMPILERS`; "": the first that is here.

    Raises:
        NotMeasured: if a compiler, an emulator or an interpreter fails, or isn't there.
    """
    asked = sorted(wanted.intersection(DEPLOYED))
    found: dict[str, float | None] = {}
    absent = why_not_here(asked, compiler)
    if not absent and any(DEPLOYED[name] == C99.name for name in asked):
        taken = footprint_of(network, cpu, compiler)
        found |= {name: getattr(taken, name) for name, form in DEPLOYED.items() if form == C99.name}
        absent = dict(taken.absent)
    if not absent and "arena_bytes" in asked:
        found["arena_bytes"] = arena_bytes(_written(network, TFLITE)[TFLITE.files[0]])
    measured: dict[str, float] = {}
    for name in asked:
        value = found.get(name)
        if value is None:
            raise NotMeasured(f"{name} can't be measured: {absent.get(name, 'no tool gave it')}")
        measured[name] = float(value)
    return measured


def footprint_of(network: IntegerNetwork, cpu: Microcontroller, compiler: str = "") -> Footprint:
    """What the C form of a network takes on a CPU.

    Args:
        network: One that the form can hold.
        cpu: The CPU.
        compiler: One of `CROSS_COMPILERS`; "": the first that is here.
    """
    with tempfile.TemporaryDirectory(prefix="gasearch-") as folder:
        for name, content in {**_written(network, GAP), **_written(network, C99)}.items():
            Path(folder, name).write_bytes(content)
        return footprint(Path(folder), cpu, compiler)


def _written(network: IntegerNetwork, form: Exporter) -> Mapping[str, bytes]:
    """A form's files, without samples."""
    return form.write(network, np.zeros((0, *network.plan.input_shape), network.input.dtype))
