"""The pinned network that latencies are measured against: a small int8 CNN of about 0.1 ms per inference.

It is part of the meaning of every stored latency. Its numbers come from a formula, not a generator, so that no library
version changes it; a test holds the hash of its bytes.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.network.plan import plan
from gasearch_workers.network.steps import Step

SHAPE = (3, 32, 32)  #: Of one sample, uint8.
WIDTHS_AND_STRIDES = ((16, 1), (32, 2), (32, 1), (64, 2))


@cache
def reference_model() -> bytes:
    """The reference's graph, the same on every machine and in every version that stores comparable latencies."""
    layers = [
        Layer(kind="conv", width=width, kernel=3, stride=stride, weight_bits=8, activation_bits=8)
        for width, stride in WIDTHS_AND_STRIDES
    ]
    head = Layer(kind="linear", width=10, weight_bits=8)
    steps = plan(Blueprint(family="cnn", input_shape=SHAPE, layers=(*layers, head)))
    transform = InputTransform(
        dtype="uint8",
        mean=np.full(1, 128, np.float32),
        deviation=np.full(1, 64, np.float32),
        grid=Grid(scale=1 / 64, zero_point=128, bits=8),
    )
    network = IntegerNetwork(plan=steps, input=transform, steps=tuple(map(_fill, steps.steps)))
    return to_onnx(network).SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def _fill(step: Step) -> IntegerStep:
    """The step with weights that run through the int8 range, a bias of 0 and a grid that holds the values."""
    grid = None if step.output_bits == 32 else Grid(scale=1 / 32, zero_point=0, bits=8)
    if not step.has_weights:
        return IntegerStep(step=step, output_grid=grid)
    out = step.output_shape[0]
    weight = np.arange(np.prod(step.weight_shape)).reshape(step.weight_shape) * 89 % 255 - 127
    scale = np.full(out, 1 / 1024, np.float32)
    return IntegerStep(
        step=step, weight=weight.astype(np.int8), weight_scale=scale, bias=np.zeros(out, np.float32), output_grid=grid
    )
