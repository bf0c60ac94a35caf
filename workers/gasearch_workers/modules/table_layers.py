"""Layers that look vectors up in tables: of codes (words, categories, users), and of places in a sequence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gasearch_workers.modules.layers import Deployed, RoundedLayer
from gasearch_workers.modules.quantize import TableQuantizer
from gasearch_workers.network.integer import Grid, weight_grid
from gasearch_workers.network.steps import UNKNOWN, Step

#: Standard deviation of the vectors at the start. On SST-2 0.3 cost a GRU 2 points and a convolution 5 after 4 epochs
#: at 4 bits, because the steps of Adam are measured against it; 0.02 to 0.1 were alike.
DEVIATION = 0.1


class EmbeddingLayer(nn.Module):
    """The row of a table for each code; quantized rows are integers of the table's grid, which is the output's."""

    def __init__(self, step: Step, generator: torch.Generator, *, has_unknown: bool) -> None:
        """Make a table of random vectors.

        Args:
            step: Of the plan.
            generator: Draws the vectors.
            has_unknown: Whether there are codes beyond the table's rows, which then take the row of the unknown.
        """
        super().__init__()
        self.step, self.has_unknown = step, has_unknown
        self.weight = nn.Parameter(_normal(step.weight_shape, DEVIATION, generator))
        self.weight_quantizer = TableQuantizer.make(step.weight_bits, self.weight.detach())

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (B, *step.input_shape) -> (B, *step.output_shape)."""
        if self.step.column >= 0:
            codes = codes[..., self.step.column]
        if self.has_unknown:
            codes = torch.where(codes < self.step.rows, codes, UNKNOWN)
        rows = F.embedding(codes, self.weight)
        return rows if self.weight_quantizer is None else self.weight_quantizer(rows, self.weight)

    @torch.no_grad()
    def deployed(self) -> Deployed:
        """The table as the integer network holds it."""
        return _deployed(self.weight.detach(), self.weight_quantizer)

    def grid(self) -> Grid | None:
        """The output's grid, which is the table's; None where it is float."""
        if self.weight_quantizer is None:
            return None
        scale = self.weight_quantizer.scale(self.weight).detach().reshape(1)
        return weight_grid(self.step, scale.cpu().numpy())


class PositionLayer(RoundedLayer):
    """A sequence plus a table of one vector per place in it, rounding."""

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        super().__init__(step)
        self.weight = nn.Parameter(_normal(step.weight_shape, DEVIATION, generator))
        self.weight_quantizer = TableQuantizer.make(step.weight_bits, self.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C), T at most the table's."""
        weight = self.weight if self.weight_quantizer is None else self.weight_quantizer(self.weight, self.weight)
        # Training shows no padding that all sentences of a batch have in common.
        return self.rounded(x + weight[: x.shape[1]])

    @torch.no_grad()
    def deployed(self) -> Deployed:
        """The table as the integer network holds it."""
        return _deployed(self.weight.detach(), self.weight_quantizer)


def _deployed(table: Tensor, quantizer: TableQuantizer | None) -> Deployed:
    weight, scale = (table, None) if quantizer is None else quantizer.integers(table)
    return Deployed(weight=weight, scale=scale, bias=None)


def _normal(shape: tuple[int, ...], deviation: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).normal_(0.0, deviation, generator=generator)
