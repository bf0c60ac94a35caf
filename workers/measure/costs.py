"""What a network costs, by arithmetic alone: parameters, operations and bytes, exact, before any training.

Standard library only: the controller decides constraints with it. Sums, averages and activations count no operation,
as in torch's FlopCounterMode (which counts 2 per MAC).
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.packed_layout import frame_bytes, step_bytes
from workers.steps import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of a network, or of one step of it, for one sample."""

    params: int  #: Weights and biases, after batch normalization is folded into them.
    macs: int  #: Multiply-accumulates of one inference at batch 1.
    bops: int  #: Bit operations: MACs x weight bits x input bits, summed over the steps.
    model_bytes: int  #: Exactly what `workers.packed` writes.


def costs(plan: Plan) -> Costs:
    """The costs of a whole network; `model_bytes` includes header, input transform and checksum."""
    params = macs = bops = 0
    size = frame_bytes(plan)
    for step in plan.steps:
        step_params, step_macs, step_bops, step_size = _count(step)
        params += step_params
        macs += step_macs
        bops += step_bops
        size += step_size
    return Costs(params=params, macs=macs, bops=bops, model_bytes=size)


def step_costs(step: Step) -> Costs:
    """The costs of one step; the steps' sums are the network's, save the bytes that belong to no step."""
    params, macs, bops, size = _count(step)
    return Costs(params=params, macs=macs, bops=bops, model_bytes=size)


def _count(step: Step) -> tuple[int, int, int, int]:
    """(params, macs, bops, bytes) of a step.

    A convolution uses each weight once per output position (padding counts as input), a linear layer once.
    """
    if step.op == "conv":
        width, height, breadth = step.output_shape
        weights = width * (step.input_shape[0] // step.groups) * step.kernel * step.kernel
        macs = weights * height * breadth
    elif step.op == "linear":
        width = step.output_shape[0]
        weights = macs = width * step.input_shape[0]
    else:
        return 0, 0, 0, step_bytes(step, 0)
    return weights + width, macs, macs * step.weight_bits * step.input_bits, step_bytes(step, weights)
