"""The state that libraries keep for a whole process, or a thread, and anybody can change: read, and put back.

A library that isn't loaded yet has its defaults: one that an evaluation loads and changes is found out all the same.
"""

from __future__ import annotations

import contextlib
import decimal
import os
import random
import sys
from collections.abc import Callable
from typing import Any, Final

_NUMPY_ERRORS: Final = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_CUDNN: Final = ("enabled", "benchmark", "deterministic")


def _set_cudnn(torch: Any, wanted: tuple[bool, ...]) -> None:
    for name, value in zip(_CUDNN, wanted, strict=True):
        setattr(torch.backends.cudnn, name, value)


_TORCH: Final[dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any, Any], object] | None]]] = {
    # its default, how it is read, and how it is set, if it can be
    "dtype": (
        "torch.float32",
        lambda torch: str(torch.get_default_dtype()),
        lambda torch, name: torch.set_default_dtype(getattr(torch, name.removeprefix("torch."))),
    ),
    "device": (
        "cpu",
        lambda torch: str(torch.get_default_device()),
        lambda torch, name: torch.set_default_device(None if name == "cpu" else name),
    ),
    "gradients": (True, lambda torch: torch.is_grad_enabled(), lambda torch, is_on: torch.set_grad_enabled(is_on)),
    "inference mode": (False, lambda torch: torch.is_inference_mode_enabled(), None),
    "deterministic algorithms": (
        (False, False),
        lambda torch: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda torch, wanted: torch.use_deterministic_algorithms(wanted[0], warn_only=wanted[1]),
    ),
    "anomaly": (False, lambda torch: torch.is_anomaly_enabled(), lambda torch, is_on: torch.set_anomaly_enabled(is_on)),
    "matmul precision": (
        "highest",
        lambda torch: torch.get_float32_matmul_precision(),
        lambda torch, name: torch.set_float32_matmul_precision(name),
    ),
    "autocast": (
        False,
        lambda torch: torch.is_autocast_enabled("cpu"),
        lambda torch, is_on: torch.set_autocast_enabled("cpu", is_on),
    ),
    "cudnn": (
        (True, False, False),
        lambda torch: tuple(getattr(torch.backends.cudnn, name) for name in _CUDNN),
        _set_cudnn,
    ),
}


def decimal_context() -> tuple[Any, ...]:
    """Of this thread, without the flags of what has happened."""
    found = decimal.getcontext()
    traps = tuple(signal for signal, is_on in found.traps.items() if is_on)
    return found.prec, found.rounding, found.Emin, found.Emax, found.capitals, found.clamp, traps


def set_decimal_context(wanted: tuple[Any, ...]) -> None:
    """Set what `decimal_context` gave."""
    prec, rounding, smallest, largest, capitals, clamp, traps = wanted
    decimal.setcontext(decimal.Context(prec, rounding, smallest, largest, capitals, clamp, [], list(traps)))


def start_method() -> str | None:
    """How multiprocessing starts processes, if that is settled: it can be settled once."""
    found = sys.modules.get("multiprocessing")
    return found.get_start_method(allow_none=True) if found else None


def set_start_method(wanted: str | None) -> None:
    """Set what `start_method` gave."""
    sys.modules["multiprocessing"].set_start_method(wanted, force=True)


def event_loop() -> tuple[Any, ...]:
    """The main thread's, and whether one was ever set: only where none was, asyncio makes one by itself."""
    policy = getattr(sys.modules.get("asyncio.events"), "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    return policy, getattr(local, "_loop", None), getattr(local, "_set_called", False)


def set_event_loop(wanted: tuple[Any, ...]) -> None:
    """Set what `event_loop` gave."""
    events: Any = sys.modules["asyncio.events"]
    events._event_loop_policy, loop, was_set = wanted
    if wanted[0] is not None:
        wanted[0]._local._loop, wanted[0]._local._set_called = loop, was_set


def numpy_errors() -> tuple[Any, ...]:
    """NumPy's reactions to a division by zero and the like."""
    numpy: Any = sys.modules.get("numpy")
    return (numpy.geterr(), numpy.geterrcall()) if hasattr(numpy, "geterrcall") else (_NUMPY_ERRORS, None)


def set_numpy_errors(wanted: tuple[Any, ...]) -> None:
    """Set what `numpy_errors` gave."""
    numpy = sys.modules["numpy"]
    numpy.seterr(**wanted[0])
    numpy.seterrcall(wanted[1])


def torch_settings() -> dict[str, Any]:
    """How torch computes; `threads` is None where a torch to come will choose them by itself."""
    torch = _torch()
    threads = os.environ.get("OMP_NUM_THREADS", "") if torch is None else str(torch.get_num_threads())
    found: dict[str, Any] = {"threads": int(threads) if threads.isdigit() else None}
    for name, (default, read, _) in _TORCH.items():
        found[name] = default
        if torch is not None:
            with contextlib.suppress(AttributeError):  # of another version
                found[name] = read(torch)
    return found


def set_torch_settings(wanted: dict[str, Any]) -> None:
    """Set what `torch_settings` gave, as far as it can be set."""
    torch, found = _torch(), torch_settings()
    if wanted["threads"] not in (None, found["threads"]):
        torch.set_num_threads(wanted["threads"])
    for name, (_, _, write) in _TORCH.items():
        if wanted[name] != found[name] and write is not None:
            write(torch, wanted[name])


def flushes_denormals() -> bool:
    """True where this thread takes the smallest numbers for zero; torch can switch that."""
    return sys.float_info.min / 2 == 0.0


def set_flushing(wanted: bool) -> None:
    """Set what `flushes_denormals` gave."""
    _torch().set_flush_denormal(wanted)


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


def _torch() -> Any:
    """The library, once it is loaded."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "set_flush_denormal") else None
