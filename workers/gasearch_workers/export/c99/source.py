"""`model.c`: the kernels that a network needs, its numbers as constants, and a call for each step."""

from __future__ import annotations

import math
from importlib import resources

from gasearch_workers.export.c99.constants import KERNELS, PIECE, Constants, is_vector, row_size
from gasearch_workers.export.c99.fixed_point import grid_of, rescaling, summation, table_zero
from gasearch_workers.export.c99.integers import input_steps
from gasearch_workers.export.c99.literals import array, real, structure
from gasearch_workers.export.c99.sequence_rules import attention_rules, gru_rules, normalization_rules
from gasearch_workers.network.integer import IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import INPUT, UNKNOWN, Step


class Source(Constants):
    """The text of `model.c` as it grows, step by step."""

    def __init__(self, network: IntegerNetwork) -> None:
        super().__init__(network)
        self._take_in()
        for item in network.steps:
            if item.step.op != "flatten":
                self._add(item)

    def text(self) -> str:
        """The whole file."""
        sizes = (("int32_t", "wide", self.wide), ("uint8_t", "ram", self.array_bytes))
        arrays = [f"static {kind} {name}[{size}];\n" for kind, name, size in sizes if size]
        kernels = [_kernel(name) for name in KERNELS if name in self.kernels]
        body = "".join(f"    {line}\n" for line in [*self.calls, "return 0;"])
        predict = f"int gasearch_predict(const gasearch_input_t *input, float *output)\n{{\n{body}}}\n"
        return "\n".join(['#include "model.h"\n', *kernels, *self.constants, *arrays, predict])

    def _take_in(self) -> None:
        """A table's numbers become integers first."""
        plan, transform = self.network.plan, self.network.input
        if plan.input_kind != "table" or not plan.numbers:
            return
        self.use("quantize")
        for name, values in (("means", transform.mean), ("steps", input_steps(transform))):
            self.constants.append(array("float", f"input_{name}", map(real, values.tolist())))
            self.weight_bytes += 4 * len(values)
        grid = grid_of(self.grids, INPUT)
        self.calls.append(
            f"quantize({plan.numbers}, {grid.zero_point}, {2**grid.bits - 1}, input_means, input_steps, input, "
            f"{self.place(INPUT)});"
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
            case "gru":
                self._gru(item)
            case "attention":
                self._attention(item)
            case "layer_norm":
                self._layer_norm(item)
            case op:
                raise ValueError(f"the C file has no {op} (step {step.name})")

    def _convolve(self, item: IntegerStep) -> None:
        step, (channels, height, width) = item.step, item.step.input_shape
        inputs, outputs = channels // step.groups, step.output_shape[0] // step.groups
        sizes = (inputs, outputs, step.groups, height, width, step.kernel, step.stride, self.zero(step.inputs[0]))
        fields = [self.weights(step), self.rescaling(step, rescaling(item, self.grids)), *map(str, sizes)]
        self.constants.append(structure("convolution", self.name(step), fields))
        self.call("convolve", step, f"&{self.name(step)}", self.place(step.inputs[0]), self.scratch(step))

    def _dense(self, item: IntegerStep) -> None:
        step, rule = item.step, rescaling(item, self.grids)
        inputs, is_last = row_size(step), item.output_grid is None
        piece = PIECE if is_vector(step) and not self.stored[step.name].are_bytes else inputs
        sizes = (math.prod(step.input_shape[:-1]), inputs, step.output_shape[-1], piece, self.zero(step.inputs[0]))
        fields = [self.weights(step), self.rescaling(step, rule), *map(str, (*sizes, 1 - math.frexp(rule.unit)[1]))]
        self.constants.append(structure("dense", self.name(step), fields))
        self.use("dense")
        output = "0, output" if is_last else f"{self.place(step.name)}, 0"
        self.calls.append(f"dense(&{self.name(step)}, {self.place(step.inputs[0])}, {self.scratch(step)}, {output});")

    def _sum(self, item: IntegerStep) -> None:
        step = item.step
        if step.op != "concat":
            weights = self.weights(step) if step.op == "position" else ""
            name = self._summation(item, step.inputs, math.prod(step.output_shape), "")
            source = self.place(step.inputs[0])
            if weights:
                self.constants.append(f"static const struct weights {self.name(step, '_table')} = {weights};\n")
                self.call("add_table", step, f"&{name}", f"&{self.name(step, '_table')}", source)
            else:
                self.call("add", step, f"&{name}", source, self.place(step.inputs[1]))
            return
        self.use("add")
        offset = 0
        for number, source in enumerate(step.inputs):
            size = self._size(source)
            name = self._summation(item, (source,), size, f"_part{number}")
            self.calls.append(f"add(&{name}, {self.place(source)}, 0, {self.place(step.name)} + {offset});")
            offset += size

    def _size(self, name: str) -> int:
        """Number of values of a vector."""
        if name == INPUT:
            return self.network.plan.numbers
        return next(step.output_shape[-1] for step in self.network.plan.steps if step.name == name)

    def _summation(self, item: IntegerStep, sources: tuple[str, ...], count: int, part: str) -> str:
        rule = summation(item, self.grids, sources)
        first, second, *_ = (*rule.multipliers, 0)
        zeros = [self.zero(name) for name in sources] + [0]
        numbers = (count, first, second, zeros[0], zeros[1], rule.shift, rule.zero, rule.low, rule.high)
        self.constants.append(structure("summation", self.name(item.step, part), list(map(str, numbers))))
        return self.name(item.step, part)

    def _rescaled(self, item: IntegerStep) -> None:
        step = item.step
        rule = self.rescaling(step, rescaling(item, self.grids))
        name = self.name(step)
        self.constants.append(f"static const struct rescaling {name} = {rule};\n")
        source, zero = self.place(step.inputs[0]), self.zero(step.inputs[0])
        match step.op:
            case "global_pool":
                channels, *sides = step.input_shape
                self.call("global_pool", step, f"&{name}", channels, math.prod(sides), zero, source)
            case "product":
                other = step.inputs[1]
                sizes = (math.prod(step.output_shape), zero, self.zero(other))
                self.call("product", step, f"&{name}", *sizes, source, self.place(other))
            case _:
                self.call("mean_tokens", step, f"&{name}", *step.input_shape, self.columns(), zero, "input", source)

    def _move(self, step: Step) -> None:
        source = self.place(step.inputs[0])
        match step.op:
            case "max_pool":
                self.call("max_pool", step, *step.input_shape, source)
            case "window":
                self.call("window", step, *step.input_shape, step.kernel, self.zero(step.inputs[0]), source)
            case _:
                zero = self.zero(step.inputs[0])
                self.call("max_tokens", step, *step.input_shape, self.columns(), zero, "input", source)

    def _embed(self, item: IntegerStep) -> None:
        step, plan = item.step, self.network.plan
        fields = [self.weights(step), *map(str, (step.rows, step.output_shape[-1], table_zero(item)))]
        self.constants.append(structure("table", self.name(step), fields))
        table, column = f"&{self.name(step)}", max(step.column, 0)
        if len(step.output_shape) == 2:
            sizes = (step.output_shape[0], self.columns(), min(UNKNOWN, step.rows - 1))
            self.call("embed_tokens", step, table, *sizes, f"input + {column}" if column else "input")
            return
        self.use("embed_code")
        self.calls += [f"if (!embed_code({table}, input[{plan.numbers + column}], {self.place(step.name)}))"]
        self.calls += ["    return -1;"]

    # --- sequences ----------------------------------------------------------------------------------------------

    def _gru(self, item: IntegerStep) -> None:
        step, rules = item.step, gru_rules(item, self.grids)
        gates, states = self.rescaling(step, rules.gates), self.rescaling(step, rules.states, "_states")
        weights, multipliers = self.weights(step), self.name(step, "_state_multipliers")
        self.constants.append(array("int32_t", multipliers, map(str, rules.state_multipliers.tolist())))
        self.weight_bytes += 4 * len(rules.state_multipliers)
        sizes = (rules.state_shift, *step.input_shape, step.width, self.columns(), self.zero(step.inputs[0]))
        fields = [weights, gates, multipliers, states, *map(str, sizes)]
        self.constants.append(structure("gru", self.name(step), fields))
        source = self.place(step.inputs[0])
        self.call("gru", step, f"&{self.name(step)}", "input", source, self.scratch(step), "wide")

    def _attention(self, item: IntegerStep) -> None:
        step, rules = item.step, attention_rules(item, self.grids)
        scores, means = self.rescaling(step, rules.scores), self.rescaling(step, rules.means, "_means")
        size = step.channels // step.heads
        sizes = (step.input_shape[0], step.heads, size, self.columns(), self.zero(step.inputs[0]))
        self.constants.append(structure("attention", self.name(step), [scores, means, *map(str, sizes)]))
        self.call("attention", step, f"&{self.name(step)}", "input", self.place(step.inputs[0]), "wide")

    def _layer_norm(self, item: IntegerStep) -> None:
        step, rules = item.step, normalization_rules(item, self.grids)
        tokens = math.prod(step.input_shape[:-1])
        numbers = (rules.epsilon, rules.bits, tokens, step.channels)
        fields = [self.rescaling(step, rules.rescaling), *map(str, numbers)]
        self.constants.append(structure("normalization", self.name(step), fields))
        self.call("layer_norm", step, f"&{self.name(step)}", self.place(step.inputs[0]))


def _kernel(name: str) -> str:
    return resources.files(__package__).joinpath("kernels", f"{name}.c").read_text(encoding="utf-8")
