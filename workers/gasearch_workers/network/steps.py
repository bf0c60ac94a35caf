"""The primitive operations that every network is made of, with shapes and precisions. Standard library only.

Shapes are those of one sample: images (channels, height, width), sequences (tokens, channels), vectors (features,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from gasearch_workers.messages import FULL_PRECISION, InputKind

Shape = tuple[int, ...]
Op = str  #: A name of `OPERATIONS`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What every walk over a plan has to know of an operation."""

    sources: int = 1  #: Tensors that it reads, besides the codes of a masked one; 0: any number.
    dimensions: tuple[int, ...] = (1, 2, 3)  #: That its first input may have.
    is_masked: bool = False  #: It reads the codes as its last input, to know the padding.
    is_passing: bool = False  #: It chooses or moves values: the output's grid is the input's.
    #: "matrix": a scale and a bias for each first index; "table": one scale, no bias; "vector": float, with a bias.
    weights: Literal["", "matrix", "table", "vector"] = ""
    fields: tuple[str, ...] = ()  #: Attributes of the step that decide its shapes, in the packed file's order.
    form: str = ""  #: How they lie there, as `struct` writes it.


_MATRIX: Final[dict[str, Any]] = {
    "weights": "matrix",
    "fields": ("weight_bits", "kernel", "stride", "width", "groups"),
    "form": "BBBII",
}
_TOKENS: Final[dict[str, Any]] = {"dimensions": (2,), "is_masked": True}

#: Each operation by its name, and what it computes; `x` is its first input. The order is the packed file's.
OPERATIONS: Final[dict[Op, Operation]] = {
    # k x k convolution of an image, zero padding kernel // 2, in groups
    "conv": Operation(dimensions=(3,), **_MATRIX),
    # dense layer over the last axis: of a vector, or of each token of a sequence
    "linear": Operation(dimensions=(1, 2), **_MATRIX),
    # x + y
    "add": Operation(sources=2),
    # image -> vector: mean over height and width
    "global_pool": Operation(dimensions=(3,)),
    # image -> vector
    "flatten": Operation(is_passing=True),
    # image: largest of each 2 x 2 square, the side halved and rounded up
    "max_pool": Operation(dimensions=(3,), is_passing=True),
    # codes -> the row of a table for each code; reads column `column` of the codes (-1: they have one column only).
    # Tokens whose code is not below `rows` take row 1 (unknown)
    "embedding": Operation(weights="table", fields=("weight_bits", "column", "rows", "width"), form="BhII"),
    # x + a table of one vector per place in the sequence
    "position": Operation(dimensions=(2,), weights="table", fields=("weight_bits",), form="B"),
    # all inputs one after the other along the last axis (vectors)
    "concat": Operation(sources=0, dimensions=(1,)),
    # x * y, element by element
    "product": Operation(sources=2),
    # sequence (T, C) -> (T, kernel x C): each token with its neighbours, earliest first; zeros outside
    "window": Operation(dimensions=(2,), is_passing=True, fields=("kernel",), form="B"),
    # sequence (T, C) -> (T, 2 x H): a GRU forward and one backward over the tokens that are no padding, zeros at
    # padding. Gates in the order reset, update, new; h = (1 - z) n + z h
    "gru": Operation(weights="matrix", fields=("weight_bits", "width"), form="BI", **_TOKENS),
    # (T, 3 x A) of queries, keys, values -> (T, A): scaled dot products in `heads` heads, padding masked as key
    "attention": Operation(fields=("heads",), form="H", **_TOKENS),
    # sequence: each token normalized over its channels, times weight, plus bias
    "layer_norm": Operation(dimensions=(1, 2), weights="vector"),
    # sequence -> vector: mean over the tokens that are no padding (zeros where all are)
    "mean_tokens": Operation(**_TOKENS),
    # sequence of values of at least 0 -> vector: largest over the tokens that are no padding (zeros where all are)
    "max_tokens": Operation(is_passing=True, **_TOKENS),
}
# What the search asks of every step of thousands of networks.
_WEIGHTED = {op for op, known in OPERATIONS.items() if known.weights}
_BIASED = {op for op in _WEIGHTED if OPERATIONS[op].weights != "table"}


