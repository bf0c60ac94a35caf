"""Whether a training fits in memory, told before it starts: an operating system that runs out kills without a word."""

from __future__ import annotations

import math
import os
from pathlib import Path

from gasearch_workers.network.steps import Plan, Step

_MEMORY = Path("/proc/meminfo")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USE = Path("/sys/fs/cgroup/memory.current")


def training_bytes(plan: Plan, *, batch_size: int) -> int:
    """A lower bound of what training holds: weights four times (value, gradient, two moments), activations twice.

    Args:
        plan: Of the network in which the training begins.
        batch_size: Samples at a time.
    """
    weights = sum(math.prod(step.weight_shape) for step in plan.steps if step.has_weights)
    activations = math.prod(plan.input_shape) + sum(map(_activations, plan.steps))
    return 4 * (4 * weights + 2 * activations * batch_size)


def _activations(step: Step) -> int:
    """Numbers that a step keeps for the backward pass: its output, and of some what it computes on the way."""
    outputs = math.prod(step.output_shape)
    match step.op:
        case "attention":  # The weights of every token for every other one.
            return outputs + step.heads * step.output_shape[0] ** 2
        case "gru":  # Three gates beside the state.
            return 4 * outputs
        case _:
            return outputs


def free_bytes() -> int:
    """Memory that this machine, or the container that holds this process, can still give."""
    free = _available_bytes()
    try:
        limit = int(_CGROUP_LIMIT.read_text())
        return min(free, limit - int(_CGROUP_USE.read_text()))
    except (OSError, ValueError):  # no cgroup v2 here, or its limit is "max"
        return free


def _available_bytes() -> int:
    try:
        for line in _MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:  # no Linux
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
