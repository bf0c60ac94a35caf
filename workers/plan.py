"""A blueprint laid out as primitive steps with shapes and precisions: the one reading that all consumers share.

The torch module, the closed-form costs, the packed file and the ONNX graph are each a walk over the same `Plan`, so
they can't disagree on what a network is. Standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workers.messages import FULL_PRECISION, Blueprint, Layer

INPUT_BITS = 8  #: The data enters as 8-bit integers, unless the whole network is float.
BRANCH_BITS = 8  #: Precision of the two summands of a residual block.
POOL_BITS = 8  #: Averages over low-bit activations keep 8 bits: no operation gets dearer for it.

Op = Literal["conv", "linear", "add", "global_pool", "flatten"]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One primitive operation. Shapes are those of one sample: (channels, height, width) or (features,)."""

    name: str  #: Also the name of the step's output tensor.
    op: Op
    inputs: tuple[str, ...]  #: Names of earlier steps; "input" is the network's input.
    input_shape: Shape
    output_shape: Shape
    input_bits: int  #: Precision of the (first) input; 32 is float.
    output_bits: int  #: Precision of the output; 32 is float.
    is_output_signed: bool = False  #: Signed outputs are centred on 0; all others are at least 0.
    weight_bits: int = FULL_PRECISION  #: `conv` and `linear` only.
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    has_norm: bool = False  #: Batch normalization follows while training; deployment folds it.
    has_relu: bool = False

    @property
    def has_weights(self) -> bool:
        """Whether the step has parameters."""
        return self.op in ("conv", "linear")

    @property
    def weight_shape(self) -> Shape:
        """(out, in / groups, kernel, kernel) for `conv`, (out, in) for `linear`."""
        if self.op == "conv":
            return (self.output_shape[0], self.input_shape[0] // self.groups, self.kernel, self.kernel)
        return (self.output_shape[0], self.input_shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps of a network in the order of execution; the last one gives the logits."""

    input_shape: Shape
    input_bits: int
    steps: tuple[Step, ...]


class PlanError(ValueError):
    """A blueprint that no network can follow."""


def plan(blueprint: Blueprint) -> Plan:
    """Lay a blueprint out as primitive steps.

    Raises:
        PlanError: if a layer doesn't fit its input.
    """
    *hidden, head = blueprint.layers
    if head.kind != "linear":
        raise PlanError(f"the last layer must be linear; got {head.kind!r}")
    is_float = all(layer.weight_bits == layer.activation_bits == FULL_PRECISION for layer in blueprint.layers)
    input_bits = FULL_PRECISION if is_float else INPUT_BITS
    builder = _Builder(shape=blueprint.input_shape, bits=input_bits)
    for number, layer in enumerate(hidden):
        builder.add_layer(f"layer{number}", layer)
    builder.add_head(head)
    return Plan(input_shape=blueprint.input_shape, input_bits=input_bits, steps=tuple(builder.steps))


class _Builder:
    """Collects steps and knows the tensor that the next one reads."""

    def __init__(self, *, shape: Shape, bits: int) -> None:
        self.steps: list[Step] = []
        self.tensor, self.shape, self.bits = "input", shape, bits

    def add_layer(self, name: str, layer: Layer) -> None:
        match layer.kind:
            case "linear":
                self._flatten()
                self._append(name, op="linear", output_shape=(layer.width,), layer=layer, has_norm=True, has_relu=True)
            case "conv":
                self._require_image(name, layer)
                self._append(
                    name,
                    op="conv",
                    output_shape=self._strided(layer.width, layer.stride),
                    layer=layer,
                    kernel=layer.kernel,
                    stride=layer.stride,
                    has_norm=True,
                    has_relu=True,
                )
            case "separable":
                self._require_image(name, layer)
                channels = self.shape[0]
                self._append(
                    f"{name}.depthwise",
                    op="conv",
                    output_shape=self._strided(channels, layer.stride),
                    layer=layer,
                    kernel=layer.kernel,
                    stride=layer.stride,
                    groups=channels,
                    has_norm=True,
                    has_relu=True,
                )
                self._append(
                    f"{name}.pointwise",
                    op="conv",
                    output_shape=self._strided(layer.width, 1),
                    layer=layer,
                    has_norm=True,
                    has_relu=True,
                )
            case "residual":
                self._require_image(name, layer)
                self._add_residual(name, layer)

    def _add_residual(self, name: str, layer: Layer) -> None:
        """Two convolutions, a skip (1 x 1 convolution where the shape changes), their sum, ReLU."""
        source, source_shape, source_bits = self.tensor, self.shape, self.bits
        self._append(
            f"{name}.first",
            op="conv",
            output_shape=self._strided(layer.width, layer.stride),
            layer=layer,
            kernel=layer.kernel,
            stride=layer.stride,
            has_norm=True,
            has_relu=True,
        )
        is_branch_float = layer.activation_bits == FULL_PRECISION
        branch_bits = FULL_PRECISION if is_branch_float else BRANCH_BITS
        self._append(
            f"{name}.second",
            op="conv",
            output_shape=self._strided(layer.width, 1),
            layer=layer,
            kernel=layer.kernel,
            has_norm=True,
            output_bits=branch_bits,
            is_output_signed=True,
        )
        branch, branch_shape = self.tensor, self.shape
        skip = source
        if source_shape != branch_shape:
            self.tensor, self.shape, self.bits = source, source_shape, source_bits
            self._append(
                f"{name}.skip",
                op="conv",
                output_shape=branch_shape,
                layer=layer,
                stride=layer.stride,
                has_norm=True,
                output_bits=branch_bits,
                is_output_signed=True,
            )
            skip = self.tensor
        self.steps.append(
            Step(
                name=f"{name}.sum",
                op="add",
                inputs=(branch, skip),
                input_shape=branch_shape,
                output_shape=branch_shape,
                input_bits=branch_bits,
                output_bits=layer.activation_bits,
                has_relu=True,
            )
        )
        self.tensor, self.shape, self.bits = f"{name}.sum", branch_shape, layer.activation_bits

    def add_head(self, head: Layer) -> None:
        if len(self.shape) == 3 and self.steps:
            bits = FULL_PRECISION if self.bits == FULL_PRECISION else POOL_BITS
            self._append("pool", op="global_pool", output_shape=(self.shape[0],), output_bits=bits)
        self._flatten()
        self._append(
            "head",
            op="linear",
            output_shape=(head.width,),
            layer=head,
            output_bits=FULL_PRECISION,
            is_output_signed=True,
        )

    def _flatten(self) -> None:
        if len(self.shape) > 1:
            self._append("flatten", op="flatten", output_shape=(math.prod(self.shape),))

    def _strided(self, channels: int, stride: int) -> Shape:
        """Output of a convolution with padding kernel // 2: the side is divided by the stride, rounded up."""
        return (channels, *(-(-side // stride) for side in self.shape[1:]))

    def _require_image(self, name: str, layer: Layer) -> None:
        if len(self.shape) != 3:
            raise PlanError(f"{name}: {layer.kind} needs an input of (channels, height, width); got {self.shape}")

    def _append(
        self,
        name: str,
        *,
        op: Op,
        output_shape: Shape,
        layer: Layer | None = None,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        has_norm: bool = False,
        has_relu: bool = False,
        output_bits: int | None = None,
        is_output_signed: bool = False,
    ) -> None:
        """Add a step that reads the newest tensor; without a layer it has no weights, and keeps the precision."""
        layer_bits = self.bits if layer is None else layer.activation_bits
        bits = layer_bits if output_bits is None else output_bits
        self.steps.append(
            Step(
                name=name,
                op=op,
                inputs=(self.tensor,),
                input_shape=self.shape,
                output_shape=output_shape,
                input_bits=self.bits,
                output_bits=bits,
                is_output_signed=is_output_signed,
                weight_bits=FULL_PRECISION if layer is None else layer.weight_bits,
                kernel=kernel,
                stride=stride,
                groups=groups,
                has_norm=has_norm,
                has_relu=has_relu,
            )
        )
        self.tensor, self.shape, self.bits = name, output_shape, bits
