"""Custom evaluators that do harm in one way each: to their process, their machine, their answer, or who comes after."""

from __future__ import annotations

import asyncio
import ctypes
import json
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

MEGABYTE = 10**6


def good(choices, budget, report):
    """What those that come after must answer."""
    report(1, {"error": 0.5})
    return {"error": float(choices["x"]), "cost": 1.0}


def any_of(choices, budget, report):
    """The one that the choices name, or a good one for a change."""
    name = choices["name"] if choices["turn"] == "harm" else "good"
    return globals()[name]({"x": 1, "is_long": True}, budget, report)


# --- they end their process -------------------------------------------------------------------------------------


def exits_at_once(choices, budget, report):
    print("my last words", file=sys.stderr, flush=True)
    os._exit(3)


def exits_as_if_all_were_well(choices, budget, report):
    os._exit(0)


def segfaults(choices, budget, report):
    ctypes.string_at(0)


def aborts(choices, budget, report):
    os.abort()


def kills_itself(choices, budget, report):
    os.kill(os.getpid(), signal.SIGKILL)


def kills_its_group(choices, budget, report):
    os.killpg(0, signal.SIGTERM)


def becomes_another_program(choices, budget, report):
    os.execv("/bin/sleep", ["sleep", "600"])


# --- they never end ---------------------------------------------------------------------------------------------


def sleeps(choices, budget, report):
    time.sleep(600)


def spins(choices, budget, report):
    while True:
        pass


def stops_itself(choices, budget, report):
    os.kill(os.getpid(), signal.SIGSTOP)


def blocks_in_c(choices, budget, report):
    ctypes.PyDLL(None).sleep(600)  # and holds Python's lock


def deadlocks(choices, budget, report):
    lock = threading.Lock()
    with lock:
        lock.acquire()


def catches_everything(choices, budget, report):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            time.sleep(600)
        except BaseException:
            continue


def waits_for_its_child(choices, budget, report):
    subprocess.run(["/bin/sh", "-c", "trap '' TERM; sleep 600 & wait"])


class Endless(dict):
    def items(self):
        while True:
            yield "error", 1.0


def answers_without_end(choices, budget, report):
    return Endless()


# --- they take too much -----------------------------------------------------------------------------------------


def takes_memory_at_once(choices, budget, report):
    return {"error": len(bytearray(20 * 2**30))}


def takes_memory_by_and_by(choices, budget, report):
    held = []
    while True:
        held.append(b"x" * (8 * MEGABYTE))
        time.sleep(0.002)


def takes_memory_with_torch(choices, budget, report):
    import torch

    return {"error": len(torch.empty(10**10))}


def lets_a_child_take_memory(choices, budget, report):
    hog = "import time; held = [b'x' * 8_000_000 for _ in range(64)]; time.sleep(600)"
    subprocess.run([sys.executable, "-S", "-c", hog])


def writes_a_large_file(choices, budget, report):
    with open(os.path.join(tempfile.gettempdir(), "large"), "wb") as file:
        for _ in range(10_000):
            file.write(bytes(MEGABYTE))


def fills_its_folder(choices, budget, report):
    for number in range(10_000):
        with open(os.path.join(tempfile.gettempdir(), f"{number}"), "wb") as file:
            file.write(bytes(MEGABYTE))
        time.sleep(0.002)


def starts_many_processes(choices, budget, report):
    for _ in range(300):
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
    os.wait()


def prints_much(choices, budget, report):
    line = "x" * 99_999
    for _ in range(2000 if choices.get("is_long") else 200):
        print(line)
        os.write(2, b"y" * 400_000)
    return good(choices, budget, report)


# --- they break what they answer through ------------------------------------------------------------------------


def closes_all_descriptors(choices, budget, report):
    os.closerange(0, 4096)
    return {"error": 1.0}


def writes_to_all_descriptors(choices, budget, report):
    for descriptor in range(64):
        try:
            os.write(descriptor, b"garbage" * 100)
        except OSError:
            continue
    return {"error": 1.0}


def patches_json(choices, budget, report):
    def broken(*arguments, **options):
        raise RuntimeError("patched")

    json.dumps = json.loads = json.JSONEncoder.encode = json.JSONDecoder.decode = pickle.dumps = pickle.loads = broken
    return {"error": 1.0}


def patches_the_system_s_calls(choices, budget, report):
    time.time = lambda: "noon"
    return good(choices, budget, report)


