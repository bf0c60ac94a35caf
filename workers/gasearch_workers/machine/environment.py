"""The environment that an evaluation sees: names that hold no secret, and those that the spec passes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MARK: Final = "GASEARCH_TRIAL"  #: Its value, in the environment of all that an evaluation starts, names the host.

#: What numerical libraries take the number of their threads from.
THREADS: Final = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip

_NAMES: Final = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "VIRTUAL_ENV", "CC", "CXX",
    "HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "TOKENIZERS_PARALLELISM",
})  # fmt: skip
_PREFIXES: Final = (
    "LC_", "PYTHON", "CONDA_", "LD_", "DYLD_", "XDG_", "SSL_CERT_",
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "VECLIB_", "MALLOC_", "RAYON_", "NUMBA_",
    "CUDA_", "NVIDIA_", "ROCR_", "HIP_", "XLA_", "TF_", "TORCH", "PYTORCH_", "TRITON_", "JAX_", "KERAS_",
)  # fmt: skip

#: What no spec can pass on: our own settings, Ray's (with its token one runs code on the cluster), the database's.
_SECRET: Final = re.compile(r"(GASEARCH|RAY)_.*|PG.*|.*DATABASE_URL")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def is_name(text: str) -> bool:
    """True for a text that a variable can be named by."""
    return _NAME.fullmatch(text) is not None


def is_secret(name: str) -> bool:
    """True for a variable that is never passed on: it opens the database, the service or the Ray cluster."""
    return _SECRET.fullmatch(name.upper()) is not None


def scrubbed(environment: Mapping[str, str], passed: tuple[str, ...] = ()) -> dict[str, str]:
    """The variables of an environment that an evaluation gets: harmless ones, and those that are passed on by name."""
    return {
        name: value
        for name, value in environment.items()
        if (name in _NAMES or name.startswith(_PREFIXES) or name in passed) and not is_secret(name)
    }
