"""The latency of an ONNX file of the user's own: any inputs, paired with the reference as every latency is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_runtime import onnxruntime
from gasearch_workers.export.onnx_session import open_session
from gasearch_workers.measure.latency import Call, Protocol, calibrate, measure_call
from gasearch_workers.messages import Latency

_TYPES: Final[dict[str, type[np.generic]]] = {
    "float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_,
    "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip
MOST_ELEMENTS: Final = 2**28  #: Of an input.


class ModelError(ValueError):
    """A file that can't be timed; the message says why."""


def measure_model(
    path: Path | str, *, shapes: Mapping[str, Sequence[int]] | None = None, protocol: Protocol | None = None
) -> Latency:
    """The latency of an ONNX file on one thread of this machine's CPU, by ONNX Runtime, with its spread.

    The reference network is calibrated first (0.6 to 5 s). The inputs are made up: ramps of floats and bytes, zeros of
    other integers, which are valid codes.

    Args:
        path: Of the file.
        shapes: For inputs whose shape the file leaves open, by name; of these a first open axis alone is taken as 1.
        protocol: Number of calls; None for the usual one.

    Raises:
        ModelError: if it can't be read or run, an axis is open, or a given shape isn't the input's.
    """
    path = Path(path)
    try:
        path.open("rb").close()
        session = open_session(str(path))  # by its path: its tensors may lie in other files of the folder
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    except Exception as error:  # whatever ONNX Runtime says of it
        raise ModelError(f"{path} is no ONNX file that ONNX Runtime opens: {_line(error)}") from error
    given = dict(shapes or {})
    samples = {source.name: _sample(source, given.pop(source.name, None)) for source in session.get_inputs()}
    if given:
        names = ", ".join(samples)
        raise ModelError(f"{path} has no input {', '.join(map(repr, given))}; its inputs are {names}")
    try:
        call = _bound_call(session, samples)
        call()
    except Exception as error:  # whatever ONNX Runtime says of it
        raise ModelError(f"{path} can't be run on inputs of these shapes: {_line(error)}") from error
    return measure_call(call, calibration=calibrate(), protocol=protocol)


def _sample(source: Any, shape: Sequence[int] | None) -> NDArray[Any]:
    """A made-up value of an input."""
    axes = [axis if isinstance(axis, int) and axis >= 0 else None for axis in source.shape]
    found = _fitting(source.name, axes, shape)
    kind = source.type.removeprefix("tensor(").removesuffix(")")
    if kind not in _TYPES:
        raise ModelError(f"input {source.name!r} is of {source.type}; inputs may be tensors of {', '.join(_TYPES)}")
    elements = int(np.prod(found, dtype=object)) if found else 1
    if elements > MOST_ELEMENTS:
        raise ModelError(f"input {source.name!r} of shape {found} has more than {MOST_ELEMENTS:,} elements")
    dtype = np.dtype(_TYPES[kind])
    if dtype.kind != "f" and dtype != np.uint8:
        return np.zeros(found, dtype)
    ramp = np.arange(elements) * 37 % 256
    return (ramp if dtype == np.uint8 else ramp / 64 - 2).astype(dtype).reshape(found)


def _fitting(name: str, axes: Sequence[int | None], shape: Sequence[int] | None) -> tuple[int, ...]:
    if shape is None:
        found = [1 if number == 0 and axis is None else axis for number, axis in enumerate(axes)]
        if None in found:
            text = ", ".join("?" if axis is None else str(axis) for axis in axes)
            raise ModelError(f"input {name!r} has shape ({text}): give one, as shapes={{{name!r}: (...)}}")
        return tuple(axis for axis in found if axis is not None)
    wanted = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    is_fitting = len(wanted) == len(axes) and all(
        isinstance(size, SupportsIndex) and not isinstance(size, bool) and size >= 1 and axis in (None, size)
        for size, axis in zip(wanted, axes, strict=True)
    )
    if not is_fitting:
        text = ", ".join("?" if axis is None else str(axis) for axis in axes)
        raise ModelError(f"input {name!r} has shape ({text}); got {wanted}")
    return tuple(int(size) for size in wanted)


def _bound_call(session: onnxruntime.InferenceSession, samples: Mapping[str, NDArray[Any]]) -> Call:
    """A call that runs the model once, inputs and outputs bound beforehand."""
    binding = session.io_binding()
    for name, sample in samples.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(sample))
    for target in session.get_outputs():
        binding.bind_output(target.name)
    return lambda: session.run_with_iobinding(binding)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
