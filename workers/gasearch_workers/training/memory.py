"""The memory that a training takes at least, told before it starts: whoever runs out is killed without a word."""

from __future__ import annotations

import math

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.steps import Plan, Step

FLOAT_BYTES = 4


def training_bytes(plan: Plan, *, batch_size: int) -> int:
    """A lower bound of what training holds: weights four times (value, gradient, two moments), what each step keeps."""
    values = 2 * math.prod(plan.input_shape) + sum(map(_kept, plan.steps))
    return FLOAT_BYTES * (4 * _weights(plan) + batch_size * values)


def scoring_bytes(plan: Plan, *, samples: int) -> int:
    """A lower bound of what scoring after an epoch holds: weights three times (no gradient), every output once."""
    values = math.prod(plan.input_shape) + sum(map(_outputs, plan.steps)) + max(map(_passing, plan.steps))
    return FLOAT_BYTES * (3 * _weights(plan) + samples * values)


def _weights(plan: Plan) -> int:
    return sum(math.prod(step.weight_shape) for step in plan.steps if step.has_weights)


def _outputs(step: Step) -> int:
    """Numbers that a step gives of one sample; `flatten` gives its input another shape."""
    return 0 if step.op == "flatten" else math.prod(step.output_shape)


def _kept(step: Step) -> int:
    """Numbers that a step keeps for its backward pass: its output before and after what follows the product."""
    is_normalized_and_rounded = step.has_norm and step.output_bits != FULL_PRECISION
    return (3 if is_normalized_and_rounded else 2) * _outputs(step) + 2 * _scratch(step)


def _passing(step: Step) -> int:
    """Numbers that a step holds beside its output while it runs without a backward pass."""
    is_rounded = step.output_bits != FULL_PRECISION and not step.passes_grid and not step.has_weight_grid
    rounding = 2 * _outputs(step) if is_rounded else 0
    return max(_scratch(step), rounding)


def _scratch(step: Step) -> int:
    """Numbers that a step computes on the way."""
    match step.op:
        case "attention":  # The weights of every token for every other one.
            return step.heads * step.output_shape[0] ** 2
        case "gru":  # Three gates beside the state.
            return 3 * math.prod(step.output_shape)
        case _:
            return 0
