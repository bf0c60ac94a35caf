"""Custom evaluators that leave one thing each behind in their process, and one that looks for all of it."""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import decimal
import faulthandler
import fcntl
import gc
import json
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy as np
import torch

VARIABLE = contextvars.ContextVar("VARIABLE", default=0)
FOLDER = tempfile.gettempdir()


def looks(choices, budget, report):
    """Writes what it finds to a file: how its process is set, and what its random generators give."""
    found = {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "umask": _umask(),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if "RLIMIT_" in name},
        "signals": [str(signal.getsignal(number)) for number in sorted(set(signal.Signals) - {9, 19})],
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "event loop": _has_event_loop(),
        "variable": VARIABLE.get(),
        "timers": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        "cores": sorted(os.sched_getaffinity(0)),
        "priority": os.nice(0),
        "group": os.getpgrp() == os.getpid(),
        "outputs": os.fstat(1).st_ino == os.fstat(2).st_ino,
        "input": os.path.realpath("/proc/self/fd/0"),
        "streams": [getattr(stream, "closed", "none") for stream in (sys.stdin, sys.__stdout__, sys.stderr)],
        "hooks": [str(sys.excepthook), str(sys.displayhook)],
        "path": [sys.path, sys.argv[:1], tempfile.gettempdir() == FOLDER],
        "interpreter": [sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace() is None],
        "collector": [gc.isenabled(), gc.get_threshold()],
        "warnings": [str(one) for one in warnings.filters],
        "clock": str(time.time),
        "built-in names": str(builtins.print),
        "logging": [logging.root.level, len(logging.root.handlers), logging.root.manager.disable],
        "locale": locale.setlocale(locale.LC_ALL),
        "sockets": socket.getdefaulttimeout(),
        "decimal": decimal.getcontext().prec,
        "processes": multiprocessing.get_start_method(allow_none=True),
        "numpy": np.geterr(),
        "threads": threading.active_count(),
        "torch": [
            str(torch.get_default_dtype()),
            str(torch.get_default_device()),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            sys.float_info.min / 2,
        ],
        "random": [random.random(), float(np.random.random()), float(torch.rand(1))],
    }
    with open(choices["file"], "w") as file:
        json.dump(found, file)
    return {"error": 0.0}


def _has_event_loop():
    """Whether asyncio gives one: not once any has been run."""
    with warnings.catch_warnings(action="ignore"):
        try:
            asyncio.get_event_loop().close()
        except RuntimeError:
            return False
    return True


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Other:
    def write(self, text):
        return len(text)

    def flush(self):
        return None


def _set_environment():
    os.environ["LEFT_BEHIND"] = "1"
    os.environ.pop("PATH")
    os.environ["TZ"] = "Asia/Tokyo"


def _set_streams():
    sys.stdout, sys.stderr, sys.stdin = _Other(), _Other(), None


def _start_thread():
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def _set_loggers():
    logging.basicConfig(level=logging.DEBUG)
    logging.disable(logging.ERROR)


def _open_many():
    _start_thread.kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]


def _redirect():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _set_locale():
    locale.setlocale(locale.LC_ALL, "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8")


LEAVES = {
    "another environment": lambda: setattr(os, "environ", {"PATH": "/nowhere"}),
    "blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
    "event loop": lambda: asyncio.run(asyncio.sleep(0)),
    "variable": lambda: VARIABLE.set(1),
    "environment": _set_environment,
    "folder": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o777),
    "soft limit": lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (16, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    ),
    "hard limit": lambda: resource.setrlimit(resource.RLIMIT_NPROC, (50, 50)),
    "signals": lambda: [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGCHLD)],
    "timers": lambda: (signal.signal(signal.SIGALRM, signal.SIG_IGN), signal.alarm(1)),
    "cores": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "priority": lambda: os.nice(3),
    "outputs": _redirect,
    "closed input": lambda: os.close(0),
    "streams": _set_streams,
    "closed stream": lambda: sys.__stdout__.close(),
    "hooks": lambda: setattr(sys, "excepthook", print),
    "path": lambda: (sys.path.insert(0, "/nowhere"), sys.argv.insert(0, "me"), setattr(tempfile, "tempdir", "/")),
    "recursion": lambda: sys.setrecursionlimit(250),
    "trace": lambda: sys.settrace(lambda *arguments: None),
    "collector": gc.disable,
    "warnings": lambda: warnings.simplefilter("error"),
    "clock": lambda: setattr(time, "time", lambda: "noon"),
    "built-in names": lambda: setattr(builtins, "print", id),
    "logging": _set_loggers,
    "locale": _set_locale,
    "sockets": lambda: socket.setdefaulttimeout(0.001),
    "decimal": lambda: setattr(decimal.getcontext(), "prec", 3),
    "processes": lambda: multiprocessing.set_start_method("spawn", force=True),
    "numpy": lambda: np.seterr(all="raise"),
    "threads": _start_thread,
    "descriptors": _open_many,
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "torch's threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "gradients": lambda: torch.set_grad_enabled(False),
    "inference": lambda: torch.inference_mode().__enter__(),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "denormal numbers": lambda: torch.set_flush_denormal(True),
    "random": lambda: (random.seed(1), np.random.seed(1), torch.manual_seed(1)),
}


def leaves(choices, budget, report):
    """Leaves what the choices name."""
    LEAVES[choices["what"]]()
    return {"error": 0.0}


def is_stopped(choices, budget, report):
    LEAVES[choices["what"]]()
    report(1, {"error": 2.0})


def takes_half(choices, budget, report):
    """Keeps more memory with each evaluation."""
    _set_streams.kept = [*getattr(_set_streams, "kept", ()), bytearray(b"x" * 60_000_000)]
    return {"error": 0.0, "process": float(os.getpid())}


def tells_its_process(choices, budget, report):
    if choices["fails"]:
        raise RuntimeError("mine")
    return {"process": float(os.getpid())}


def tells_its_threads(choices, budget, report):
    """Of torch, and of a program that it starts."""
    code = "import os; print(os.environ['OMP_NUM_THREADS'])"
    child = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, check=True)
    return {"torch": float(torch.get_num_threads()), "child": float(child.stdout)}


# --- what only one can have, or finds only once -----------------------------------------------------------------


def keeps_a_port(choices, budget, report):
    _redirect.kept = socket.create_server(("127.0.0.1", choices["port"]))
    return {"error": 0.0}


def keeps_a_lock(choices, budget, report):
    _redirect.kept = open(choices["file"], "w")  # noqa: SIM115 - left open
    fcntl.flock(_redirect.kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return {"error": 0.0}


def waits_for_any_child(choices, budget, report):
    """Starts two, waits for one."""
    numbers = {os.posix_spawn("/bin/true", ["true"], {}) for _ in range(2)}
    assert os.wait()[0] in numbers
    time.sleep(0.1)
    return {"error": 0.0}


def sets_a_watchdog(choices, budget, report):
    """It ends the process later."""
    faulthandler.dump_traceback_later(0.5, exit=True)
    return {"error": 0.0}


def takes_a_second(choices, budget, report):
    time.sleep(1.0)
    return {"error": 0.0}
