"""The files of the C form: `model.c`, `model.h`, and `vectors.h` with samples and the outputs that they must give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.c99.integers import run_integers
from gasearch_workers.export.c99.literals import array, real
from gasearch_workers.export.c99.source import Source
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.packed_layout import DTYPES
from gasearch_workers.network.steps import Plan, Step

FILES: Final = ("model.c", "model.h", "vectors.h")
MOST_VECTORS: Final = 8  #: Samples in `vectors.h`.
TYPES: Final = {"uint8": "uint8_t", "float32": "float", "int32": "int32_t"}
OPERATIONS_WITH_KERNEL: Final = frozenset({
    "conv", "linear", "add", "global_pool", "flatten", "max_pool", "embedding", "position", "concat", "product",
    "window", "gru", "attention", "layer_norm", "mean_tokens", "max_tokens",
})  # fmt: skip
LARGEST_VALUE: Final = 255  #: Of an activation, minus its zero point, in magnitude.
LARGEST_STATE: Final = 2**15  #: Of a GRU.
MOST_TOKENS, MOST_CHANNELS = 2**12, 2**13  #: Of an attention, of a layer normalization: their sums fit 64 bits.


def refusal(plan: Plan) -> str:
    """Why the C file can't hold a network, as what follows "can't hold"; "" where it can."""
    *hidden, last = plan.steps
    if plan.numbers and plan.input_bits == FULL_PRECISION:
        return "a network that takes floats"
    for step in plan.steps:
        if reason := _refusal_of(step):
            return f"{reason} (step {step.name})"
    for step in hidden:
        if step.output_bits == FULL_PRECISION:
            return f"float activations (step {step.name})"
    if last.op != "linear" or last.output_bits != FULL_PRECISION:
        return f"a network that doesn't end with the floats of a dense layer (step {last.name})"
    return ""


def _refusal_of(step: Step) -> str:
    if step.op not in OPERATIONS_WITH_KERNEL:
        return f"the operation {step.op}"
    if step.op == "attention" and step.input_shape[0] > MOST_TOKENS:
        return f"an attention over more than {MOST_TOKENS} tokens"
    if step.op == "layer_norm":
        return f"a normalization over more than {MOST_CHANNELS} channels" * (step.channels > MOST_CHANNELS)
    if step.has_weights and step.weight_bits == FULL_PRECISION:
        return "float weights"
    if _largest_sum(step) >= 2**31:
        return "sums that may pass 32 bits"
    return ""


def _largest_sum(step: Step) -> int:
    """The largest magnitude that a sum of products can reach, by shapes and bits alone."""
    weight = 1 << step.weight_bits - 1
    match step.op:
        case "conv" | "linear":
            return math.prod(step.weight_shape[1:]) * weight * LARGEST_VALUE
        case "gru":
            return weight * max(step.input_shape[-1] * LARGEST_VALUE, step.width * LARGEST_STATE)
        case "attention":
            return 2 * step.channels // step.heads * LARGEST_VALUE**2
        case "global_pool" | "mean_tokens":
            return math.prod(step.input_shape) * LARGEST_VALUE
        case _:
            return 0


def to_c(network: IntegerNetwork, samples: NDArray[Any]) -> Mapping[str, bytes]:
    """The files' contents by name. Equal networks and samples give equal bytes.

    Args:
        network: One that `refusal` refuses nothing of.
        samples: Raw ones (B, *input_shape); the first finite ones go into `vectors.h`.

    Raises:
        ValueError: if the C file can't hold the network.
    """
    if reason := refusal(network.plan):
        raise ValueError(f"a C file can't hold {reason}")
    source = Source(network)
    texts = (source.text(), _header(source), _vectors(network, samples))
    return dict(zip(FILES, (text.encode("ascii") for text in texts), strict=True))


def _header(source: Source) -> str:
    plan = source.network.plan
    kind = TYPES[source.network.input.dtype]
    return f"""\
/* A network that gasearch has found: integers throughout, no library, no heap. Not reentrant: one static array.

   int gasearch_predict(const {kind} *input, float *output);

   input:  {_describe_input(plan)}
   output: {"prediction" if plan.is_regression else "logits"}, {_sizes(plan.steps[-1].output_shape)}
   returns 0; -1 if a code has no row in its table: the output is unchanged then */
#ifndef GASEARCH_MODEL_H
#define GASEARCH_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define GASEARCH_INPUTS {math.prod(plan.input_shape)}
#define GASEARCH_OUTPUTS {math.prod(plan.steps[-1].output_shape)}
#define GASEARCH_RAM_BYTES {source.ram_bytes} /* static; a byte for each activation, whatever its bits */
#define GASEARCH_WEIGHT_BYTES {source.weight_bytes} /* constants: weights at their bits, multipliers and biases */

typedef {kind} gasearch_input_t;

int gasearch_predict(const gasearch_input_t *input, float *output);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _describe_input(plan: Plan) -> str:
    match plan.input_kind:
        case "image":
            return f"bytes as the data hold them, {_sizes(plan.input_shape)}: channels, height, width"
        case "table":
            return f"{plan.numbers} numbers as the data hold them, then {len(plan.categories)} codes"
        case "tokens":
            return f"codes of tokens, {_sizes(plan.input_shape)}: padding 0, unknown words 1"
        case _:
            return "codes of a user and an item"


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _vectors(network: IntegerNetwork, samples: NDArray[Any]) -> str:
    samples = samples.astype(DTYPES[network.plan.input_kind], copy=False)
    is_finite = np.isfinite(samples).all(axis=tuple(range(1, samples.ndim)))
    chosen = samples[is_finite][:MOST_VECTORS]
    outputs = run_integers(network, chosen)
    write = real if network.input.dtype == "float32" else str
    inputs = array("gasearch_input_t", "gasearch_inputs", map(write, chosen.ravel().tolist()))
    expected = array("float", "gasearch_outputs", map(real, outputs.ravel().tolist()))
    return f"""\
/* Samples, one after the other, and exactly what gasearch_predict gives for them */
#include "model.h"

#define GASEARCH_VECTORS {len(chosen)}

{inputs if len(chosen) else ""}
{expected if len(chosen) else ""}"""
