"""`model.c`: the kernels that a network needs, its numbers as constants, and a call for each step."""

from __future__ import annotations

import math
import re
from importlib import resources
from typing import Final

import numpy as np

from gasearch_workers.export.c99.buffers import blocks_of, owners_of, place, scratch_of
from gasearch_workers.export.c99.fixed_point import (
    Rescaling,
    grid_of,
    rescaling,
    summation,
    table_zero,
)
from gasearch_workers.export.c99.integers import input_steps
from gasearch_workers.export.c99.literals import StoredWeights, array, real, store, structure
from gasearch_workers.network.integer import IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import INPUT, OPERATIONS, UNKNOWN, Step

PIECE: Final = 64  #: Weights of a vector's dense layer that are unpacked at once.

#: The kernels in their order, with those that each needs.
KERNELS: Final[dict[str, tuple[str, ...]]] = {
    "shift": (),
    "clamp": (),
    "rescale": ("shift", "clamp"),
    "weights": (),
    "sum": ("shift", "clamp"),
    "quantize": ("clamp",),
    "convolve": ("rescale", "weights"),
    "dense": ("rescale", "weights"),
    "add": ("sum",),
    "position": ("sum", "weights"),
    "product": ("rescale",),
    "global_pool": ("rescale",),
    "max_pool": (),
    "window": (),
    "max_tokens": (),
    "mean_tokens": ("rescale",),
    "embed": ("weights",),
    "embed_code": ("embed",),
    "embed_tokens": ("embed",),
}


