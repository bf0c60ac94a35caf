"""Collects the steps of a plan one after the other, and knows the tensor that the next one reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gasearch_workers.messages import FULL_PRECISION, Layer
from gasearch_workers.network.compression import factored_rank, kept_units, kept_weights
from gasearch_workers.network.steps import CODES, INPUT, MASKED, Op, Shape, Step

BRANCH_BITS = 8  #: Precision of summands, factors and whatever else lies within a layer.


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

    # --- what the tensors are -----------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Of the newest tensor."""
        return self.tensor.shape

    @property
    def is_sequence(self) -> bool:
        """Whether the newest tensor is (tokens, channels)."""
        return len(self.shape) == 2

    def begin(self, name: str, shape: Shape, bits: int) -> None:
        """Read an input of the network next."""
        channels = shape[0] if len(shape) == 3 else shape[-1]
        self.tensor = Tensor(name=name, shape=shape, bits=bits, is_signed=True, full=channels, kept=channels)

    def kept(self, width: int, layer: Layer) -> int:
        """How many of a layer's channels are deployed."""
        return kept_units(width, layer.sparsity) if layer.pruning == "structured" else width

    def width(self, full: int, kept: int) -> int:
        """How many of the channels this plan has."""
        return kept if self._is_pruned else full

    def inner_bits(self, layer: Layer) -> int:
        """Precision of what lies within a layer."""
        return FULL_PRECISION if layer.activation_bits == FULL_PRECISION else BRANCH_BITS

    # --- steps with weights -------------------------------------------------------------------------------------

    def add_matrix(
        self,
        name: str,
        layer: Layer,
        *,
        op: Op,
        width: int,
        kept: int | None = None,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        has_norm: bool = False,
        has_relu: bool = False,
        bits: int | None = None,
    ) -> None:
        """A convolution or dense layer with that many outputs; two of them where the layer's rank factors it.

        Args:
            name: Of the step.
            layer: Gives the precisions, and how it is compressed.
            op: "conv" or "linear".
            width: Outputs before pruning.
            kept: Outputs after it; None for all.
            kernel: Of a convolution.
            stride: Of a convolution.
            groups: Of a convolution; grouped ones are not factored.
            has_norm: Batch normalization follows.
            has_relu: A ReLU follows; without one the output is signed.
            bits: Of the output; None for the layer's activation bits.
        """
        kept = width if kept is None else kept
        inputs = self.tensor.kept * kernel * kernel
        rank = None if groups > 1 else factored_rank(kept, inputs, layer.rank)
        if rank is not None:
            full = max(rank, int(layer.rank * min(width, self.tensor.full * kernel * kernel) + 0.5))
            self._add_weights(
                f"{name}.down",
                layer,
                op,
                (full, rank),
                kernel=kernel,
                stride=stride,
                has_norm=has_norm,
                bits=self.inner_bits(layer),
            )
            kernel, stride = 1, 1
        self._add_weights(
            name,
            layer,
            op,
            (width, kept),
            kernel=kernel,
            stride=stride,
            groups=groups,
            has_norm=has_norm,
            has_relu=has_relu,
            bits=layer.activation_bits if bits is None else bits,
        )

    def _add_weights(
        self,
        name: str,
        layer: Layer,
        op: Op,
        units: tuple[int, int],
        *,
        kernel: int,
        stride: int,
        groups: int = 1,
        has_norm: bool,
        has_relu: bool = False,
        bits: int,
    ) -> None:
        """One matrix; `units` are its outputs before and after pruning."""
        if op == "conv":
            output_shape: Shape = (self.width(*units), *(-(-side // stride) for side in self.shape[1:]))
            weights = output_shape[0] * (self.shape[0] // groups) * kernel * kernel
        else:
            output_shape = (*self.shape[:-1], self.width(*units))
            weights = output_shape[-1] * self.shape[-1]
        self.add(
            name,
            op,
            output_shape,
            bits=bits,
            is_signed=not has_relu,
            units=units,
            weight_bits=layer.weight_bits,
            kernel=kernel,
            stride=stride,
            groups=groups,
            has_norm=has_norm,
            has_relu=has_relu,
            nonzeros=self.nonzeros(weights, layer),
        )

    def nonzeros(self, weights: int, layer: Layer) -> int | None:
        """How many of a step's weights are kept one by one."""
        if layer.pruning != "unstructured" or not self._is_pruned:
            return None
        return kept_weights(weights, layer.sparsity, layer.weight_bits)

    # --- any step -----------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        op: Op,
        output_shape: Shape,
        *,
        bits: int | None = None,
        is_signed: bool | None = None,
        units: tuple[int, int] | None = None,
        others: tuple[Tensor, ...] = (),
        weight_bits: int = FULL_PRECISION,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        has_norm: bool = False,
        has_relu: bool = False,
        heads: int = 1,
        column: int = -1,
        rows: int = 0,
        nonzeros: int | None = None,
    ) -> None:
        """Append a step that reads the newest tensor, `others`, and where its operation is masked the codes.

        Where None: the precision, the sign and the channels before and after pruning (`units`) are the newest tensor's.
        """
        source = self.tensor
        bits = source.bits if bits is None else bits
        is_signed = source.is_signed if is_signed is None else is_signed
        codes = (CODES,) if op in MASKED else ()
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
                weight_bits=weight_bits,
                kernel=kernel,
                stride=stride,
                groups=groups,
                has_norm=has_norm,
                has_relu=has_relu,
                heads=heads,
                column=column,
                rows=rows,
                nonzeros=nonzeros,
            )
        )
        full, kept = (source.full, source.kept) if units is None else units
        self.tensor = Tensor(name=name, shape=output_shape, bits=bits, is_signed=is_signed, full=full, kept=kept)

    def add_sum(self, name: str, other: Tensor, *, bits: int, has_relu: bool = False) -> None:
        """The newest tensor plus another one of its shape, at that precision."""
        self.add(name, "add", self.shape, bits=bits, is_signed=not has_relu, others=(other,), has_relu=has_relu)

    def pool_tokens(self) -> None:
        """Turn a sequence into a vector; nothing where it is none.

        By the largest of what a ReLU left (as TextCNN does: Kim, 2014), else by the mean.
        """
        if not self.is_sequence:
            return
        features = self.shape[-1:]
        if self.tensor.is_signed:
            self.add("pool", "mean_tokens", features, bits=self.free_bits)
        else:
            self.add("pool", "max_tokens", features)

    def flatten(self) -> None:
        """Turn an image into a vector; nothing where it is one."""
        if len(self.shape) > 1:
            places = math.prod(self.shape[1:])
            units = (self.tensor.full * places, self.tensor.kept * places)
            self.add("flatten", "flatten", (math.prod(self.shape),), units=units)
