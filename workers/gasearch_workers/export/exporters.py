"""The forms that a network can be written in: our own, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from gasearch_workers.export.c99 import files as c99
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_qdq import to_qdq
from gasearch_workers.export.packed import pack
from gasearch_workers.export.tflite import input_layout, refusal, to_tflite
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.registry import Registry
from gasearch_workers.network.steps import Plan


def holds_all(plan: Plan) -> str:
    """Refuse no network."""
    return ""


def says_nothing(plan: Plan) -> Mapping[str, Any]:
    """Describe no file."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One form: the files of the artifact that it writes."""

    name: str  #: What `gasearch export --formats` calls it.
    files: tuple[str, ...]  #: Names of all files that it writes, in the artifact's folder.
    #: Each file's content, of a network and a few raw samples of its data (B, *input_shape). Equal ones, equal bytes.
    write: Callable[[IntegerNetwork, NDArray[Any]], Mapping[str, bytes]]
    #: Why the form can't hold a network of this plan, as what follows "can't hold"; "" where it can. Arithmetic only:
    #: it is asked before any training.
    refusal: Callable[[Plan], str] = holds_all
    #: What `model.json` says of its files, as JSON values, besides their sizes and hashes.
    notes: Callable[[Plan], Mapping[str, Any]] = says_nothing

    def __post_init__(self) -> None:
        """Refuse a file that would lie elsewhere.

        Raises:
            ValueError: naming it.
        """
        for file in self.files:
            if not is_plain(file):
                raise ValueError(f"the file of exporter {self.name!r} must be a name without a folder; got {file!r}")


def of_one_file(
    name: str,
    file: str,
    write: Callable[[IntegerNetwork], bytes],
    refusal: Callable[[Plan], str] = holds_all,
    notes: Callable[[Plan], Mapping[str, Any]] = says_nothing,
) -> Exporter:
    """An exporter of a single file, which is made of the network alone.

    Args:
        name: What `gasearch export --formats` calls it.
        file: Its name.
        write: Gives its content.
        refusal: See `Exporter`.
        notes: See `Exporter`.
    """
    return Exporter(
        name=name,
        files=(file,),
        write=lambda network, samples: {file: write(network)},
        refusal=refusal,
        notes=notes,
    )


def is_plain(name: str) -> bool:
    """Whether it names a file of the folder itself."""
    return name not in ("", ".", "..") and not any(character in name for character in "/\\\0:")


def _weights_of(network: IntegerNetwork) -> bytes:
    from gasearch_workers.modules.deployed import to_safetensors  # torch: only whoever writes waits for it

    return to_safetensors(network)


ONNX: Final = of_one_file("onnx", "model.onnx", lambda network: to_onnx(network).SerializeToString(deterministic=True))
GAP: Final = of_one_file("gap", "model.gap", pack)
SAFETENSORS: Final = of_one_file("safetensors", "model.safetensors", _weights_of)
ALWAYS: Final = (ONNX, GAP, SAFETENSORS)  #: They write every artifact.
C99: Final = Exporter(name="c", files=c99.FILES, write=c99.to_c, refusal=c99.refusal)
TFLITE: Final = of_one_file("tflite", "model.tflite", to_tflite, refusal, input_layout)
QDQ: Final = of_one_file("qdq", "model.qdq.onnx", lambda network: to_qdq(network).SerializeToString(deterministic=True))
QDQ_SYMMETRIC: Final = of_one_file(
    "qdq-symmetric",
    QDQ.files[0],
    lambda network: to_qdq(network, is_symmetric=True).SerializeToString(deterministic=True),
)
EXPORTERS: Final = Registry(Exporter, "exporter", lambda: (*ALWAYS, C99, TFLITE, QDQ, QDQ_SYMMETRIC))


def with_zero_points_0(forms: Sequence[str]) -> tuple[str, ...]:
    """The forms, `qdq` in its symmetric kind: it takes its place, or is added."""
    return (*(name for name in forms if name not in (QDQ.name, QDQ_SYMMETRIC.name)), QDQ_SYMMETRIC.name)