def output_shape(op: Op, source: Shape, *, width: int = 0, kernel: int = 1, stride: int = 1) -> Shape:
    """Shape of an operation's output by that of its first input; not of embeddings and concatenations.

    Args:
        op: Name of the operation.
        source: Shape of its first input.
        width: Outputs of a matrix, of a GRU in each direction.
        kernel: Of a window.
        stride: Of a convolution or a max pooling.

    Raises:
        ValueError: if the shape doesn't follow from these.
    """
    match op:
        case "conv" | "max_pool":
            return (width or source[0], *(-(-side // stride) for side in source[1:]))
        case "linear":
            return (*source[:-1], width)
        case "gru":
            return (*source[:-1], 2 * width)
        case "window":
            return (source[0], source[1] * kernel)
        case "attention":
            return (source[0], source[1] // 3)
        case "global_pool":
            return source[:1]
        case "mean_tokens" | "max_tokens":
            return source[1:]
        case "flatten":
            return (math.prod(source),)
        case "add" | "product" | "position" | "layer_norm":
            return source
        case _:
            raise ValueError(f"the shape that {op} gives doesn't follow from its first input")


INPUT: Final = "input"  #: The images, or the numeric columns of a table: normalized, on their grid.
CODES: Final = "codes"  #: Raw integers: the category codes of a table, token ids, users and items. Not a real tensor.
PADDING: Final = 0  #: The code of a token that is not there (of the first column, where there are several).
UNKNOWN: Final = 1  #: The code of a token that is in no vocabulary.

LAYER_NORM_EPSILON: Final = 1e-5  #: Added to the variance in `layer_norm`.
MASKED_SCORE: Final = -1e9  #: Of a padded key in `attention`. Finite: where every key is padding, all weigh the same.

#: Largest sum of two products of a weight and an activation that x86 CPUs without VNNI hold: they add them in 16 bits,
#: and saturate (vpmaddubsw).
PAIR_LIMIT: Final = 2**15 - 1


def largest_weight(input_bits: int) -> int:
    """Largest magnitude of int8 weights of which no two products with activations of 2 to 8 bits exceed `PAIR_LIMIT`.

    64 for 8 bits: ONNX Runtime gives the same answers on every CPU then, by its fast kernels and default options.
    """
    return min(127, PAIR_LIMIT // (2 * ((1 << input_bits) - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One primitive operation of a plan; see `OPERATIONS`."""

    name: str  #: Also the name of the step's output tensor.
    op: Op
    inputs: tuple[str, ...]  #: Names of earlier steps, "input" or "codes".
    input_shape: Shape  #: Of the first input.
    output_shape: Shape
    input_bits: int  #: Precision of the (first) input; 32 is float, and codes count as 32.
    output_bits: int  #: Precision of the output; 32 is float.
    is_output_signed: bool = False  #: Signed outputs are centred on 0; all others are at least 0.
    weight_bits: int = FULL_PRECISION  #: 1..8, or 32; `layer_norm` is float.
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
        return self.op in _WEIGHTED

    @property
    def channels(self) -> int:
        """Of the output: an image's, else the length of the last axis."""
        return self.output_shape[0] if len(self.output_shape) == 3 else self.output_shape[-1]

    @property
    def width(self) -> int:
        """The same, of a GRU in each direction."""
        return self.channels // 2 if self.op == "gru" else self.channels

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
                return (6 * self.width, self.input_shape[-1] + self.width)
            case "layer_norm":
                return self.output_shape[-1:]
            case _:
                return ()

    @property
    def weights(self) -> int:
        """Number of weights, pruned ones too; 0 without parameters."""
        shape = self.weight_shape
        return math.prod(shape) if shape else 0

    @property
    def scales(self) -> int:
        """Number of weight scales at less than 32 bits: one per output (row), or one for a whole table."""
        if not self.has_weights or self.weight_bits == FULL_PRECISION:
            return 0
        return 1 if OPERATIONS[self.op].weights == "table" else self.weight_shape[0]

    @property
    def biases(self) -> int:
        """Number of biases: one per first index of the weights; tables have none."""
        return self.weight_shape[0] if self.op in _BIASED else 0

    @property
    def passes_grid(self) -> bool:
        """Whether the output's grid is that of the input."""
        return OPERATIONS[self.op].is_passing

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