def answers_for_another(choices, budget, report):
    """Finds the channel by itself, and answers what was not asked."""
    from gasearch_workers.messages import EvaluationResult, Measurement
    from gasearch_workers.sandbox.channel import Answer, frame

    result = EvaluationResult(
        key="other",
        attempt=1,
        worker="me",
        device="",
        started_at=0.0,
        finished_at=0.0,
        outcome=Measurement(accuracy=1.0),
    )
    answer = frame(Answer(number=1, result=result, prepared=None, has_children=False))
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, answer)
        except OSError:
            continue
    time.sleep(600)


# --- they raise -------------------------------------------------------------------------------------------------


def exits(choices, budget, report):
    sys.exit(0)


def interrupts(choices, budget, report):
    raise KeyboardInterrupt


class Own(BaseException):
    pass


def raises_what_is_no_exception(choices, budget, report):
    raise Own("mine")


def cancels(choices, budget, report):
    raise asyncio.CancelledError


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raises_without_a_text(choices, budget, report):
    raise Speechless


def raises_with_an_odd_text(choices, budget, report):
    raise RuntimeError("null \0, half \udcff, bell \a" + "x" * 10_000)


def recurses(choices, budget, report):
    return recurses(choices, budget, report)


def raises_a_memory_error(choices, budget, report):
    raise MemoryError("mine")


# --- they answer what is no metric ------------------------------------------------------------------------------


class Sly:
    """A number that costs its reader something."""

    shape = ()

    def item(self):
        sys.exit("from within")


def _answers(value):
    def evaluate(choices, budget, report):
        return {"error": value() if callable(value) else value, "cost": 1.0}

    return evaluate


def _array(*shape):
    import numpy as np

    return np.full(shape, 0.5)


not_a_number = _answers(float("nan"))
infinite = _answers(float("-inf"))
none = _answers(None)
text = _answers("0.5")
complex_number = _answers(1j)
true = _answers(True)
too_large = _answers(1e300)
endless_whole_number = _answers(10**5000)
array = _answers(lambda: _array(2))
unpicklable = _answers(lambda: lambda: None)
sly = _answers(Sly)
long_text = _answers(lambda: "x" * (50 * MEGABYTE))
negative_zero = _answers(-0.0)
scalar_array = _answers(lambda: _array())


def nothing(choices, budget, report):
    return {}


def nobody(choices, budget, report):
    return None


def pairs(choices, budget, report):
    return [("error", 1.0)]


def too_few(choices, budget, report):
    return {"cost": 1.0}


def unknown(choices, budget, report):
    return good(choices, budget, report) | {"what": 3.0}


def very_many(choices, budget, report):
    return {f"metric_{number:050}": 1.0 for number in range(70_000)}


def reports_without_end(choices, budget, report):
    for step in range(50_000):
        report(step, {"error": 0.5})
    return {"error": 1.0}


# --- they leave something behind --------------------------------------------------------------------------------


def moves_away(choices, budget, report):
    os.chdir(tempfile.gettempdir())
    return good(choices, budget, report)


def changes_the_process(choices, budget, report):
    random.seed(1)
    os.umask(0o777)
    os.environ.clear()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout = sys.stderr = None
    sys.setrecursionlimit(60)
    return good(choices, budget, report)


def leaves_a_thread(choices, budget, report):
    def go_on():
        while True:
            time.sleep(0.001)

    threading.Thread(target=go_on, daemon=choices["x"] > 1).start()
    return good(choices, budget, report)


def leaves_a_child(choices, budget, report):
    subprocess.Popen(["/bin/sleep", "600"])
    return good(choices, budget, report)


def leaves_workers(choices, budget, report):
    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map(abs, range(4))
    globals()["kept"] = pool
    return good(choices, budget, report)


def leaves_a_daemon(choices, budget, report):
    """Twice forked, in a session of its own."""
    _become_a_daemon(["/bin/sleep", "600"], os.environ)
    return good(choices, budget, report)


def leaves_a_daemon_without_a_trace(choices, budget, report):
    """The same with nothing in its environment."""
    _become_a_daemon(["/bin/sleep", "600"], {})
    return good(choices, budget, report)


def leaves_a_daemon_and_dies(choices, budget, report):
    _become_a_daemon(["/bin/sleep", "600"], os.environ)
    os._exit(4)


def hides_a_daemon_and_dies(choices, budget, report):
    _become_a_daemon(["/bin/sleep", "600"], {})
    os._exit(4)


def forks_and_returns_twice(choices, budget, report):
    os.fork()
    return good(choices, budget, report)


def _become_a_daemon(command, environment):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve(command[0], command, environment)
        os._exit(0)
    os.wait()


# --- they tell what they see ------------------------------------------------------------------------------------


def tells_its_environment(choices, budget, report):
    """What a program that it starts finds there."""
    subprocess.run(["/bin/sh", "-c", 'cat /proc/$$/environ > "$0"', choices["file"]], check=True)
    return {"error": 0.0}
