"""What a network costs, by arithmetic alone: parameters, operations and bytes, exact, before any training.

Standard library only: the controller decides constraints with it. Only products of matrices count as operations, as in
torch's FlopCounterMode (which counts 2 per MAC): sums, averages, activations, normalizations, products element by
element and table look-ups count none. A sequence counts at its full length, padding included. Sparse weights save
parameters and bytes, but no operation: no kernel that deploys them skips single zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.memory import peak_memory_bytes
from gasearch_workers.network.packed_layout import frame_bytes, step_bytes
from gasearch_workers.network.steps import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCosts:
    """Costs of one step for one sample, or of all steps together."""

    params: int  #: Weights that are kept, and biases, after batch normalization is folded into them.
    macs: int  #: Multiply-accumulates of one inference at batch 1.
    bops: int  #: Bit operations: MACs x weight bits x input bits, summed over the steps.
    model_bytes: int  #: Exactly what `gasearch_workers.export.packed` writes.


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs(StepCosts):
    """Costs of a network for one sample; `model_bytes` includes header, input transform and checksum."""

    plan: Plan

    @property
    def peak_memory_bytes(self) -> int:
        """See `gasearch_workers.network.memory`; counted when asked for: it takes longer than all else together."""
        return peak_memory_bytes(self.plan)


def costs(plan: Plan) -> Costs:
    """The costs of a whole network."""
    params = macs = bops = 0
    size = frame_bytes(plan)
    for step in plan.steps:
        step_params, step_macs, step_bops, step_size = _count(step)
        params += step_params
        macs += step_macs
        bops += step_bops
        size += step_size
    return Costs(params=params, macs=macs, bops=bops, model_bytes=size, plan=plan)


def step_costs(step: Step) -> StepCosts:
    """The costs of one step; the steps' sums are the network's, save the bytes that belong to no step."""
    params, macs, bops, size = _count(step)
    return StepCosts(params=params, macs=macs, bops=bops, model_bytes=size)


def multiplications(step: Step) -> tuple[tuple[int, int, int], ...]:
    """The multiply-accumulates of a step by precision: (MACs, bits of one factor, bits of the other) each.

    `conv` uses each weight once per output position (padding counts as input), `linear` once per token. `gru`
    multiplies its weights with the input at the input's precision, and with its state, which is float. `attention`
    multiplies queries with keys, then the shares of attention with values; both count at the precision of queries, keys
    and values.
    """
    match step.op:
        case "conv" | "linear":
            shape = step.weight_shape
            places = math.prod(step.output_shape) // shape[0]
            return ((math.prod(shape) * places, step.weight_bits, step.input_bits),)
        case "gru":
            tokens, channels = step.input_shape
            each = tokens * 6 * step.width
            return (
                (each * channels, step.weight_bits, step.input_bits),
                (each * step.width, step.weight_bits, FULL_PRECISION),
            )
        case "attention":
            tokens, features = step.output_shape
            return ((2 * tokens * tokens * features, step.input_bits, step.input_bits),)
        case _:
            return ()


def _count(step: Step) -> tuple[int, int, int, int]:
    """(params, macs, bops, bytes) of a step."""
    params = macs = bops = 0
    if step.has_weights:
        params = (math.prod(step.weight_shape) if step.nonzeros is None else step.nonzeros) + step.biases
    for count, bits, other_bits in multiplications(step):
        macs += count
        bops += count * bits * other_bits
    return params, macs, bops, step_bytes(step)
