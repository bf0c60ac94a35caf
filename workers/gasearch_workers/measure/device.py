"""The name of the device that runs the networks: the CPU's model, as its maker calls it."""

from __future__ import annotations

import platform
import re
import subprocess
from functools import cache
from pathlib import Path

_MODEL = re.compile(r"^(?:model name|Model|cpu model|Hardware)\s*:\s*(.+)$", re.MULTILINE)
_CPUINFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")  #: ARM boards: /proc/cpuinfo may name no model.
_SYSCTL = "/usr/sbin/sysctl"  #: macOS.


@cache
def device_name() -> str:
    """This machine's CPU, e.g. "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"; at least its architecture. Never empty."""
    name = parse_cpuinfo(_read(_CPUINFO)) or _read(_BOARD).strip("\0") or _ask_macos() or platform.processor()
    return " ".join(name.split()) or platform.machine() or "unknown CPU"


def parse_cpuinfo(text: str) -> str:
    """The model in the text of /proc/cpuinfo; "" where it names none."""
    found = _MODEL.search(text)
    return found.group(1).strip() if found else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _ask_macos() -> str:
    if platform.system() != "Darwin":
        return ""
    answer = subprocess.run(  # noqa: S603
        [_SYSCTL, "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
