"""The state that a whole process shares: read before an evaluation, and put back after it.

Modules and what they hold are shared on purpose: loading them takes long. All else that Python code can change for who
comes after it in the same process is here. What can't be put back is named: then the process must not go on.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import locale
import logging
import os
import random
import resource
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from gasearch_workers.machine.library_state import LIBRARY_PARTS, Part, generator_states

MOST_DESCRIPTORS: Final = 64  #: Left open by evaluations: modules may keep some for later.
THREAD_S: Final = 0.1  #: For threads that are about to end.

_LIMITS: Final = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})
_SIGNALS: Final = tuple(sorted(set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}))
_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_CALLED: Final = (builtins, os, random, time)
_HOOKS: Final = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")


class ProcessState:
    """The state of this process at one moment. To be read and put back in its main thread."""

    def __init__(self) -> None:
        """Read it."""
        self._found = [(name, read, write, [read()]) for name, read, write in _PARTS]
        self._threads = set(threading.enumerate())
        self._descriptors = _open_descriptors()

    def restore(self) -> list[str]:
        """Put back what is other than it was; names what can't be, and what still runs."""
        left = []
        for name, read, write, before in self._found:
            try:
                if [read()] != before:
                    write(before[0])
                    if [read()] != before:
                        left.append(name)
            except Exception:  # whatever stands in the way of it
                left.append(name)
        if self._new_threads():
            left.append("threads")
        return list(dict.fromkeys(left)) + self._held_descriptors()

    def _held_descriptors(self) -> list[str]:
        """Things held by descriptors that nobody else can have: locks of files, ports. Or that they are too many."""
        held = _what_holds(_open_descriptors() - self._descriptors)
        if held:
            gc.collect()  # forgotten objects, which hold each other
            held = _what_holds(_open_descriptors() - self._descriptors)
        return held

    def _new_threads(self) -> set[threading.Thread]:
        until = time.monotonic() + THREAD_S
        while (found := set(threading.enumerate()) - self._threads) and time.monotonic() < until:
            time.sleep(THREAD_S / 50)
        return found


@contextlib.contextmanager
def unchanged_process() -> Iterator[None]:
    """Put back, as far as it can be, what happens meanwhile to the state of this process and its random generators.

    Only the main thread can: in another one nothing is put back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    state, generators = ProcessState(), generator_states()
    try:
        yield
    finally:
        state.restore()
        for write, before in generators:
            write(before)


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Look for no reference cycles meanwhile: that takes long where much is made, and disturbs measurements."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Known(dict[Any, Any]):
    """Values by name, equal to earlier ones if each of those is the same: modules that are loaded add some."""

    def __eq__(self, before: object) -> bool:
        assert isinstance(before, dict)
        return all(self.get(name, _MISSING) == value for name, value in before.items())


_MISSING: Final = object()
_ENVIRON: Final = os.environ

# --- the system's -----------------------------------------------------------------------------------------------


def _open_descriptors() -> set[tuple[int, Any]]:
    """Each with its file; without the one that the folder itself was read by."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return {(number, file) for number in map(int, os.listdir(folder)) if (file := _file(number)) is not None}
    return set()


def _what_holds(descriptors: set[tuple[int, Any]]) -> list[str]:
    found = ["descriptors"] if len(descriptors) > MOST_DESCRIPTORS else []
    for descriptor, _ in descriptors:
        with contextlib.suppress(OSError):  # no Linux
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                found += ["ports"] if _is_listening(descriptor) else []
            elif "\nlock:" in Path(f"/proc/self/fdinfo/{descriptor}").read_text():
                found.append("locked files")
    return found


