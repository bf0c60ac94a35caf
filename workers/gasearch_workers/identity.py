"""Which code and which libraries run here, and how the values that cross the border are laid out.

A worker says it when it joins, as plain texts that any version can read; the controller compares it with its own.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Final

from gasearch_workers import messages
from gasearch_workers.data import dataset

LIBRARIES: Final = ("torch", "onnxruntime", "numpy")  #: Those that the numbers depend on.
_FOLDER: Final = Path(__file__).parent


@cache
def identity() -> dict[str, str]:
    """The versions that run here: `node`, `code`, `messages`, `python`, and each of the libraries that is installed."""
    found = {
        "node": platform.node(),
        "code": _code(),
        "messages": layout(messages, dataset),
        "python": platform.python_version(),
    }
    for name in LIBRARIES:
        try:
            found[name] = version(name).partition("+")[0]  # a build for CPUs and one for GPUs are one version
        except PackageNotFoundError:
            continue
    return found


def layout(*modules: ModuleType) -> str:
    """8 hexadecimal digits over the names and the types of every field of the modules' values, and over their words."""
    texts = []
    for module in modules:
        for name, value in sorted(vars(module).items()):
            if dataclasses.is_dataclass(value) and isinstance(value, type):
                texts.append(f"{name}: {[(field.name, str(field.type)) for field in dataclasses.fields(value)]}")
            elif isinstance(value, enum.EnumMeta):
                texts.append(f"{name}: {list(value.__members__)}")
            elif repr(value).startswith("typing.Literal"):
                texts.append(f"{name}: {value!r}")
    return _digest("\n".join(texts).encode())


def refusal(here: Mapping[str, str], there: object) -> str | None:
    """Why a worker can't be talked with; None where it can."""
    if not isinstance(there, Mapping) or "messages" not in there:
        return "a worker runs an earlier version of gasearch: install the same one on every node"
    if here["messages"] == there["messages"]:
        return None
    return f"{_differing(here, there)}: its messages are other ones; install the same gasearch on every node"


def notice(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """A sentence for the user on a worker that is like us in its messages alone; None where all is the same."""
    text = _differing(here, there)
    return text and f"{text}: what it finds may differ; install the same versions on every node"


def _differing(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    names = [name for name in ("code", "python", *LIBRARIES) if name in here and name in there]
    names = [name for name in names if here[name] != there[name]]
    if not names:
        return None
    ours, theirs = (", ".join(f"{_NAMES.get(name, name)} {one[name]}" for name in names) for one in (here, there))
    return f"the worker on {there.get('node', 'another node')} has {theirs}, and the controller {ours}"


_NAMES: Final = {"code": "gasearch's workers of code", "python": "Python"}


def _code() -> str:
    """8 hexadecimal digits over the files of this package: also between two releases it has versions."""
    texts = [f"{path.relative_to(_FOLDER)}\0".encode() + path.read_bytes() for path in sorted(_FOLDER.rglob("*.py"))]
    return _digest(b"\0".join(texts))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=4).hexdigest()
