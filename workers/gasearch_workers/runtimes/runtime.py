"""What runs which form of an artifact, by name: `verify` and `export --check` ask each that is installed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from gasearch_workers.export.exporters import C99, GAP, ONNX, QDQ, SAFETENSORS, TFLITE
from gasearch_workers.export.onnx_file import read_graph
from gasearch_workers.export.onnx_runtime import onnxruntime
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.tflite import NEEDS
from gasearch_workers.network.registry import Registry
from gasearch_workers.runtimes import c99, litert, onnx_reference, openvino, tflite_micro, torch_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A program that runs one form of an artifact."""

    name: str  #: What `gasearch verify --runtime` calls it.
    form: str  #: Name of the exporter whose files it runs.
    needs: str  #: What to do where it isn't installed: "pip install ...".
    version: Callable[[], str | None]  #: Of the installed program; None: it isn't installed.
    #: The outputs of raw samples (B, *input_shape), in float32: logits (B, outputs), of a tagger (B, tokens, tags), or
    #: predictions (B, 1). It is given the artifact's folder.
    run: Callable[[Path, NDArray[Any]], NDArray[Any]]
    #: Opens the form once; what it gives is called with raw samples, and is what is timed. None: no latency is told,
    #: but of ONNX Runtime, which takes turns with the reference network.
    open: Callable[[Path], Callable[[NDArray[Any]], NDArray[Any]]] | None = None
    #: Whether `verify` runs it in a process of its own, as what strangers wrote wants it: that finds it by its name.
    is_isolated: bool = True


ONNX_RUNTIME: Final = Runtime(
    name="onnxruntime",
    form=ONNX.name,
    needs="pip install onnxruntime",
    version=lambda: str(onnxruntime.__version__),
    run=lambda directory, x: run_onnx(read_graph(directory / ONNX.files[0]), x),
)
C99_RUNTIME: Final = Runtime(
    name="c99", form=C99.name, needs="install a C compiler (cc, gcc or clang)", version=c99.version, run=c99.run
)
LITERT: Final = Runtime(
    name="litert",
    form=TFLITE.name,
    needs=NEEDS,
    version=litert.version,
    run=lambda directory, x: litert.run_litert(directory / TFLITE.files[0], x),
    open=lambda directory: litert.open_litert(directory / TFLITE.files[0]),
)
TFLITE_MICRO: Final = Runtime(
    name="tflite-micro",
    form=TFLITE.name,
    needs=NEEDS,
    version=tflite_micro.version,
    run=lambda directory, x: tflite_micro.run_tflite_micro(directory / TFLITE.files[0], x),
)
ONNX_RUNTIME_QDQ: Final = Runtime(
    name="onnxruntime-qdq",
    form=QDQ.name,
    needs="pip install onnxruntime",
    version=lambda: str(onnxruntime.__version__),
    run=lambda directory, x: run_onnx(read_graph(directory / QDQ.files[0]), x),
)
OPENVINO: Final = Runtime(
    name="openvino",
    form=QDQ.name,
    needs="pip install 'gasearch[openvino]'",
    version=openvino.version,
    run=lambda directory, x: openvino.run(directory / QDQ.files[0], x),
    open=lambda directory: openvino.open_model(directory / QDQ.files[0]),
)
ONNX_REFERENCE: Final = Runtime(
    name="onnx-reference",
    form=QDQ.name,
    needs="pip install onnx",
    version=onnx_reference.version,
    run=lambda directory, x: onnx_reference.run(directory / QDQ.files[0], x),
)
PACKED: Final = Runtime(
    name="gasearch",
    form=GAP.name,
    needs="pip install gasearch",
    version=torch_network.packed_version,
    run=lambda directory, x: torch_network.open_packed(directory)(x),
    open=torch_network.open_packed,
)
TORCH: Final = Runtime(
    name="torch",
    form=SAFETENSORS.name,
    needs="pip install torch",
    version=torch_network.version,
    run=lambda directory, x: torch_network.open_weights(directory)(x),
    open=torch_network.open_weights,
)
RUNTIMES: Final = Registry(
    Runtime,
    "runtime",
    lambda: (
        *(ONNX_RUNTIME, PACKED, TORCH, ONNX_RUNTIME_QDQ, OPENVINO, ONNX_REFERENCE),
        *(C99_RUNTIME, LITERT, TFLITE_MICRO),
    ),
)
