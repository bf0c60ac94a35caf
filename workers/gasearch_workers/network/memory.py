"""How much memory an inference takes at its worst moment, by arithmetic over the plan. Standard library only.

What is there at batch 1, as the deployed graph holds it:

- All weights, throughout: one byte each below 32 bits, four at 32 (pruned ones too: kernels take dense matrices); four
  bytes per scale and per bias.
- The raw sample as the data give it, until the last step that reads it: bytes for images, four-byte numbers for tables,
  tokens and ids. A quantized network takes the bytes of an image as they are; otherwise the normalized input is a
  tensor of its own, made before the first step.
- The output of each step from the step that makes it until the last one that reads it, the network's own output to the
  end: one byte per value where it is quantized, four where it is float. `flatten` gives its input another shape, so it
  takes nothing. No step writes into its input.
- During an attention its float scores, (heads, tokens, tokens).

What a kernel needs inside (accumulators, packed copies of weights, the state of a GRU), and what the runtime itself
takes, is up to them and not counted.
"""

from __future__ import annotations

import math

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.steps import CODES, INPUT, Plan, Step

FLOAT_BYTES = 4  #: Of a float, a code, a scale or a bias.
RAW = "raw"  #: The sample as it comes; no step has this name.


def peak_memory_bytes(plan: Plan) -> int:
    """Bytes of the weights and of the activations that live at once, at the worst moment of an inference at batch 1."""
    return sum(weight_bytes(step) for step in plan.steps) + activation_bytes(plan)


def weight_bytes(step: Step) -> int:
    """Bytes of a step's weights, scales and biases in the deployed graph."""
    if not step.has_weights:
        return 0
    each = FLOAT_BYTES if step.weight_bits == FULL_PRECISION else 1
    return each * step.weights + FLOAT_BYTES * (step.scales + step.biases)


def activation_bytes(plan: Plan) -> int:
    """Bytes of the tensors that live at once, at most, over the order of execution."""
    owners = _tensor_owners(plan)
    last_use = {owners[name]: number for number, step in enumerate(plan.steps) for name in step.inputs}
    last_use[owners[plan.steps[-1].name]] = len(plan.steps)  # the network's output stays
    live = peak = raw_bytes(plan)
    sizes = {RAW: live}
    if owners.get(INPUT) == INPUT:
        sizes[INPUT] = _values(plan.numbers_shape, plan.input_bits)
        live += sizes[INPUT]
        peak = live
        live -= 0 if RAW in last_use else sizes[RAW]
    for number, step in enumerate(plan.steps):
        if owners[step.name] == step.name:
            sizes[step.name] = _values(step.output_shape, step.output_bits)
            live += sizes[step.name]
        scores = step.heads * step.output_shape[0] ** 2 if step.op == "attention" else 0
        peak = max(peak, live + FLOAT_BYTES * scores)
        live -= sum(sizes[owner] for owner in {owners[name] for name in step.inputs} if last_use[owner] == number)
    return peak


def _tensor_owners(plan: Plan) -> dict[str, str]:
    """For each tensor the one whose memory it lies in: itself, but for views and for inputs that are the raw sample."""
    owners = {RAW: RAW, CODES: RAW}
    if any(INPUT in step.inputs for step in plan.steps):
        is_raw = plan.input_kind == "image" and plan.input_bits != FULL_PRECISION
        owners[INPUT] = RAW if is_raw else INPUT
    for step in plan.steps:
        owners[step.name] = owners[step.inputs[0]] if step.op == "flatten" else step.name
    return owners


def raw_bytes(plan: Plan) -> int:
    """Bytes of one raw sample."""
    return math.prod(plan.input_shape) * (1 if plan.input_kind == "image" else FLOAT_BYTES)


def _values(shape: tuple[int, ...], bits: int) -> int:
    return math.prod(shape) * (FLOAT_BYTES if bits == FULL_PRECISION else 1)
