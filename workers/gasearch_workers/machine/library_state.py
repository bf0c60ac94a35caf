"""The state that libraries keep for a whole process, or a thread, and anybody can change: read, and put back.

A library that isn't loaded yet has its defaults: one that an evaluation loads and changes is found out all the same.
"""

from __future__ import annotations

import decimal
import os
import random
import sys
from collections.abc import Callable
from typing import Any, Final

Part = tuple[str, Callable[[], Any], Callable[[Any], object]]  #: What it is, how it is read, and how it is put back.

_NUMPY_ERRORS: Final = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_CUDNN: Final = ("enabled", "benchmark", "deterministic")


def _torch() -> Any:
    """The library, once it is loaded."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "set_flush_denormal") else None


def _of_torch(default: Any, read: Callable[[Any], Any], write: Callable[[Any, Any], object] | None = None) -> Part:
    """A setting of torch; one without `write` can't be put back."""

    def found() -> Any:
        torch = _torch()
        try:
            return default if torch is None else read(torch)
        except AttributeError:  # of another version
            return default

    return "torch", found, lambda wanted: write and write(_torch(), wanted)


def _set_cudnn(torch: Any, wanted: tuple[bool, ...]) -> None:
    for name, value in zip(_CUDNN, wanted, strict=True):
        setattr(torch.backends.cudnn, name, value)


def _torch_threads() -> int | None:
    """The number that torch computes with; None where a torch to come will choose it by itself."""
    torch = _torch()
    threads = os.environ.get("OMP_NUM_THREADS", "") if torch is None else str(torch.get_num_threads())
    return int(threads) if threads.isdigit() else None


def _decimal_context() -> tuple[Any, ...]:
    """The arguments that make this thread's, without the flags of what has happened."""
    *settings, _, traps = decimal.getcontext().__reduce__()[1]
    return (*settings, [], traps)


def _start_method() -> str | None:
    """How multiprocessing starts processes, if that is settled: it can be settled once."""
    found = sys.modules.get("multiprocessing")
    return found.get_start_method(allow_none=True) if found else None


def _event_loop() -> tuple[Any, ...]:
    """The main thread's, and whether one was ever set: only where none was, asyncio makes one by itself."""
    policy = getattr(sys.modules.get("asyncio.events"), "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    return policy, getattr(local, "_loop", None), getattr(local, "_set_called", False)


def _set_event_loop(wanted: tuple[Any, ...]) -> None:
    events: Any = sys.modules["asyncio.events"]
    events._event_loop_policy, loop, was_set = wanted
    if wanted[0] is not None:
        wanted[0]._local._loop, wanted[0]._local._set_called = loop, was_set


def _numpy_errors() -> tuple[Any, ...]:
    """NumPy's reactions to a division by zero and the like."""
    numpy: Any = sys.modules.get("numpy")
    return (numpy.geterr(), numpy.geterrcall()) if hasattr(numpy, "geterrcall") else (_NUMPY_ERRORS, None)


def _set_numpy_errors(wanted: tuple[Any, ...]) -> None:
    numpy = sys.modules["numpy"]
    numpy.seterr(**wanted[0])
    numpy.seterrcall(wanted[1])


LIBRARY_PARTS: Final[tuple[Part, ...]] = (
    ("decimal", _decimal_context, lambda wanted: decimal.setcontext(decimal.Context(*wanted))),
    ("multiprocessing", _start_method, lambda way: sys.modules["multiprocessing"].set_start_method(way, force=True)),
    ("event loop", _event_loop, _set_event_loop),
    ("numpy", _numpy_errors, _set_numpy_errors),
    ("torch", _torch_threads, lambda wanted: wanted is None or _torch().set_num_threads(wanted)),
    _of_torch(
        "torch.float32",
        lambda torch: str(torch.get_default_dtype()),
        lambda torch, name: torch.set_default_dtype(getattr(torch, name.removeprefix("torch."))),
    ),
    _of_torch(
        "cpu",
        lambda torch: str(torch.get_default_device()),
        lambda torch, name: torch.set_default_device(None if name == "cpu" else name),
    ),
    _of_torch(True, lambda torch: torch.is_grad_enabled(), lambda torch, is_on: torch.set_grad_enabled(is_on)),
    _of_torch(False, lambda torch: torch.is_inference_mode_enabled()),
    _of_torch(
        (False, False),
        lambda torch: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda torch, wanted: torch.use_deterministic_algorithms(wanted[0], warn_only=wanted[1]),
    ),
    _of_torch(False, lambda torch: torch.is_anomaly_enabled(), lambda torch, is_on: torch.set_anomaly_enabled(is_on)),
    _of_torch(
        "highest",
        lambda torch: torch.get_float32_matmul_precision(),
        lambda torch, name: torch.set_float32_matmul_precision(name),
    ),
    _of_torch(
        False,
        lambda torch: torch.is_autocast_enabled("cpu"),
        lambda torch, is_on: torch.set_autocast_enabled("cpu", is_on),
    ),
    _of_torch(
        (True, False, False),
        lambda torch: tuple(getattr(torch.backends.cudnn, name) for name in _CUDNN),
        _set_cudnn,
    ),
    # this thread takes the smallest numbers for zero, or not; torch can switch that
    ("denormal numbers", lambda: sys.float_info.min / 2 == 0.0, lambda is_on: _torch().set_flush_denormal(is_on)),
)


def generator_states() -> list[tuple[Callable[[Any], object], Any]]:
    """The states of the global random generators, each with what puts it back."""
    states: list[tuple[Callable[[Any], object], Any]] = [(random.setstate, random.getstate())]
    if numpy := sys.modules.get("numpy"):
        states.append((numpy.random.set_state, numpy.random.get_state()))
    if torch := _torch():
        states.append((torch.set_rng_state, torch.get_rng_state()))
    return states


def seed_generators(seed: int) -> None:
    """Have the global random generators begin anew: what one evaluation draws depends on no other one."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := _torch():
        torch.manual_seed(seed)
