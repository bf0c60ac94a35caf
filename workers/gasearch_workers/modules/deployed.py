"""A deployed network as a torch module: what the search trained, in evaluation mode, from its integer network alone.

It computes with the layers that it was trained with, their normalization folded in and their weights on their grids
already, so its outputs are those of the fake-quantized network bit for bit. Its `state_dict` is `model.safetensors`:
real weights and biases in float32, and for each activation grid its scale and zero point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor, nn

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.modules.build import Network, layer_key
from gasearch_workers.modules.layers import MatrixLayer, WeightLayer
from gasearch_workers.modules.quantize import round_to_grid
from gasearch_workers.modules.sequence_layers import LayerNormLayer
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.network.packed_layout import DTYPES
from gasearch_workers.network.steps import INPUT, Plan, Step


class StoredWeightsError(ValueError):
    """Bytes that are no weights of a network of this plan; the message says why."""


class GivenGrid(nn.Module):
    """Rounds an activation tensor to a grid that is known."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(grid.scale, dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor(grid.zero_point, dtype=torch.int32))
        self._grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """The values on the grid, same shape."""
        low = -self._grid.zero_point
        return round_to_grid(x, self.scale, low, low + 2**self._grid.bits - 1)

    def grid(self) -> Grid:
        """The grid."""
        return self._grid


class DeployedNetwork(Network):
    """Raw samples (B, *input_shape) -> logits (B, outputs), of a tagger (B, T, tags), or predictions (B, 1)."""

    def __init__(self, plan: Plan, transform: InputTransform, grids: Mapping[str, Grid | None]) -> None:
        """A network in evaluation mode whose weights are yet to be filled in.

        Args:
            plan: Of the deployed network.
            transform: Of its raw samples.
            grids: Of each tensor by name, see `IntegerNetwork.grids`.
        """
        super().__init__(plan, transform, torch.Generator().manual_seed(0), (0.0, 1.0), False)
        self._factors = []  # of parts that are folded
        if transform.grid is not None:
            self.input.register_buffer("scale", torch.tensor(transform.grid.scale, dtype=torch.float32))
            self.input.register_buffer("zero_point", torch.tensor(transform.grid.zero_point, dtype=torch.int32))
        for step, layer in zip(plan.steps, self.layers, strict=True):
            if getattr(layer, "quantizer", None) is not None:
                grid = grids[step.name]
                assert grid is not None, "the plan says which tensors have a grid"
                layer.quantizer = GivenGrid(grid)
            if step.has_weights and not isinstance(layer, LayerNormLayer):
                layer.weight_quantizer = None  # type: ignore[assignment]
            if isinstance(layer, MatrixLayer):
                layer.mask = None
            if isinstance(layer, WeightLayer):
                layer.norm = None
        if len(plan.input_shape) == 3:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    def forward(self, raw: Tensor) -> Tensor:
        """(B, *input_shape) -> (B, outputs); of a tagger (B, T, tags).

        Raises:
            ValueError: for samples of another shape, some of which would give answers of nothing.
        """
        if tuple(raw.shape[1:]) != self.plan.input_shape:
            raise ValueError(
                f"samples are (count, {', '.join(map(str, self.plan.input_shape))}); got {tuple(raw.shape)}"
            )
        return super().forward(raw)

    @classmethod
    @torch.no_grad()
    def of(cls, network: IntegerNetwork) -> DeployedNetwork:
        """The module of an integer network."""
        module = cls(network.plan, network.input, network.grids)
        for item, layer in zip(network.steps, module.layers, strict=True):
            _fill(layer, item)
        return module

    @torch.no_grad()
    def run(self, x: NDArray[Any], batch: int = 256) -> NDArray[np.float32]:
        """The outputs of raw samples (B, *input_shape), so many at a time."""
        parts = [self(torch.from_numpy(x[at : at + batch])).numpy() for at in range(0, len(x), batch)]
        return np.concatenate(parts)


def _fill(layer: nn.Module, item: IntegerStep) -> None:
    if item.weight is None:
        return
    weight = torch.from_numpy(item.weight).to(torch.float32)
    if item.weight_scale is not None:  # In float32, as the layers that trained it multiply.
        weight = weight * torch.from_numpy(item.weight_scale).view(-1, *(1 for _ in weight.shape[1:]))
    own = layer.gamma if isinstance(layer, LayerNormLayer) else layer.weight
    assert isinstance(own, Tensor)
    own.copy_(weight)
    if item.bias is not None:
        assert isinstance(layer.bias, Tensor)
        layer.bias.copy_(torch.from_numpy(item.bias))


# --- as a file --------------------------------------------------------------------------------------------------


def to_safetensors(network: IntegerNetwork) -> bytes:
    """The weights of the network's module as a safetensors file; equal networks give equal bytes."""
    tensors = {name: tensor.contiguous() for name, tensor in DeployedNetwork.of(network).state_dict().items()}
    return bytes(write_tensors(tensors, metadata={"format": "pt"}))


def from_safetensors(content: bytes, plan: Plan) -> DeployedNetwork:
    """The module of a plan with stored weights, in evaluation mode.

    Args:
        content: What `to_safetensors` wrote.
        plan: Of the deployed network.

    Raises:
        StoredWeightsError: if the bytes are no safetensors file, or their tensors aren't those of the plan.
    """
    try:
        tensors = read_tensors(content)
    except SafetensorError as error:
        raise StoredWeightsError(f"they are no safetensors file ({error})") from error
    try:
        module = DeployedNetwork(plan, _transform(tensors, plan), _grids(tensors, plan))
        module.load_state_dict(tensors)
    except KeyError as error:
        raise StoredWeightsError(f"the tensor {error} is missing") from error
    except (RuntimeError, ValueError) as error:  # torch names what is missing, left over, or of another shape
        raise StoredWeightsError(" ".join(str(error).split())) from error
    return module


def _transform(tensors: Mapping[str, Tensor], plan: Plan) -> InputTransform:
    is_rounded = plan.input_bits != FULL_PRECISION
    return InputTransform(
        dtype=DTYPES[plan.input_kind],
        mean=tensors["input.mean"].numpy(),
        deviation=tensors["input.deviation"].numpy(),
        grid=_grid(tensors, INPUT, plan.input_bits) if is_rounded else None,
    )


def _grids(tensors: Mapping[str, Tensor], plan: Plan) -> dict[str, Grid | None]:
    """The grid of each tensor that is rounded to one of its own."""
    return {step.name: _grid(tensors, _prefix(step), step.output_bits) for step in plan.steps if _is_rounded(step)}


def _is_rounded(step: Step) -> bool:
    return step.output_bits != FULL_PRECISION and not (step.passes_grid or step.has_weight_grid)


def _prefix(step: Step) -> str:
    return f"steps.{layer_key(step)}.quantizer"


def _grid(tensors: Mapping[str, Tensor], prefix: str, bits: int) -> Grid:
    scale, zero_point = tensors[f"{prefix}.scale"], tensors[f"{prefix}.zero_point"]
    return Grid(scale=float(scale), zero_point=int(zero_point), bits=bits)
