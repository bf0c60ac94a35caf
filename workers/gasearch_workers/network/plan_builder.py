"""Collects the steps of a plan one after the other, and knows the tensor that the next one reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict, Unpack

from gasearch_workers.messages import FULL_PRECISION, Layer
from gasearch_workers.network.compression import factored_rank, kept_units, kept_weights
from gasearch_workers.network.steps import CODES, INPUT, OPERATIONS, Op, Shape, Step
from gasearch_workers.network.steps import output_shape as shape_of

BRANCH_BITS = 8  #: Precision of summands, factors and whatever else lies within a layer.


class MatrixFields(TypedDict, total=False):
    """Fields of a step that is a convolution or a dense layer."""

    kernel: int
    stride: int
    groups: int
    has_norm: bool  # batch normalization follows
    has_relu: bool


class StepFields(MatrixFields, total=False):
    """Fields of a step that few operations have."""

    weight_bits: int
    heads: int
    column: int
    rows: int
    nonzeros: int | None


class PlanError(ValueError):
    """A blueprint that no network can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What a step gives: to be read by later ones."""

    name: str
    shape: Shape
    bits: int
    is_signed: bool
    full: int  #: Channels before structured pruning.
    kept: int  #: Channels after it: what a layer is, is decided on what will be deployed.


class PlanBuilder:
    """Appends steps; `self.tensor` is the newest output.

    With `is_pruned` false, layers keep the channels that structured pruning will remove: that is the network in which a
    training begins. Both plans have the same steps, in number, names and operations.
    """

    def __init__(self, *, is_float: bool, is_pruned: bool) -> None:
        self.steps: list[Step] = []
        self.free_bits = FULL_PRECISION if is_float else BRANCH_BITS  #: Of what no layer has a precision for.
        self._is_pruned = is_pruned
        self.tensor = Tensor(name=INPUT, shape=(), bits=FULL_PRECISION, is_signed=True, full=0, kept=0)
        self._tensors: dict[str, Tensor] = {}

    # --- what the tensors are -----------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Of the newest tensor."""
        return self.tensor.shape

    @property
    def is_sequence(self) -> bool:
        """Whether the newest tensor is (tokens, channels)."""
        return len(self.shape) == 2

    def tensor_of(self, name: str) -> Tensor:
        """An input of the network that was begun with, or the output of an earlier step.

        Raises:
            PlanError: if there is none of that name.
        """
        if name not in self._tensors:
            raise PlanError(f"there is no tensor {name!r} before this layer; there are {', '.join(self._tensors)}")
        return self._tensors[name]

    def begin(self, name: str, shape: Shape, bits: int) -> None:
        """Read an input of the network next.

        Args:
            name: "input" or "codes".
            shape: Of one sample.
            bits: Of its values.
        """
        channels = shape[0] if len(shape) == 3 else shape[-1]
        self.tensor = Tensor(name=name, shape=shape, bits=bits, is_signed=True, full=channels, kept=channels)
        self._tensors[name] = self.tensor

    def kept(self, width: int, layer: Layer) -> int:
        """How many of a layer's channels are deployed."""
        return kept_units(width, layer.sparsity) if layer.pruning == "structured" else width

    def width(self, full: int, kept: int) -> int:
        """How many of the channels this plan has."""
        return kept if self._is_pruned else full

    def inner_bits(self, layer: Layer) -> int:
        """Precision of what lies within a layer."""
        return FULL_PRECISION if layer.activation_bits == FULL_PRECISION else BRANCH_BITS

    # --- steps --------------------------------------------------------------------------------------------------

    def add_matrix(
        self,
        name: str,
        layer: Layer,
        *,
        op: Op,
        width: int,
        kept: int | None = None,
        bits: int | None = None,
        **fields: Unpack[MatrixFields],
    ) -> None:
        """A convolution or dense layer with that many outputs; two of them where the layer's rank factors it.

        Args:
            name: Of the step.
            layer: Gives the precisions, and how it is compressed.
            op: "conv" or "linear".
            width: Outputs before pruning.
            kept: Outputs after it; None for all.
            bits: Of the output; None for the layer's activation bits.
            **fields: Of the step. Grouped convolutions are not factored; without a ReLU the output is signed.
        """
        kept = width if kept is None else kept
        area = fields.get("kernel", 1) ** 2
        rank = None if fields.get("groups", 1) > 1 else factored_rank(kept, self.tensor.kept * area, layer.rank)
        if rank is not None:
            full = max(rank, int(layer.rank * min(width, self.tensor.full * area) + 0.5))
            down: MatrixFields = {**fields, "has_relu": False}
            self._add_weights(f"{name}.down", layer, op, (full, rank), self.inner_bits(layer), down)
            fields |= {"kernel": 1, "stride": 1}
        self._add_weights(name, layer, op, (width, kept), layer.activation_bits if bits is None else bits, fields)

    def _add_weights(
        self, name: str, layer: Layer, op: Op, units: tuple[int, int], bits: int, fields: MatrixFields
    ) -> None:
        """One matrix; `units` are its outputs before and after pruning."""
        width, channels = self.width(*units), self.shape[0] if op == "conv" else self.shape[-1]
        weights = width * (channels // fields.get("groups", 1)) * fields.get("kernel", 1) ** 2
        self.add(
            name,
            op,
            width=width,
            bits=bits,
            is_signed=not fields.get("has_relu", False),
            units=units,
            weight_bits=layer.weight_bits,
            nonzeros=self.nonzeros(weights, layer),
            **fields,
        )

    def nonzeros(self, weights: int, layer: Layer) -> int | None:
        """How many of a step's weights are kept one by one."""
        if layer.pruning != "unstructured" or not self._is_pruned:
            return None
        return kept_weights(weights, layer.sparsity, layer.weight_bits)

    def add(
        self,
        name: str,
        op: Op,
        output_shape: Shape | None = None,
        *,
        width: int = 0,
        bits: int | None = None,
        is_signed: bool | None = None,
        units: tuple[int, int] | None = None,
        others: tuple[Tensor, ...] = (),
        **fields: Unpack[StepFields],
    ) -> None:
        """Append a step that reads the newest tensor, `others`, and where its operation is masked the codes.

        Args:
            name: Of the step.
            op: Its operation.
            output_shape: None where it follows from the input's.
            width: Outputs of a matrix, of a GRU in each direction.
            bits: Of the output; None for the newest tensor's.
            is_signed: Of the output; None for the newest tensor's.
            units: Its channels before and after pruning; None for the newest tensor's.
            others: Further inputs.
            **fields: Of the step.
        """
        source = self.tensor
        if output_shape is None:
            kernel, stride = fields.get("kernel", 1), fields.get("stride", 1)
            output_shape = shape_of(op, source.shape, width=width, kernel=kernel, stride=stride)
        bits = source.bits if bits is None else bits
        is_signed = source.is_signed if is_signed is None else is_signed
        codes = (CODES,) if OPERATIONS[op].is_masked else ()
        self.steps.append(
            Step(
                name=name,
                op=op,
                inputs=(source.name, *(other.name for other in others), *codes),
                input_shape=source.shape,
                output_shape=output_shape,
                input_bits=source.bits,
                output_bits=bits,
                is_output_signed=is_signed,
                **fields,
            )
        )
        full, kept = (source.full, source.kept) if units is None else units
        self.tensor = Tensor(name=name, shape=output_shape, bits=bits, is_signed=is_signed, full=full, kept=kept)
        self._tensors[name] = self.tensor

    def add_sum(self, name: str, other: Tensor, *, bits: int, has_relu: bool = False) -> None:
        """The newest tensor plus another one.

        Args:
            name: Of the step.
            other: Of the same shape.
            bits: Of the sum.
            has_relu: A ReLU follows.
        """
        self.add(name, "add", bits=bits, is_signed=not has_relu, others=(other,), has_relu=has_relu)

    def pool_tokens(self) -> None:
        """Turn a sequence into a vector; nothing where it is none.

        By the largest of what a ReLU left (as TextCNN does: Kim, 2014), else by the mean.
        """
        if not self.is_sequence:
            return
        if self.tensor.is_signed:
            self.add("pool", "mean_tokens", bits=self.free_bits)
        else:
            self.add("pool", "max_tokens")

    def flatten(self) -> None:
        """Turn an image into a vector; nothing where it is one."""
        if len(self.shape) > 1:
            places = math.prod(self.shape[1:])
            self.add("flatten", "flatten", units=(self.tensor.full * places, self.tensor.kept * places))
