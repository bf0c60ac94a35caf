"""The scales that a TFLite file declares for its tensors: such that a fused ReLU6 ends few-bit grids where they end.

TFLite's integers have 8 bits, and a kernel clamps its output at a real value: at 6, for instance. What a kernel
computes depends on ratios of scales alone, so a tensor's scale may be any number, as long as the weights that read
or give it make up for it. At a scale of 6 / (2**bits - 1) the ReLU6 is the clamp at the grid's last integer, and costs
nothing; a MINIMUM behind the kernel would hold the activations twice.
"""

from __future__ import annotations

from typing import Final

from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.steps import CODES, INPUT, Step

CEILING: Final = 6.0  #: Real value at which a ReLU6 ends.
#: Operations whose inputs and output keep the ratios of their scales: they have no weights that could make up for it.
_LINKING: Final = {"add", "global_pool", "flatten", "max_pool", "window", "max_tokens"}
_FREEING: Final = {"conv", "linear"}


def declared_scales(network: IntegerNetwork, integer_steps: frozenset[str]) -> dict[str, float]:
    """The scale of each tensor that has a grid.

    Args:
        network: Whose tensors they are.
        integer_steps: Names of the steps that are computed in integers: what another one reads keeps its own scale.
    """
    groups = _linked(network)
    pinned = {groups[INPUT]} if INPUT in groups else set()
    for item in network.steps:
        step = item.step
        if step.name not in integer_steps or step.op not in _LINKING | _FREEING:
            pinned |= {groups[name] for name in (step.name, *step.inputs) if name in groups}
    factors = dict.fromkeys(pinned, 1.0)
    for item in network.steps:
        grid = item.output_grid
        if grid is not None and can_end_by_relu6(item.step, grid.bits, grid.zero_point):
            factors.setdefault(groups[item.step.name], CEILING / largest_integer(grid.bits) / grid.scale)
    return {
        name: grid.scale * factors.get(groups[name], 1.0) for name, grid in network.grids.items() if grid is not None
    }


def can_end_by_relu6(step: Step, bits: int, zero_point: int) -> bool:
    """Whether a step's few-bit output could be clamped by a fused ReLU6, which ends at the real value 0, too.

    Args:
        step: The step.
        bits: Of its output.
        zero_point: Of its output.
    """
    return bits < 8 and zero_point == 0 and step.op in ("conv", "linear", "add")


def is_ended_by_relu6(bits: int, scale: float) -> bool:
    """Whether a ReLU6 ends a grid with the zero point 0 at its last integer."""
    return abs(CEILING / scale - largest_integer(bits)) < 1e-3


def largest_integer(bits: int) -> int:
    """The last integer of a grid."""
    return (1 << bits) - 1


def _linked(network: IntegerNetwork) -> dict[str, str]:
    """For each tensor the first one of those whose scales are bound to its own."""
    first = {name: name for name in network.grids}
    for item in network.steps:
        if item.step.op in _LINKING:
            members = [name for name in (item.step.name, *item.step.inputs) if name != CODES]
            merged = {first[name] for name in members}
            first |= {name: first[members[-1]] for name, group in first.items() if group in merged}
    return first
