"""Weights for a child from its parent: the overlapping slices of layers that have the same name and operation.

Slices overlap in what the numbers mean, not only in where they lie: kernels lie centred over each other, the parts of a
concatenation, the gates of a GRU, and queries, keys and values each over their own. Normalization's statistics and the
grids of activations begin anew with the child's first batch; learned scales of weights begin where they fit best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gasearch_workers.modules.build import Network, layer_key
from gasearch_workers.network.steps import CODES, INPUT, Step

Indices = Tensor  #: (2, shared): where the same numbers are, in the parent and in the child.


@torch.no_grad()
def inherit(network: Network, parent: Mapping[str, Tensor]) -> int:
    """Copy a parent's weights into a network that was just built.

    Args:
        network: The child; changed in place.
        parent: The `state_dict` of a network, of any shapes.

    Returns:
        How many numbers were copied; 0 where the two have no layer in common.
    """
    heir = _Heir(network, parent)
    return sum(
        heir.take(number, step, layer)
        for number, (step, layer) in enumerate(zip(network.plan.steps, network.layers, strict=True))
    )


@dataclass(frozen=True, slots=True)
class _Channels:
    """A tensor's channels in both networks."""

    widths: tuple[int, int]  #: How many the parent has, and the child.
    shared: Indices  #: Those that mean the same.

    def shifted(self, theirs: int, ours: int) -> Indices:
        """The same so many channels later in the parent, and in the child."""
        return self.shared + self.shared.new_tensor([[theirs], [ours]])

    def block(self, number: int) -> Indices:
        """The same in a later block of that many channels each."""
        return self.shifted(number * self.widths[0], number * self.widths[1])


