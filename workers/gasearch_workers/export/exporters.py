"""The forms that a network can be written in: our own, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.packed import pack
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One form, a file of the artifact."""

    name: str  #: What `gasearch export --formats` calls it.
    file: str  #: Name of the file in the artifact's folder.
    write: Callable[[IntegerNetwork], bytes]  #: Equal networks give equal bytes.

    def __post_init__(self) -> None:
        """Refuse a file that would lie elsewhere.

        Raises:
            ValueError: naming it.
        """
        if not is_plain(self.file):
            raise ValueError(f"the file of exporter {self.name!r} must be a name without a folder; got {self.file!r}")


def is_plain(name: str) -> bool:
    """Whether it names a file of the folder itself."""
    return name not in ("", ".", "..") and not any(character in name for character in "/\\\0:")


ONNX: Final = Exporter(
    name="onnx", file="model.onnx", write=lambda network: to_onnx(network).SerializeToString(deterministic=True)
)
GAP: Final = Exporter(name="gap", file="model.gap", write=pack)
EXPORTERS: Final = Registry(Exporter, "exporter", lambda: (ONNX, GAP))  #: The first two write every artifact.
