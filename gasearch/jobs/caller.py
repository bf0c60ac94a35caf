"""A program that calls us finds its process as it was: what our calls need to change, or libraries do, is put back.

Only what we know of is put back: what the program's own callbacks and threads change meanwhile is its business.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

#: Variables that libraries set for themselves while they are loaded (threadpoolctl, torch); later nobody reads them.
_OF_LIBRARIES: Final = ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR")

_lock = threading.Lock()
_calls = 0  #: How many are under way, in all threads.
_missing: list[str] = []  #: Which of the variables weren't there before the first of them.


@contextmanager
def left_as_found() -> Iterator[None]:
    """Once a call is over, put back torch's threads, in the main thread also the filters of warnings.

    The environment belongs to all threads: the last of several calls puts it back.
    """
    global _calls
    with ExitStack() as stack:
        with _lock:
            if not _calls:
                _missing[:] = [name for name in _OF_LIBRARIES if name not in os.environ]
            _calls += 1
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(warnings.catch_warnings())
        try:
            yield
        finally:
            _give_threads_back()
            with _lock:
                _calls -= 1
                if not _calls:
                    for name in _missing:
                        os.environ.pop(name, None)


def _give_threads_back() -> None:
    resident: Any = sys.modules.get("gasearch_workers.training.resident")
    if resident is not None:
        resident.use_threads_as_before()
