"""Tensors, constants and operators of a TFLite file as they come, and the flatbuffer that is made of them.

The schema is the one that comes with `ai-edge-litert`; it is imported when a file is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

IDENTIFIER: Final = b"TFL3"  #: Of the file, at its fifth byte.
FORMAT_VERSION: Final = 3  #: Of the schema, as every TFLite runtime reads it.
ALIGNMENT: Final = 16  #: Of constants within the file: microcontrollers read int32 in place.

#: Of each operator the first version that takes int8; floats are taken by version 1. Older runtimes refuse the file.
_INT8_VERSIONS: Final[Mapping[str, int]] = {
    "ADD": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4,
    "GATHER": 2,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "MUL": 2,
    "PAD": 2,
    "QUANTIZE": 2,
    "REDUCE_MAX": 2,
    "STRIDED_SLICE": 2,
    "TRANSPOSE": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """What a tensor's integers stand for: scale x (integer - zero_point)."""

    scale: NDArray[np.float32]  #: (1,), or one per place of `axis`.
    zero_point: int = 0
    axis: int = 0


class TfliteBuilder:
    """Collects the tensors and operators of a file; tensors are known by their number."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._codes: dict[tuple[str, int], int] = {}
        self._operators: list[Any] = []
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]  # the first one is empty: that of tensors without content
        self._constants: dict[str, int] = {}

    def tensor(
        self, name: str, shape: Sequence[int], dtype: type[np.generic], quantization: Quantization | None = None
    ) -> int:
        """Add a tensor that an operator fills, or the input.

        Args:
            name: Its name.
            shape: Of one sample.
            dtype: Of its elements.
            quantization: What its integers stand for.
        """
        self._tensor(name, (1, *shape), dtype, quantization)
        return len(self._tensors) - 1

    def constant(self, name: str, value: Any, quantization: Quantization | None = None) -> int:
        """Add a constant; asked for twice, it is stored once.

        Args:
            name: Its name.
            value: An array, whose type it gets.
            quantization: What its integers stand for.
        """
        if name not in self._constants:
            content = np.ascontiguousarray(value)
            tensor = self._tensor(name, content.shape, content.dtype.type, quantization)
            tensor.buffer = len(self._buffers)
            self._buffers.append(_aligned_buffer(self._schema, content))
            self._constants[name] = len(self._tensors) - 1
        return self._constants[name]

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        output: int,
        options: tuple[str, Mapping[str, Any]] | None = None,
        version: int | None = None,
    ) -> int:
        """Append an operator; returns the tensor that it fills.

        Args:
            code: Its name in the schema.
            inputs: Numbers of tensors; -1 for an optional one that is left out.
            output: Number of the tensor that it fills.
            options: Name of the schema's options without "Options", and their values.
            version: Where it must be later than the first that takes int8.
        """
        schema = self._schema
        is_float = self._tensors[inputs[0]].type == schema.TensorType.FLOAT32
        key = code, version or (1 if is_float else _INT8_VERSIONS.get(code, 1))
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(key, len(self._codes))
        operator.inputs, operator.outputs = list(inputs), [output]
        if options is not None:
            name, values = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{name}Options")
            operator.builtinOptions = getattr(schema, f"{name}OptionsT")()
            for field, value in values.items():
                setattr(operator.builtinOptions, field, value)
        self._operators.append(operator)
        return output

    def activation(self, name: str) -> int:
        """The number of a fused activation: "NONE", "RELU", "RELU6"."""
        return int(getattr(self._schema.ActivationFunctionType, name))

    def padding(self, *, is_same: bool) -> int:
        """The number of a padding: "SAME" or "VALID"."""
        return int(self._schema.Padding.SAME if is_same else self._schema.Padding.VALID)

    def finish(self, source: tuple[str, int], target: tuple[str, int], description: str) -> bytes:
        """The file.

        Args:
            source: Name of the input in the file's signature, and its tensor.
            target: The same of the output.
            description: Of the model, in English.
        """
        schema = self._schema
        entry = self._tensors[source[1]]
        entry.shapeSignature = [-1, *entry.shape[1:]]  # any number of samples, where a runtime can resize
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self._tensors, self._operators
        graph.inputs, graph.outputs = [source[1]], [target[1]]
        model = schema.ModelT()
        model.version, model.description = FORMAT_VERSION, description
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [self._code(code, version) for code, version in self._codes]
        model.signatureDefs = [self._signature(source, target)]
        builder = _sharing_builder()
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: Sequence[int], dtype: type[np.generic], grid: Quantization | None) -> Any:
        schema = self._schema
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = getattr(schema.TensorType, np.dtype(dtype).name.upper())
        if grid is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = grid.scale.tolist()
            tensor.quantization.zeroPoint = [grid.zero_point] * len(grid.scale)
            tensor.quantization.quantizedDimension = grid.axis
        self._tensors.append(tensor)
        return tensor

    def _code(self, code: str, version: int) -> Any:
        made = self._schema.OperatorCodeT()
        made.builtinCode = getattr(self._schema.BuiltinOperator, code)
        made.deprecatedBuiltinCode = min(made.builtinCode, 127)
        made.version = version
        return made

    def _signature(self, *ends: tuple[str, int]) -> Any:
        maps = []
        for name, tensor in ends:
            entry = self._schema.TensorMapT()
            entry.name, entry.tensorIndex = name, tensor
            maps.append([entry])
        signature = self._schema.SignatureDefT()
        signature.signatureKey, (signature.inputs, signature.outputs) = "serving_default", maps
        return signature


def _aligned_buffer(schema: Any, content: NDArray[Any]) -> Any:
    """A constant of the file. The generated code writes it at any byte."""

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
        def Pack(self, builder: Any) -> Any:
            data = content.tobytes()
            builder.StartVector(1, len(data), ALIGNMENT)
            builder.head -= len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    return AlignedBuffer()


def _sharing_builder() -> Any:
    """A flatbuffer's builder that writes equal vectors once: shapes, and the many zero points of scales per channel."""
    import flatbuffers

    class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(1024)
            self._known: dict[tuple[int, int, bytes], int] = {}
            self._begun: tuple[int, int, int] | None = None

        def StartVector(self, size: int, count: int, alignment: int) -> Any:
            self._begun = size * count, max(size, alignment), self.Offset()
            return super().StartVector(size, count, alignment)

        def PrependUOffsetTRelative(self, place: int) -> None:
            self._begun = None  # places of other things, which count from where they stand
            super().PrependUOffsetTRelative(place)

        def EndVector(self) -> Any:
            begun, self._begun = self._begun, None
            place = super().EndVector()
            if begun is None:  # a string, or places
                return place
            length, alignment, before = begun
            start = len(self.Bytes) - place
            content = bytes(self.Bytes[start : start + 4 + length])
            known = self._known.setdefault((length, alignment, content), place)
            if known != place:
                self.head = len(self.Bytes) - before
            return known

    return SharingBuilder()