def _is_listening(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0


def _set_environment(state: tuple[dict[str, str], bool]) -> None:
    wanted, _ = state
    os.environ = _ENVIRON  # noqa: B003 - the one that sets what the system sees
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
    time.tzset()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _place() -> tuple[int, ...]:
    """The session, the group, the user and the priority."""
    return os.getsid(0), os.getpgrp(), os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.nice(0)


def _stay_as_it_is(wanted: object) -> None:
    """Do nothing: nobody can put it back."""


# --- Python's ---------------------------------------------------------------------------------------------------


def _attribute(part: str, owner: Any, name: str) -> Part:
    return part, partial(getattr, owner, name), partial(setattr, owner, name)


def _set_warnings(wanted: list[Any]) -> None:
    warnings.resetwarnings()  # also what is remembered as shown
    warnings.filters[:] = wanted  # type: ignore[index]


def _names() -> _Known:
    """All that the modules hold that everybody calls: whoever puts another clock into its place means the moment."""
    return _Known({(module, name): value for module in _CALLED for name, value in vars(module).items()})


def _set_names(wanted: _Known) -> None:
    for (module, name), value in wanted.items():
        if getattr(module, name, _MISSING) is not value:
            setattr(module, name, value)


def _loggers() -> _Known:
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    found = _Known({one: _settings_of(one) for one in known if isinstance(one, logging.Logger)})
    found[logging] = logging.root.manager.disable
    return found


def _settings_of(logger: logging.Logger) -> tuple[Any, ...]:
    return logger.level, logger.propagate, logger.disabled, tuple(logger.handlers), tuple(logger.filters)


def _set_loggers(wanted: _Known) -> None:
    logging.disable(wanted[logging])
    for logger, settings in wanted.items():
        if isinstance(logger, logging.Logger) and _settings_of(logger) != settings:
            level, logger.propagate, logger.disabled, handlers, filters = settings
            logger.setLevel(level)
            logger.handlers[:], logger.filters[:] = handlers, filters


_PARTS: Final[tuple[Part, ...]] = (
    # limits first: the others may need them
    *(("limits", partial(resource.getrlimit, kind), partial(resource.setrlimit, kind)) for kind in _LIMITS),
    ("environment", lambda: (dict(os.environ), os.environ is _ENVIRON), _set_environment),
    ("umask", _umask, os.umask),
    ("folder", os.getcwd, os.chdir),
    *(("signals", partial(signal.getsignal, number), partial(signal.signal, number)) for number in _SIGNALS),
    (
        "blocked signals",
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda wanted: signal.pthread_sigmask(signal.SIG_SETMASK, wanted),
    ),
    (
        "timers",
        lambda: [timer for timer in _TIMERS if signal.getitimer(timer)[0] > 0],
        lambda running: [signal.setitimer(timer, 0) for timer in _TIMERS if timer not in running],
    ),
    ("standard files", lambda: [_file(descriptor) for descriptor in range(3)], _stay_as_it_is),
    (
        "cores",
        lambda: os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(),
        lambda wanted: os.sched_setaffinity(0, wanted),
    ),
    ("session, user or priority", _place, _stay_as_it_is),
    *(_attribute("hooks", sys, name) for name in _HOOKS),
    (
        "hooks",
        lambda: [getattr(stream, "closed", False) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        _stay_as_it_is,
    ),
    ("paths", lambda: list(sys.path), lambda wanted: setattr(sys, "path", list(wanted))),
    ("paths", lambda: list(sys.argv), lambda wanted: setattr(sys, "argv", list(wanted))),
    _attribute("paths", tempfile, "tempdir"),
    ("interpreter", sys.getrecursionlimit, sys.setrecursionlimit),
    ("interpreter", sys.getswitchinterval, sys.setswitchinterval),
    ("interpreter", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    ("interpreter", sys.gettrace, sys.settrace),
    ("interpreter", sys.getprofile, sys.setprofile),
    ("interpreter", threading.stack_size, threading.stack_size),
    ("collector", gc.isenabled, lambda is_on: gc.enable() if is_on else gc.disable()),
    ("collector", gc.get_threshold, lambda wanted: gc.set_threshold(*wanted)),
    ("collector", gc.get_debug, gc.set_debug),
    ("warnings", lambda: list(warnings.filters), _set_warnings),
    _attribute("warnings", warnings, "showwarning"),
    ("names", _names, _set_names),
    ("logging", _loggers, _set_loggers),
    ("locale", partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)),
    ("sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    *LIBRARY_PARTS,
)
