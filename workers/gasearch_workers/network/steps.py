"""The primitive operations that every network is made of, with shapes and precisions. Standard library only.

Shapes are those of one sample: images (channels, height, width), sequences (tokens, channels), vectors (features,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from gasearch_workers.messages import FULL_PRECISION, InputKind

#: What each operation computes from its inputs; `x` is the first one.
#:
#: conv           k x k convolution of an image, zero padding kernel // 2, in groups
#: linear         dense layer over the last axis: of a vector, or of each token of a sequence
#: add            x + y
#: product        x * y, element by element
#: concat         all inputs one after the other along the last axis (vectors)
#: flatten        image -> vector
#: global_pool    image -> vector: mean over height and width
#: max_pool       image: largest of each 2 x 2 square, the side halved and rounded up
#: embedding      codes -> the row of a table for each code; reads column `column` of the codes (-1: they have one
#:                column only). Tokens whose code is not below `rows` take row 1 (unknown)
#: position       x + a table of one vector per place in the sequence
#: window         sequence (T, C) -> (T, kernel x C): each token with its neighbours, earliest first; zeros outside
#: gru            sequence (T, C) -> (T, 2 x H): a GRU forward and one backward over the tokens that are no padding,
#:                zeros at padding; reads the codes for it. Gates in the order reset, update, new; h = (1 - z) n + z h
#: attention      (T, 3 x A) of queries, keys, values -> (T, A): scaled dot products in `heads` heads, padding masked as
#:                key; reads the codes for it
#: layer_norm     sequence: each token normalized over its channels, times weight, plus bias
#: mean_tokens    sequence -> vector: mean over the tokens that are no padding (zeros where all are); reads the codes
#: max_tokens     sequence of values of at least 0 -> vector: largest over the tokens that are no padding (zeros where
#:                all are); reads the codes
Op = Literal[
    "conv",
    "linear",
    "add",
    "global_pool",
    "flatten",
    "max_pool",
    "embedding",
    "position",
    "concat",
    "product",
    "window",
    "gru",
    "attention",
    "layer_norm",
    "mean_tokens",
    "max_tokens",
]
Shape = tuple[int, ...]

INPUT: Final = "input"  #: The images, or the numeric columns of a table: normalized, on their grid.
CODES: Final = "codes"  #: Raw integers: the category codes of a table, token ids, users and items. Not a real tensor.
PADDING: Final = 0  #: The code of a token that is not there (of the first column, where there are several).
UNKNOWN: Final = 1  #: The code of a token that is in no vocabulary.

LAYER_NORM_EPSILON: Final = 1e-5  #: Added to the variance in `layer_norm`.
MASKED_SCORE: Final = -1e9  #: Of a padded key in `attention`. Finite: where every key is padding, all weigh the same.

#: Largest sum of two products of a weight and an activation that x86 CPUs without VNNI hold: they add them in 16 bits,
#: and saturate (vpmaddubsw).
PAIR_LIMIT: Final = 2**15 - 1

WEIGHTED: Final = frozenset({"conv", "linear", "embedding", "position", "gru", "layer_norm"})
#: Operations that choose or move values: the output's grid is the input's.
PASSING: Final = frozenset({"flatten", "max_pool", "window", "max_tokens"})
#: Operations that read the codes as their last input, to know the padding.
MASKED: Final = frozenset({"gru", "attention", "mean_tokens", "max_tokens"})


def largest_weight(input_bits: int) -> int:
    """Largest magnitude of int8 weights of which no two products with activations of 2 to 8 bits exceed `PAIR_LIMIT`.

    64 for 8 bits: ONNX Runtime gives the same answers on every CPU then, by its fast kernels and default options.
    """
    return min(127, PAIR_LIMIT // (2 * ((1 << input_bits) - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One primitive operation of a plan; see `Op`."""

    name: str  #: Also the name of the step's output tensor.
    op: Op
    inputs: tuple[str, ...]  #: Names of earlier steps, "input" or "codes".
    input_shape: Shape  #: Of the first input.
    output_shape: Shape
    input_bits: int  #: Precision of the (first) input; 32 is float, and codes count as 32.
    output_bits: int  #: Precision of the output; 32 is float.
    is_output_signed: bool = False  #: Signed outputs are centred on 0; all others are at least 0.
    weight_bits: int = FULL_PRECISION  #: 1..8, or 32; of operations in `WEIGHTED` only. `layer_norm` is float.
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    has_norm: bool = False  #: Batch normalization follows while training; deployment folds it.
    has_relu: bool = False
    heads: int = 1  #: Of `attention`.
    column: int = -1  #: Of `embedding`.
    rows: int = 0  #: Of `embedding`: vectors in the table.
    nonzeros: int | None = None  #: Weights that are not pruned one by one; None: the weights are dense.

    @property
    def has_weights(self) -> bool:
        """Whether the step has parameters."""
        return self.op in WEIGHTED

    @property
    def weight_shape(self) -> Shape:
        """Shape of the weights; () for a step without parameters.

        `conv` (out, in / groups, kernel, kernel). `linear` (out, in). `embedding` (rows, features). `position` (tokens,
        features). `layer_norm` (features,). `gru` (6 x hidden, in + hidden): the rows are the gates reset, update, new
        of the forward direction, then of the backward one; the columns take the input, then the state.
        """
        match self.op:
            case "conv":
                return (self.output_shape[0], self.input_shape[0] // self.groups, self.kernel, self.kernel)
            case "linear":
                return (self.output_shape[-1], self.input_shape[-1])
            case "embedding":
                return (self.rows, self.output_shape[-1])
            case "position":
                return self.output_shape
            case "gru":
                hidden = self.output_shape[-1] // 2
                return (6 * hidden, self.input_shape[-1] + hidden)
            case "layer_norm":
                return (self.output_shape[-1],)
            case _:
                return ()

    @property
    def scales(self) -> int:
        """Number of weight scales at less than 32 bits: one per output (row), or one for a whole table."""
        if not self.has_weights or self.weight_bits == FULL_PRECISION:
            return 0
        return 1 if self.op in ("embedding", "position") else self.weight_shape[0]

    @property
    def biases(self) -> int:
        """Number of biases: one per first index of the weights; tables have none."""
        return self.weight_shape[0] if self.op in ("conv", "linear", "gru", "layer_norm") else 0

    @property
    def passes_grid(self) -> bool:
        """Whether the output's grid is that of the input."""
        return self.op in PASSING

    @property
    def has_weight_grid(self) -> bool:
        """Whether the output's grid follows from the weights': a quantized embedding gives its integers as they are.

        The grid then has the weights' scale and bits, and its zero point in the middle: 2**(bits - 1); binary weights
        -1 and 1 are the integers 0 and 2 of a grid of 2 bits with the zero point 1.
        """
        return self.op == "embedding" and self.weight_bits != FULL_PRECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps of a network in the order of execution; the last one gives the logits or the prediction."""

    input_shape: Shape  #: Of one raw sample.
    input_bits: int  #: Of the tensor "input"; 32 where there is none.
    steps: tuple[Step, ...]
    input_kind: InputKind = "table"  #: See `gasearch_workers.messages.Blueprint.input_kind`.
    categories: tuple[int, ...] = ()  #: Number of codes per column.
    is_regression: bool = False  #: The output is a number in the target's unit, not logits.

    @property
    def numbers(self) -> int:
        """Length of the normalization's mean: 1 for images, one per numeric column of a table, 0 without "input"."""
        match self.input_kind:
            case "image":
                return 1
            case "table":
                return self.input_shape[0] - len(self.categories)
            case _:
                return 0

    @property
    def numbers_shape(self) -> Shape:
        """Shape of the tensor "input" of one sample: an image's, else (numbers,)."""
        return self.input_shape if self.input_kind == "image" else (self.numbers,)

    @property
    def codes_shape(self) -> Shape:
        """Shape of the codes of one sample: (columns,) of tables and ids, the whole sample of tokens; () without."""
        if self.input_kind == "tokens":
            return self.input_shape
        return (len(self.categories),) if self.categories else ()

    @property
    def outputs(self) -> int:
        """Number of outputs (per token of a tagger)."""
        return self.steps[-1].output_shape[-1]