class Source:
    """The text of `model.c` as it grows, step by step."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network, self.grids, self.owners = network, network.grids, owners_of(network.plan)
        self.constants: list[str] = []
        self.calls: list[str] = []
        self.kernels: set[str] = set()
        self.weight_bytes = 0
        self._stored = {item.step.name: _stored(item) for item in network.steps if item.weight is not None}
        blocks = blocks_of(network.plan, {name: self._scratch_bytes(name) for name in self._stored})
        self._offsets, self.ram_bytes = place(blocks)
        self._take_in()
        for item in network.steps:
            if item.step.op != "flatten":
                self._add(item)

    def text(self) -> str:
        """The whole file."""
        ram = f"static uint8_t ram[{max(self.ram_bytes, 1)}];\n" if self.ram_bytes else ""
        kernels = [_kernel(name) for name in KERNELS if name in self.kernels]
        body = "".join(f"    {line}\n" for line in [*self.calls, "return 0;"])
        predict = f"int gasearch_predict(const gasearch_input_t *input, float *output)\n{{\n{body}}}\n"
        return "\n".join(['#include "model.h"\n', *kernels, *self.constants, *([ram] if ram else []), predict])

    # --- names --------------------------------------------------------------------------------------------------

    def _place(self, name: str) -> str:
        """The address of a tensor."""
        owner = self.owners[name]
        return "input" if owner == INPUT and self.network.plan.input_kind == "image" else self._at(owner)

    def _at(self, block: str) -> str:
        return f"ram + {self._offsets[block]}"

    def _name(self, step: Step, part: str = "") -> str:
        """An identifier of a step's own: whatever its name holds, only letters, digits and _ are left."""
        number = self.network.plan.steps.index(step)
        return f"s{number}_{re.sub(r'[^A-Za-z0-9]', '_', step.name)}{part}"

    def _use(self, kernel: str) -> None:
        if kernel not in self.kernels:
            self.kernels |= {kernel}
            for needed in KERNELS[kernel]:
                self._use(needed)

    # --- constants ----------------------------------------------------------------------------------------------

    def _weights(self, step: Step) -> str:
        """The structure of a step's weights; these come before it as arrays."""
        stored = self._stored[step.name]
        parts = []
        for part, content in (("_weights", stored.data), ("_kept", stored.kept)):
            if content:
                self.constants.append(array("uint8_t", self._name(step, part), map(str, content)))
                self.weight_bytes += len(content)
            parts.append(self._name(step, part) if content else "0")
        return f"{{{', '.join(parts)}, {stored.bits}}}"

    def _rescaling(self, step: Step, rule: Rescaling) -> str:
        """The structure of a step's rescaling; its numbers come before it as arrays."""
        names = []
        for part, values in (("_multipliers", rule.multipliers), ("_biases", rule.biases)):
            self.constants.append(array("int32_t", self._name(step, part), map(str, values.tolist())))
            self.weight_bytes += 4 * len(values)
            names.append(self._name(step, part))
        low, high = (0, 0) if rule.high > 255 else (rule.low, rule.high)
        return f"{{{', '.join(names)}, {rule.first}, {rule.second}, {rule.zero}, {low}, {high}}}"

    def _scratch_bytes(self, name: str) -> int:
        """Bytes for unpacked weights."""
        step = next(step for step in self.network.plan.steps if step.name == name)
        if self._stored[name].are_bytes or OPERATIONS[step.op].weights != "matrix":
            return 0
        return min(_row(step), PIECE) if _is_vector(step) else _row(step)

    def _scratch(self, step: Step) -> str:
        return f"(int8_t *)({self._at(scratch_of(step))})" if scratch_of(step) in self._offsets else "0"

    # --- calls --------------------------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """A table's numbers become integers first."""
        plan, transform = self.network.plan, self.network.input
        if plan.input_kind != "table" or not plan.numbers:
            return
        self._use("quantize")
        for name, values in (("means", transform.mean), ("steps", input_steps(transform))):
            self.constants.append(array("float", f"input_{name}", map(real, values.tolist())))
            self.weight_bytes += 4 * len(values)
        grid = grid_of(self.grids, INPUT)
        self.calls.append(
            f"quantize({plan.numbers}, {grid.zero_point}, {2**grid.bits - 1}, input_means, input_steps, input, "
            f"{self._place(INPUT)});"
        )

    def _add(self, item: IntegerStep) -> None:
        """The constants and the call of a step."""
        step = item.step
        match step.op:
            case "conv":
                self._convolve(item)
            case "linear":
                self._dense(item)
            case "add" | "position" | "concat":
                self._sum(item)
            case "embedding":
                self._embed(item)
            case "product" | "global_pool" | "mean_tokens":
                self._rescaled(item)
            case "max_pool" | "window" | "max_tokens":
                self._move(step)
            case op:
                raise ValueError(f"the C file has no {op} (step {step.name})")

    def _call(self, kernel: str, step: Step, *arguments: object) -> None:
        """A call that ends with the step's output."""
        self._use(kernel)
        names = {"convolve": "convolve", "position": "add_table"}
        listed = ", ".join(map(str, [*arguments, self._place(step.name)]))
        self.calls.append(f"{names.get(kernel, kernel)}({listed});")

    def _zero(self, name: str) -> int:
        return grid_of(self.grids, name).zero_point

    def _convolve(self, item: IntegerStep) -> None:
        step, (channels, height, width) = item.step, item.step.input_shape
        inputs, outputs = channels // step.groups, step.output_shape[0] // step.groups
        sizes = (inputs, outputs, step.groups, height, width, step.kernel, step.stride, self._zero(step.inputs[0]))
        fields = [self._weights(step), self._rescaling(step, rescaling(item, self.grids)), *map(str, sizes)]
        self.constants.append(structure("convolution", self._name(step), fields))
        self._call("convolve", step, f"&{self._name(step)}", self._place(step.inputs[0]), self._scratch(step))

    def _dense(self, item: IntegerStep) -> None:
        step, rule = item.step, rescaling(item, self.grids)
        inputs, is_last = _row(step), item.output_grid is None
        piece = PIECE if _is_vector(step) and not self._stored[step.name].are_bytes else inputs
        sizes = (math.prod(step.input_shape[:-1]), inputs, step.output_shape[-1], piece, self._zero(step.inputs[0]))
        fields = [self._weights(step), self._rescaling(step, rule), *map(str, sizes), real(rule.unit)]
        self.constants.append(structure("dense", self._name(step), fields))
        self._use("dense")
        output = "0, output" if is_last else f"{self._place(step.name)}, 0"
        self.calls.append(
            f"dense(&{self._name(step)}, {self._place(step.inputs[0])}, {self._scratch(step)}, {output});"
        )

    def _sum(self, item: IntegerStep) -> None:
        step = item.step
        if step.op != "concat":
            weights = self._weights(step) if step.op == "position" else ""
            name = self._summation(item, step.inputs, math.prod(step.output_shape), "")
            source = self._place(step.inputs[0])
            if weights:
                self.constants.append(f"static const struct weights {self._name(step, '_table')} = {weights};\n")
                self._call("position", step, f"&{name}", f"&{self._name(step, '_table')}", source)
            else:
                self._call("add", step, f"&{name}", source, self._place(step.inputs[1]))
            return
        self._use("add")
        offset = 0
        for number, source in enumerate(step.inputs):
            size = self._size(source)
            name = self._summation(item, (source,), size, f"_part{number}")
            self.calls.append(f"add(&{name}, {self._place(source)}, 0, {self._place(step.name)} + {offset});")
            offset += size

    def _size(self, name: str) -> int:
        """Number of values of a vector."""
        if name == INPUT:
            return self.network.plan.numbers
        return next(step.output_shape[-1] for step in self.network.plan.steps if step.name == name)

    def _summation(self, item: IntegerStep, sources: tuple[str, ...], count: int, part: str) -> str:
        rule = summation(item, self.grids, sources)
        first, second, *_ = (*rule.multipliers, 0)
        zeros = [self._zero(name) for name in sources] + [0]
        numbers = (count, first, second, zeros[0], zeros[1], rule.shift, rule.zero, rule.low, rule.high)
        self.constants.append(structure("summation", self._name(item.step, part), list(map(str, numbers))))
        return self._name(item.step, part)

    def _rescaled(self, item: IntegerStep) -> None:
        step = item.step
        rule = self._rescaling(step, rescaling(item, self.grids))
        name = self._name(step)
        self.constants.append(f"static const struct rescaling {name} = {rule};\n")
        source, zero = self._place(step.inputs[0]), self._zero(step.inputs[0])
        match step.op:
            case "global_pool":
                channels, *sides = step.input_shape
                self._call("global_pool", step, f"&{name}", channels, math.prod(sides), zero, source)
            case "product":
                other = step.inputs[1]
                sizes = (math.prod(step.output_shape), zero, self._zero(other))
                self._call("product", step, f"&{name}", *sizes, source, self._place(other))
            case _:
                self._call("mean_tokens", step, f"&{name}", *step.input_shape, self._columns(), zero, "input", source)

    def _move(self, step: Step) -> None:
        source = self._place(step.inputs[0])
        match step.op:
            case "max_pool":
                self._call("max_pool", step, *step.input_shape, source)
            case "window":
                self._call("window", step, *step.input_shape, step.kernel, self._zero(step.inputs[0]), source)
            case _:
                zero = self._zero(step.inputs[0])
                self._call("max_tokens", step, *step.input_shape, self._columns(), zero, "input", source)

    def _columns(self) -> int:
        """Codes to a token."""
        return math.prod(self.network.plan.codes_shape[1:])

    def _embed(self, item: IntegerStep) -> None:
        step, plan = item.step, self.network.plan
        fields = [self._weights(step), *map(str, (step.rows, step.output_shape[-1], table_zero(item)))]
        self.constants.append(structure("table", self._name(step), fields))
        table, column = f"&{self._name(step)}", max(step.column, 0)
        if len(step.output_shape) == 2:
            sizes = (step.output_shape[0], self._columns(), min(UNKNOWN, step.rows - 1))
            self._call("embed_tokens", step, table, *sizes, f"input + {column}" if column else "input")
            return
        self._use("embed_code")
        self.calls += [f"if (!embed_code({table}, input[{plan.numbers + column}], {self._place(step.name)}))"]
        self.calls += ["    return -1;"]


def _row(step: Step) -> int:
    """Weights of one output."""
    return math.prod(step.weight_shape[1:])


def _is_vector(step: Step) -> bool:
    """Whether each weight is needed only once."""
    return step.op == "linear" and math.prod(step.input_shape[:-1]) == 1


def _stored(item: IntegerStep) -> StoredWeights:
    weight, step = item.weight, item.step
    assert weight is not None
    if weight.dtype != np.int8:
        raise ValueError(f"the C file computes in integers; the weights of step {step.name} are float")
    return store(weight.astype(np.int8), step.weight_bits, is_table=OPERATIONS[step.op].weights == "table")


def _kernel(name: str) -> str:
    return resources.files(__package__).joinpath("kernels", f"{name}.c").read_text(encoding="utf-8")
