"""What a network takes in the forms for microcontrollers, where a search asks for it before anything is exported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from gasearch_workers.export.exporters import C99, GAP, TFLITE, Exporter
from gasearch_workers.measure.footprint import Footprint, footprint, toolchain
from gasearch_workers.measure.thumb import has_emulator
from gasearch_workers.messages import DEPLOYED, Microcontroller
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.runtimes.tflite_micro import arena_bytes
from gasearch_workers.runtimes.tflite_micro import version as micro_version

_COMPILER = "it needs a cross compiler: apt-get install gcc-arm-none-eabi, or pip install ziglang"
_EMULATOR = "it needs an emulator: pip install unicorn"
_MICRO = "it needs TFLite Micro: pip install --pre tflite-micro"


class NotMeasured(RuntimeError):
    """A metric that was asked for and that no tool here gave, with the reason."""


def why_not_here(wanted: Iterable[str]) -> dict[str, str]:
    """Of these `DEPLOYED` metrics the ones that can't be measured here, with what to install."""
    found: dict[str, str] = {}
    for name in sorted(wanted):
        if DEPLOYED[name] == TFLITE.name:
            reason = "" if micro_version() else _MICRO
        elif toolchain() is None:
            reason = _COMPILER
        else:
            reason = _EMULATOR if name == "instructions" and not has_emulator() else ""
        if reason:
            found[name] = reason
    return found


def deployed_metrics(network: IntegerNetwork, wanted: frozenset[str], cpu: Microcontroller) -> dict[str, float]:
    """Those of the `DEPLOYED` metrics that are wanted.

    Args:
        network: One that the forms can hold.
        wanted: Names; others than these are not looked at.
        cpu: Of the C form.

    Raises:
        NotMeasured: if a compiler, an emulator or an interpreter fails, or isn't there.
    """
    asked = sorted(wanted.intersection(DEPLOYED))
    found: dict[str, float | None] = {}
    absent = why_not_here(asked)
    if not absent and any(DEPLOYED[name] == C99.name for name in asked):
        taken = _footprint(network, cpu)
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


def _footprint(network: IntegerNetwork, cpu: Microcontroller) -> Footprint:
    with tempfile.TemporaryDirectory(prefix="gasearch-") as folder:
        for name, content in {**_written(network, GAP), **_written(network, C99)}.items():
            Path(folder, name).write_bytes(content)
        return footprint(Path(folder), cpu)


def _written(network: IntegerNetwork, form: Exporter) -> Mapping[str, bytes]:
    """A form's files, without samples."""
    return form.write(network, np.zeros((0, *network.plan.input_shape), network.input.dtype))
