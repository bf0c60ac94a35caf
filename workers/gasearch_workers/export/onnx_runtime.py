"""ONNX Runtime, imported with its telemetry off.

Since 1.31 it reports its use to its maker, and keeps a database for that in the home folder, unless the environment
says otherwise while it is imported. Whoever wants it sets ORT_DISABLE_TELEMETRY=0.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["onnxruntime"]

_VARIABLE: Final = "ORT_DISABLE_TELEMETRY"

_is_unset = _VARIABLE not in os.environ
os.environ.setdefault(_VARIABLE, "1")
try:
    import onnxruntime
finally:
    if _is_unset:
        del os.environ[_VARIABLE]
