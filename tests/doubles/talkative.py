"""Custom evaluators that say much before they fail: where they do is marked, for tests to look up."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

FAKE = (
    'Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n  File "x.py", line 1 in y'
)


def line_of(mark):
    """The number of the line that ends with this mark."""
    lines = Path(__file__).read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return found


def _say_all():
    print("by print")
    print("half a line", end="")
    print(file=sys.stderr)
    logging.getLogger("mine").warning("by logging")
    os.write(1, b"by the system\n")
    ctypes.CDLL(None).puts(b"by C")
    subprocess.run(["echo", "by a child"], check=True)


def raises(choices, budget, report):
    _say_all()
    try:
        {}["missing"]  # cause
    except KeyError as error:
        raise RuntimeError("on top") from error


def reports_wrongly(choices, budget, report):
    report("never", {"error": 1.0})  # report


def answers_wrongly(choices, budget, report):
    print("just so")
    return {"error": "much"}


def segfaults(choices, budget, report):
    _say_all()
    print(FAKE, file=sys.stderr)
    if choices.get("has_thread"):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    ctypes.string_at(0)  # crash


def aborts(choices, budget, report):
    ctypes.CDLL(None).printf(b"not a whole line")
    ctypes.CDLL(None).fflush(None)
    os.abort()  # abort


def exits(choices, budget, report):
    print("half a line", end="")
    os._exit(3)


def hangs(choices, budget, report):
    _say_all()
    time.sleep(600)  # hang


def takes_memory(choices, budget, report):
    print("taking")
    held = []
    while True:
        held.append(bytearray(10**6))
        time.sleep(0.001)


def lets_a_child_crash(choices, budget, report):
    if (child := os.fork()) == 0:
        ctypes.string_at(0)  # in a child
    os.waitpid(child, 0)
    raise RuntimeError("my child is gone")


def says_too_much(choices, budget, report):
    print("the first")
    print("\n".join("é" * 99 for _ in range(5_000)))
    print("the last")
    raise RuntimeError("x" * 100_000)


def is_quiet_but_once(choices, budget, report):
    print(f"x = {choices['x']}")
    if choices["x"] == 1:
        raise ValueError(f"\x1b[31mno {choices['x']}")
    return {"error": float(choices["x"])}


def fails_in_several_ways(choices, budget, report):
    x = choices["x"]
    print(f"x = {x}")
    if x in (1, 2, 3):
        raise ValueError(f"{x}.5 is too large")  # too large
    if x == 4:
        print("10 %\r50 %\r100 %\r")
        print("\x1b[31mred\x1b[0m and \x1b]0;title\a")
        raise RuntimeError("red")  # red
    if x == 5:
        raise MemoryError("no room")
    return {"error": float(x)}


def reports_its_crashes_itself(choices, budget, report):
    faulthandler.enable(file=sys.__stderr__)
    ctypes.string_at(0)  # own


def is_given_up_by_python(choices, budget, report):
    ctypes.pythonapi.Py_FatalError(b"my fault")  # fatal


def recurses_in_c(choices, budget, report):
    sys.setrecursionlimit(10**8)
    return repr(_Endless())


class _Endless:
    def __repr__(self):
        return repr(self)  # endless