class _Heir:
    """Takes one step's weights after the other, and keeps track of which channels mean the same."""

    def __init__(self, network: Network, parent: Mapping[str, Tensor]) -> None:
        self._network, self._parent = network, parent
        self._device = network.input.mean.device
        self._tensors: dict[str, _Channels | None] = {}  # None: the parent has no such tensor.
        width = network.plan.numbers_shape[0]
        self._tensors[INPUT] = self._leading(width, width)

    def take(self, number: int, step: Step, layer: Any) -> int:
        """Copy what a step inherits; returns how many numbers."""
        source = self._tensors.get(step.inputs[0])
        output: _Channels | None = source
        count = 0
        match step.op:
            case "conv" | "linear" | "gru" | "embedding" | "position":
                output, count = self._take_weight(number, step, layer, source)
            case "layer_norm":
                count = self._copy(step, layer, "gamma", source) + self._copy(step, layer, "bias", source)
            case "attention":
                # Of queries, keys and values the first.
                output = source and self._leading(source.widths[0] // 3, step.output_shape[-1])
            case "window":
                output = self._windowed(number, step, source)
            case "flatten":
                output = self._flattened(number, step, source)
            case "concat":
                output = self._concatenated(step)
            case _:
                pass
        self._tensors[step.name] = output
        return count

    # --- weights ------------------------------------------------------------------------------------------------

    def _take_weight(
        self, number: int, step: Step, layer: Any, source: _Channels | None
    ) -> tuple[_Channels | None, int]:
        """The outputs in both networks, and how many numbers were copied."""
        theirs = self._of_parent(step, "weight")
        if theirs is None or theirs.dim() != layer.weight.dim():
            return None, 0
        rows, columns, output = self._places(number, step, theirs, source)
        count = 0
        for (their_rows, our_rows), (their_columns, our_columns) in zip(rows, columns, strict=True):
            block = theirs[their_rows][:, their_columns]
            if step.op == "conv":
                count += _paste_kernels(layer.weight, block, our_rows, our_columns)
            else:
                layer.weight[our_rows.unsqueeze(1), our_columns] = block
                count += block.numel()
        if step.biases:
            whole = _Channels((len(theirs), len(layer.weight)), torch.cat(rows, 1))
            count += self._copy(step, layer, "bias", whole)
            if getattr(layer, "norm", None) is not None:
                count += self._copy(step, layer, "norm.gamma", whole)
        if getattr(layer, "mask", None) is not None:
            layer.weight.mul_(layer.mask)
        if layer.weight_quantizer is not None:
            layer.weight_quantizer.restart(layer.weight)
        return output, count

    def _places(
        self, number: int, step: Step, theirs: Tensor, source: _Channels | None
    ) -> tuple[list[Indices], list[Indices], _Channels | None]:
        """Blocks of rows, the columns of each, and the outputs."""
        out, our_out = theirs.shape[0], step.weight_shape[0]
        width, our_width = theirs.shape[1], step.weight_shape[1]
        match step.op:
            case "embedding" | "position":
                channels = self._leading(width, our_width)
                return [self._leading(out, our_out).shared], [channels.shared], channels
            case "gru":
                hidden, our_hidden = out // 6, our_out // 6
                inputs = self._matching(source, width - hidden, our_width - our_hidden)
                units = self._leading(hidden, our_hidden)
                rows = [units.block(number) for number in range(6)]
                columns = torch.cat([inputs.shared, units.shifted(width - hidden, our_width - our_hidden)], 1)
                both = torch.cat(rows[:2], 1)
                return rows, [columns] * 6, _Channels((2 * hidden, 2 * our_hidden), both)
            case "conv" if step.groups > 1:
                output = self._matching(source, out, our_out)
                return [output.shared], [self._leading(1, 1).shared], output
            case _:
                inputs = self._matching(source, width, our_width)
                output = self._leading(out, our_out)
                if self._reader(number).op == "attention" and out % 3 == 0:
                    units = self._leading(out // 3, our_out // 3)
                    output = _Channels(output.widths, torch.cat([units.block(part) for part in range(3)], 1))
                return [output.shared], [inputs.shared], output

    def _copy(self, step: Step, layer: Any, name: str, channels: _Channels | None) -> int:
        """Copy one vector's shared entries; returns how many."""
        theirs = self._of_parent(step, name)
        if theirs is None:
            return 0
        ours = layer.get_parameter(name)
        their_places, our_places = self._matching(channels, len(theirs), len(ours)).shared
        ours[our_places] = theirs[their_places]
        return len(our_places)

    def _of_parent(self, step: Step, name: str) -> Tensor | None:
        tensor = self._parent.get(f"steps.{layer_key(step)}.{name}")
        return None if tensor is None else tensor.to(self._device)

    # --- channels -----------------------------------------------------------------------------------------------

    def _leading(self, theirs: int, ours: int) -> _Channels:
        """The first ones of both."""
        places = torch.arange(min(theirs, ours), device=self._device)
        return _Channels((theirs, ours), places.expand(2, -1))

    def _matching(self, channels: _Channels | None, theirs: int, ours: int) -> _Channels:
        """The tensor's channels, if they are that many; else the first ones."""
        return channels if channels is not None and channels.widths == (theirs, ours) else self._leading(theirs, ours)

    def _windowed(self, number: int, step: Step, source: _Channels | None) -> _Channels | None:
        """Tokens of both windows that lie at the same distance from the middle."""
        kernel = self._copies(number, source)
        if source is None or kernel is None:
            return None
        shared = min(kernel, step.kernel)
        skip, our_skip = (kernel - shared) // 2, (step.kernel - shared) // 2
        theirs, ours = source.widths
        parts = [source.shifted((place + skip) * theirs, (place + our_skip) * ours) for place in range(shared)]
        return _Channels((kernel * theirs, step.kernel * ours), torch.cat(parts, 1))

    def _flattened(self, number: int, step: Step, source: _Channels | None) -> _Channels | None:
        """All places of the shared channels, where the image has as many."""
        places = step.output_shape[0] // step.input_shape[0]
        if source is None or self._copies(number, source) != places:
            return None
        offsets = torch.arange(places, device=self._device)
        shared = (source.shared.unsqueeze(2) * places + offsets).flatten(1)
        return _Channels((source.widths[0] * places, source.widths[1] * places), shared)

    def _copies(self, number: int, source: _Channels | None) -> int | None:
        """How often the parent's channels come in the next matrix's inputs; None where that is no whole number."""
        weight = self._of_parent(self._reader(number), "weight")
        if source is None or weight is None or weight.shape[1] % source.widths[0]:
            return None
        return int(weight.shape[1]) // source.widths[0]

    def _concatenated(self, step: Step) -> _Channels | None:
        parts = [self._tensors.get(name) for name in step.inputs if name != CODES]
        shared: list[Indices] = []
        widths = (0, 0)
        for part in parts:
            if part is None:
                return None
            shared.append(part.shifted(*widths))
            widths = (widths[0] + part.widths[0], widths[1] + part.widths[1])
        return _Channels(widths, torch.cat(shared, 1))

    def _reader(self, number: int) -> Step:
        """The next step."""
        steps = self._network.plan.steps
        return steps[min(number + 1, len(steps) - 1)]


def _paste_kernels(weight: Tensor, block: Tensor, rows: Tensor, columns: Tensor) -> int:
    """Copy (out, in, k, k) so that the kernels' middles agree; returns how many numbers."""
    side, our_side = block.shape[-1], weight.shape[-1]
    shared = min(side, our_side)
    skip, our_skip = (side - shared) // 2, (our_side - shared) // 2
    theirs = block[:, :, skip : skip + shared, skip : skip + shared]
    inner = weight[:, :, our_skip : our_skip + shared, our_skip : our_skip + shared]  # A view.
    inner[rows.unsqueeze(1), columns] = theirs
    return theirs.numel()
