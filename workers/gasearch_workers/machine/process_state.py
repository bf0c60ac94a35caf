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
from collections.abc import Callable, Iterator
from typing import Any, Final

from gasearch_workers.machine import library_state

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
        self._found = [(name, read, write, read()) for name, (read, write) in _PARTS.items()]
        self._threads = set(threading.enumerate())
        self._descriptors = _open_descriptors()

    def restore(self) -> list[str]:
        """Put back what is other than it was; names what can't be, and what still runs."""
        left = []
        for name, read, write, before in self._found:
            try:
                if read() != before:
                    write(before)
                    if read() != before:
                        left.append(name)
            except Exception:  # whatever stands in the way of it
                left.append(name)
        if self._new_threads():
            left.append("threads")
        return left + self._held_descriptors()

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
    state, generators = ProcessState(), library_state.generator_states()
    try:
        yield
    finally:
        state.restore()
        for write, before in generators:
            write(before)


class _Known(dict[Any, Any]):
    """Values by name, different if one of the earlier names has another value: modules that are loaded add some."""

    def __ne__(self, before: object) -> bool:
        assert isinstance(before, dict)
        return any(self.get(name, _MISSING) != value for name, value in before.items())


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
            elif "\nlock:" in _text_of(f"/proc/self/fdinfo/{descriptor}"):
                found.append("locked files")
    return found


def _is_listening(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0


def _text_of(file: str) -> str:
    with open(file) as opened:
        return opened.read()


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


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(kind) for kind in _LIMITS]


def _set_limits(wanted: list[tuple[int, int]]) -> None:
    for kind, limits in zip(_LIMITS, wanted, strict=True):
        if resource.getrlimit(kind) != limits:
            resource.setrlimit(kind, limits)


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in _SIGNALS]


def _set_handlers(wanted: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, wanted, strict=True):
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _running_timers() -> list[int]:
    return [timer for timer in _TIMERS if signal.getitimer(timer)[0] > 0]


def _stop_timers(wanted: list[int]) -> None:
    for timer in set(_TIMERS) - set(wanted):
        signal.setitimer(timer, 0)


def _standard_files() -> list[tuple[int, int] | None]:
    return [_file(descriptor) for descriptor in range(3)]


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _set_cores(wanted: set[int]) -> None:
    os.sched_setaffinity(0, wanted)


def _place() -> tuple[int, ...]:
    """The session, the group, the user and the priority."""
    return os.getsid(0), os.getpgrp(), os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.nice(0)


def _stay_as_it_is(wanted: object) -> None:
    """Do nothing: nobody can put it back."""


# --- Python's ---------------------------------------------------------------------------------------------------


def _hooks() -> list[Any]:
    closed = [getattr(stream, "closed", False) for stream in (sys.stdin, sys.stdout, sys.stderr)]
    return [*(getattr(sys, name) for name in _HOOKS), closed]


def _set_hooks(wanted: list[Any]) -> None:
    for name, value in zip(_HOOKS, wanted, strict=False):
        setattr(sys, name, value)


def _paths() -> tuple[list[str], list[str], str | None]:
    return list(sys.path), list(sys.argv), tempfile.tempdir


def _set_paths(wanted: tuple[list[str], list[str], str | None]) -> None:
    path, arguments, tempfile.tempdir = wanted
    sys.path, sys.argv = list(path), list(arguments)


def _interpreter() -> tuple[Any, ...]:
    return (
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.get_int_max_str_digits(),
        sys.gettrace(),
        sys.getprofile(),
        threading.stack_size(),
    )


def _set_interpreter(wanted: tuple[Any, ...]) -> None:
    recursion, interval, digits, trace, profile, stack = wanted
    sys.setrecursionlimit(recursion)
    sys.setswitchinterval(interval)
    sys.set_int_max_str_digits(digits)
    sys.settrace(trace)
    sys.setprofile(profile)
    threading.stack_size(stack)


def _collector() -> tuple[Any, ...]:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug()


def _set_collector(wanted: tuple[Any, ...]) -> None:
    is_enabled, thresholds, debug = wanted
    (gc.enable if is_enabled else gc.disable)()
    gc.set_threshold(*thresholds)
    gc.set_debug(debug)


def _warnings() -> tuple[list[Any], Any]:
    return list(warnings.filters), warnings.showwarning


def _set_warnings(wanted: tuple[list[Any], Any]) -> None:
    warnings.resetwarnings()  # also what is remembered as shown
    warnings.filters[:], warnings.showwarning = wanted  # type: ignore[index]


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


_PARTS: Final[dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]] = {
    "limits": (_limits, _set_limits),  # first: the others may need them
    "environment": (lambda: (dict(os.environ), os.environ is _ENVIRON), _set_environment),
    "umask": (_umask, os.umask),
    "folder": (os.getcwd, os.chdir),
    "signals": (_handlers, _set_handlers),
    "blocked signals": (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda wanted: signal.pthread_sigmask(signal.SIG_SETMASK, wanted),
    ),
    "timers": (_running_timers, _stop_timers),
    "standard files": (_standard_files, _stay_as_it_is),
    "cores": (_cores, _set_cores),
    "session, user or priority": (_place, _stay_as_it_is),
    "hooks": (_hooks, _set_hooks),
    "paths": (_paths, _set_paths),
    "interpreter": (_interpreter, _set_interpreter),
    "collector": (_collector, _set_collector),
    "warnings": (_warnings, _set_warnings),
    "names": (_names, _set_names),
    "logging": (_loggers, _set_loggers),
    "locale": (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    "sockets": (socket.getdefaulttimeout, socket.setdefaulttimeout),
    "decimal": (library_state.decimal_context, library_state.set_decimal_context),
    "multiprocessing": (library_state.start_method, library_state.set_start_method),
    "event loop": (library_state.event_loop, library_state.set_event_loop),
    "numpy": (library_state.numpy_errors, library_state.set_numpy_errors),
    "torch": (library_state.torch_settings, library_state.set_torch_settings),
    "denormal numbers": (library_state.flushes_denormals, library_state.set_flushing),
}
