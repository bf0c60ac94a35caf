"""Exceptions that say that memory ran out, recognized. Standard library only."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: What native code says, in lower case; it raises a type of its own for it nowhere but in torch's CUDA allocator.
#: torch's CPU allocator on Linux ("can't allocate memory") and elsewhere ("not enough memory"), C++, CUDA, cuBLAS and
#: cuDNN, XLA, ONNX Runtime.
_SAID: Final = (
    "defaultcpuallocator",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "status_alloc_failed",
    "resource_exhausted",
    "failed to allocate memory",
)


class OutOfMemory(MemoryError):
    """Memory ran out in the midst of an evaluation."""


class BeyondLimit(OutOfMemory):
    """Arithmetic says that an evaluation takes more than its limit, however often it is tried."""


def is_out_of_memory(error: BaseException) -> bool:
    """True where an exception, or one that it came from, says that there is no memory left."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if _says_so(cause):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return False


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    is_native = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime.")
    return is_native and any(words in str(error).lower() for words in _SAID)


@contextmanager
def memory_named(where: str) -> Iterator[None]:
    """Name the place of a lack of memory, such as "in epoch 2 of 3".

    Raises:
        OutOfMemory: in place of whatever said so.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"no memory left {where}: {error}") from error
