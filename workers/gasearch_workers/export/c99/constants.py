"""What each call in `model.c` is made of: identifiers, addresses, constants, and which kernels are needed."""

from __future__ import annotations

import math
import re
from typing import Final

import numpy as np

from gasearch_workers.export.c99.buffers import blocks_of, owners_of, place, scratch_of
from gasearch_workers.export.c99.fixed_point import Rescaling, grid_of
from gasearch_workers.export.c99.literals import StoredWeights, array, store
from gasearch_workers.export.c99.sequence_rules import gate_rows
from gasearch_workers.network.integer import IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import INPUT, OPERATIONS, Step

PIECE: Final = 64  #: Weights of a vector's dense layer that are unpacked at once.

#: The kernels in their order, with those that each needs.
KERNELS: Final[dict[str, tuple[str, ...]]] = {
    "shift": (),
    "clamp": (),
    "rescale": ("shift", "clamp"),
    "weights": (),
    "real": (),
    "sum": ("shift", "clamp"),
    "quantize": ("clamp",),
    "convolve": ("rescale", "weights"),
    "dense": ("rescale", "weights", "real"),
    "add": ("sum",),
    "add_table": ("sum", "weights"),
    "product": ("rescale",),
    "global_pool": ("rescale",),
    "max_pool": (),
    "window": (),
    "max_tokens": (),
    "mean_tokens": ("rescale",),
    "power": ("shift",),
    "gru": ("rescale", "weights", "power"),
    "attention": ("rescale", "power"),
    "layer_norm": ("rescale",),
    "embed": ("weights",),
    "embed_code": ("embed",),
    "embed_tokens": ("embed",),
}


class Constants:
    """What grows with each step: constants, calls, the kernels that they need."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network, self.grids, self.owners = network, network.grids, owners_of(network.plan)
        self.constants: list[str] = []
        self.calls: list[str] = []
        self.kernels: set[str] = set()
        self.weight_bytes = 0
        self.stored = {item.step.name: _stored(item) for item in network.steps if item.step.op in _PACKED}
        #: int32 values that steps need besides: the states of a GRU, the weights of an attention's keys.
        self.wide = max((_wide(step) for step in network.plan.steps), default=0)
        blocks = blocks_of(network.plan, {name: self._scratch_bytes(name) for name in self.stored})
        self.offsets, self.array_bytes = place(blocks)

    @property
    def ram_bytes(self) -> int:
        """Bytes of all static arrays."""
        return self.array_bytes + 4 * self.wide

    # --- names --------------------------------------------------------------------------------------------------

    def place(self, name: str) -> str:
        """The address of a tensor."""
        owner = self.owners[name]
        return "input" if owner == INPUT and self.network.plan.input_kind == "image" else self.at(owner)

    def at(self, block: str) -> str:
        """The address of a block."""
        return f"ram + {self.offsets[block]}"

    def name(self, step: Step, part: str = "") -> str:
        """An identifier of a step's own: whatever its name holds, only letters, digits and _ are left."""
        number = self.network.plan.steps.index(step)
        return f"s{number}_{re.sub(r'[^A-Za-z0-9]', '_', step.name)}{part}"

    def use(self, kernel: str) -> None:
        """Note that a kernel is needed, with those that it needs."""
        if kernel not in self.kernels:
            self.kernels |= {kernel}
            for needed in KERNELS[kernel]:
                self.use(needed)

    # --- constants ----------------------------------------------------------------------------------------------

    def weights(self, step: Step) -> str:
        """The structure of a step's weights; these come before it as arrays."""
        stored = self.stored[step.name]
        parts = []
        for part, content in (("_weights", stored.data), ("_kept", stored.kept)):
            if content:
                self.constants.append(array("uint8_t", self.name(step, part), map(str, content)))
                self.weight_bytes += len(content)
            parts.append(self.name(step, part) if content else "0")
        return f"{{{', '.join(parts)}, {stored.bits}}}"

    def rescaling(self, step: Step, rule: Rescaling, part: str = "") -> str:
        """The structure of a rescaling; its numbers come before it as arrays.

        Args:
            step: Whose it is.
            rule: What it does.
            part: Of the arrays' names, where a step has several.
        """
        names = []
        for kind, values in (("_multipliers", rule.multipliers), ("_biases", rule.biases)):
            names.append(self.name(step, part + kind))
            self.constants.append(array("int32_t", names[-1], map(str, values.tolist())))
            self.weight_bytes += 4 * len(values)
        low, high = (0, 0) if rule.high > 255 else (rule.low, rule.high)
        return f"{{{', '.join(names)}, {rule.first}, {rule.second}, {rule.zero}, {low}, {high}}}"

    def _scratch_bytes(self, name: str) -> int:
        """Bytes for unpacked weights."""
        step = next(step for step in self.network.plan.steps if step.name == name)
        if self.stored[name].are_bytes or OPERATIONS[step.op].weights != "matrix":
            return 0
        return min(row_size(step), PIECE) if is_vector(step) else row_size(step)

    def scratch(self, step: Step) -> str:
        """The address of a step's room for unpacked weights."""
        return f"(int8_t *)({self.at(scratch_of(step))})" if scratch_of(step) in self.offsets else "0"

    def zero(self, name: str) -> int:
        """The integer that is a tensor's real 0."""
        return grid_of(self.grids, name).zero_point

    def columns(self) -> int:
        """Codes to a token."""
        return math.prod(self.network.plan.codes_shape[1:])

    def call(self, kernel: str, step: Step, *arguments: object) -> None:
        """Append a call that ends with the step's output.

        Args:
            kernel: The function, which is in the file of its name.
            step: The step.
            *arguments: Those before the output.
        """
        self.use(kernel)
        listed = ", ".join(map(str, [*arguments, self.place(step.name)]))
        self.calls.append(f"{kernel}({listed});")


_PACKED: Final = {op for op, known in OPERATIONS.items() if known.weights in ("matrix", "table")}


def row_size(step: Step) -> int:
    """Weights of one output."""
    return math.prod(step.weight_shape[1:])


def is_vector(step: Step) -> bool:
    """Whether it is a dense layer each of whose weights is needed only once."""
    return step.op == "linear" and math.prod(step.input_shape[:-1]) == 1


def _wide(step: Step) -> int:
    return {"gru": 2 * step.width, "attention": step.input_shape[0]}.get(step.op, 0)


def _stored(item: IntegerStep) -> StoredWeights:
    weight, step = item.weight, item.step
    assert weight is not None
    if weight.dtype != np.int8:
        raise ValueError(f"the C file computes in integers; the weights of step {step.name} are float")
    weight = gate_rows(weight, step) if step.op == "gru" else weight
    return store(weight.astype(np.int8), step.weight_bits, is_table=OPERATIONS[step.op].weights == "table")
