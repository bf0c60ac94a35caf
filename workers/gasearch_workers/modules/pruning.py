"""From the network in which a training began to the one that is deployed: without its least important parts.

Structured pruning removes channels, heads and units, so the tensors get smaller; unstructured pruning sets single
weights to 0 for good. How many remain is what the plans say; which ones is decided here, by magnitude.

An output's importance is its size (its normalization's gamma, or the norm of its weights where there is none) times the
norm of the weights that read it: on digits, with half of the channels, that was as good as or better than either alone
and than gamma times the norm, 2 to 9 points better than chance after one more epoch. A head's is the norm of its value
rows times that of the projection's columns; that of a GRU's unit the norm of its weights times that of those that read
it, and each direction keeps units of its own.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from gasearch_workers.modules.build import Network, build
from gasearch_workers.modules.layers import MatrixLayer, Norm, largest_mask
from gasearch_workers.modules.quantize import ActivationQuantizer, LearnedScale
from gasearch_workers.modules.sequence_layers import GruLayer
from gasearch_workers.network.steps import CODES, INPUT, Plan, Step


@torch.no_grad()
def prune(network: Network, target: Plan) -> Network:
    """The pruned network, with the weights, statistics, grids and dropout of the one given, which stays as it is.

    Args:
        network: Trained on `plan(blueprint, is_pruned=False)`.
        target: `plan(blueprint)`.

    Raises:
        ValueError: if the target is not the network's plan with fewer channels or weights.
    """
    _check(network.plan, target)
    pruned = build(target, network.input.transform, seed=0, target=network.target, is_full_range=network.is_full_range)
    pruned.to(network.input.mean.device).train(network.training)
    pruned.set_dropout(network.dropout, network.dropout_generator)
    surgeon = _Surgeon(network)
    for number, (before, after) in enumerate(zip(network.plan.steps, target.steps, strict=True)):
        surgeon.carry(before, after, network.layers[number], pruned.layers[number])
    return pruned


def _check(source: Plan, target: Plan) -> None:
    names = [(step.name, step.op) for step in source.steps]
    wanted = [(step.name, step.op) for step in target.steps]
    if names != wanted:
        raise ValueError(f"a network is pruned to a plan of the same steps; it has {names}, the plan {wanted}")
    for before, after in zip(source.steps, target.steps, strict=True):
        if any(small > large for small, large in zip(after.weight_shape, before.weight_shape, strict=True)):
            raise ValueError(
                f"pruning makes no layer larger; {before.name} has weights of {before.weight_shape}, "
                f"the plan wants {after.weight_shape}"
            )


class _Surgeon:
    """Carries one step after the other from the whole network to the pruned one.

    `kept` holds for each tensor the indices of the channels that remain: of vectors and sequences along the last axis.
    """

    def __init__(self, network: Network) -> None:
        self._device = network.input.mean.device
        self._readers: dict[str, list[Step]] = {}
        for step in network.plan.steps:
            for name in step.inputs:
                self._readers.setdefault(name, []).append(step)
        self._layers: dict[str, Any] = {
            step.name: layer for step, layer in zip(network.plan.steps, network.layers, strict=True)
        }
        width = network.plan.numbers_shape[0]
        self._widths = {INPUT: width} | {step.name: step.channels for step in network.plan.steps}
        self.kept = {INPUT: self._all(width)}

    def carry(self, before: Step, after: Step, old: Any, new: Any) -> None:
        """Choose what remains of a step's outputs, and copy its numbers for them."""
        inputs = [self.kept[name] for name in before.inputs if name != CODES]
        match before.op:
            case "conv" | "linear":
                columns = inputs[0] if before.groups == 1 else torch.zeros(1, dtype=torch.int64, device=self._device)
                outputs = inputs[0] if before.groups > 1 else self._choose(before, after)
                _carry_matrix(old, new, old.weight[outputs][:, columns], outputs)
            case "gru":
                outputs = self._choose_units(before, after)
                _carry_gru(old, new, inputs[0], outputs)
            case "embedding":
                outputs = self._all(before.channels)
                new.load_state_dict(old.state_dict())
            case "position":
                outputs = inputs[0]
                new.weight.copy_(old.weight[:, outputs])
                _carry_learned(old.weight_quantizer, new.weight_quantizer)
            case "layer_norm":
                outputs = inputs[0]
                new.gamma.copy_(old.gamma[outputs])
                new.bias.copy_(old.bias[outputs])
            case "attention":
                width = before.output_shape[-1]
                outputs = inputs[0][inputs[0] < width]  # Of the queries: the values have the same heads.
            case "flatten":
                outputs = _spread(inputs[0], before.output_shape[0] // before.input_shape[0])
            case "window":
                width = before.input_shape[-1]
                outputs = torch.cat([inputs[0] + place * width for place in range(before.kernel)])
            case "concat":
                starts = itertools.accumulate([self._widths[name] for name in before.inputs], initial=0)
                outputs = torch.cat([part + start for part, start in zip(inputs, starts, strict=False)])
            case _:  # Element by element, or over the places.
                outputs = inputs[0]
        if isinstance(getattr(old, "quantizer", None), ActivationQuantizer):
            new.quantizer.take_over(old.quantizer)
        self.kept[before.name] = outputs

    def _all(self, count: int) -> Tensor:
        return torch.arange(count, device=self._device)

    # --- choices ------------------------------------------------------------------------------------------------

    def _choose(self, before: Step, after: Step) -> Tensor:
        """Which outputs of a matrix remain."""
        count = after.channels
        if count == before.channels:
            return self._all(count)
        readers = self._readers[before.name]
        if readers[0].op == "attention":
            return self._choose_heads(before, readers[0], count)
        layer = self._layers[before.name]
        size = layer.weight.flatten(1).norm(dim=1) if layer.norm is None else layer.norm.gamma.detach()  # (out,)
        return _largest(size * self._reading(before.name, self._all(before.channels).unsqueeze(1)), count)

    def _choose_heads(self, queries: Step, attention: Step, count: int) -> Tensor:
        """Of queries, keys and values the channels of the same heads."""
        width, heads = attention.output_shape[-1], attention.heads
        head_size = width // heads
        channels = torch.arange(width, device=self._device).view(heads, head_size)
        values = self._layers[queries.name].weight[2 * width :].square().sum(dim=1)[channels].sum(dim=1).sqrt()
        kept = _largest(values * self._reading(attention.name, channels), count // (3 * head_size))
        return torch.cat([channels[kept].flatten() + block * width for block in range(3)])

    def _choose_units(self, before: Step, after: Step) -> Tensor:
        """Units of a GRU, of each direction its own: indices into its outputs."""
        hidden, count = before.width, after.width
        if count == hidden:
            return self._all(2 * hidden)
        weight = self._layers[before.name].weight
        own = weight.view(2, 3, hidden, -1).square().sum(dim=(1, 3)).sqrt()  # (2, hidden)
        read = self._reading(before.name, self._all(2 * hidden).unsqueeze(1)).view(2, hidden)
        return torch.cat([_largest(own[way] * read[way], count) + way * hidden for way in range(2)])

    def _reading(self, name: str, places: Tensor) -> Tensor:
        """Norm of the weights that read each group of a tensor's channels: (groups, channels) -> (groups,)."""
        return self._squares(name, places).sqrt()

    def _squares(self, name: str, places: Tensor) -> Tensor:
        total = torch.zeros(len(places), device=self._device)
        for step in self._readers.get(name, []):
            match step.op:
                case "conv" if step.groups > 1:
                    total += self._layers[step.name].weight.square().sum(dim=(1, 2, 3))[places].sum(dim=1)
                case "conv":
                    total += self._layers[step.name].weight.square().sum(dim=(0, 2, 3))[places].sum(dim=1)
                case "linear" | "gru":
                    total += self._layers[step.name].weight.square().sum(dim=0)[places].sum(dim=1)
                case "flatten":
                    count = step.output_shape[0] // step.input_shape[0]
                    total += self._squares(step.name, _spread(places, count))
                case "window":
                    width = step.input_shape[-1]
                    total += self._squares(step.name, torch.cat([places + k * width for k in range(step.kernel)], 1))
                case _:
                    total += self._squares(step.name, places)
        return total


def _spread(channels: Tensor, places: int) -> Tensor:
    """Indices into a flattened image: each channel's places, (..., C) -> (..., C x places)."""
    return (channels.unsqueeze(-1) * places + torch.arange(places, device=channels.device)).flatten(-2)


def _largest(importance: Tensor, count: int) -> Tensor:
    """Indices of the `count` largest, in order; of equals the first."""
    return torch.sort(torch.argsort(importance, descending=True, stable=True)[:count]).values


# --- copies -----------------------------------------------------------------------------------------------------


def _carry_matrix(old: MatrixLayer, new: MatrixLayer, weight: Tensor, rows: Tensor) -> None:
    """The numbers of the outputs `rows`, and the mask of the weights that stay."""
    if new.mask is not None and new.step.nonzeros is not None:
        new.mask.copy_(largest_mask(weight, new.step.nonzeros))
        weight = weight * new.mask
    new.weight.copy_(weight)
    new.bias.copy_(old.bias[rows])
    if old.weight_quantizer is not None:
        _carry_learned(old.weight_quantizer, new.weight_quantizer, rows)
    norm, new_norm = getattr(old, "norm", None), getattr(new, "norm", None)
    if isinstance(norm, Norm) and isinstance(new_norm, Norm):
        for name in ("gamma", "mean", "variance"):
            getattr(new_norm, name).copy_(getattr(norm, name)[rows])
        new_norm.batches = norm.batches


def _carry_gru(old: GruLayer, new: GruLayer, inputs: Tensor, outputs: Tensor) -> None:
    """Gates of the units that remain, over the inputs and the units of the same direction that remain."""
    hidden, count = old.hidden, new.hidden
    channels = old.step.input_shape[-1]
    blocks, rows = [], []
    for way, units in enumerate((outputs[:count], outputs[count:] - hidden)):
        columns = torch.cat((inputs, units + channels))
        for gate in range(3):
            rows.append(units + (3 * way + gate) * hidden)
            blocks.append(old.weight[rows[-1]][:, columns])
    _carry_matrix(old, new, torch.cat(blocks), torch.cat(rows))


def _carry_learned(old: nn.Module | None, new: nn.Module | None, rows: Tensor | None = None) -> None:
    """A quantizer's learned scales, where it has any."""
    one, other = getattr(old, "learned", None), getattr(new, "learned", None)
    if isinstance(one, LearnedScale) and isinstance(other, LearnedScale):
        for name in ("start", "factor"):
            values = getattr(one, name)
            getattr(other, name).copy_(values if rows is None else values[rows])
