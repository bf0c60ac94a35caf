"""Layers on codes and on sequences of tokens, (B, T, C): tables, neighbours, recurrence, attention, pooling.

Those that must know which tokens are padding read the codes: padding is at the end of each sequence.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.modules.layers import Deployed, MatrixLayer, RoundedLayer
from gasearch_workers.modules.quantize import WeightQuantizer
from gasearch_workers.network.integer import Grid, weight_grid
from gasearch_workers.network.steps import LAYER_NORM_EPSILON, MASKED_SCORE, PADDING, UNKNOWN, Step

#: Standard deviation of the vectors at the start. On SST-2 0.3 cost a GRU 2 points and a convolution 5 after 4 epochs
#: at 4 bits, because the steps of Adam are measured against it; 0.02 to 0.1 were alike.
DEVIATION = 0.1


def valid_tokens(codes: Tensor) -> Tensor:
    """Which tokens are no padding, by their first code: (B, T) or (B, T, F) -> (B, T) bool."""
    return (codes if codes.dim() == 2 else codes[..., 0]) != PADDING


class _TableLayer(RoundedLayer):
    """A table of random vectors (rows, features)."""

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        super().__init__(step)
        self.weight = nn.Parameter(torch.empty(step.weight_shape).normal_(0.0, DEVIATION, generator=generator))
        is_rounded = step.weight_bits != FULL_PRECISION
        table = self.weight.detach()
        self.weight_quantizer = WeightQuantizer(step.weight_bits, table, is_table=True) if is_rounded else None

    def on_grid(self, rows: Tensor) -> Tensor:
        """Rows of the table, of any shape (..., features), on the table's grid."""
        if self.weight_quantizer is None:
            return rows
        rounded: Tensor = self.weight_quantizer(rows, self.weight)
        return rounded

    @torch.no_grad()
    def deployed(self) -> Deployed:
        """The table as the integer network holds it."""
        table = self.weight.detach()
        weight, scale = (table, None) if self.weight_quantizer is None else self.weight_quantizer.integers(table)
        return Deployed(weight=weight, scale=scale, bias=None)


class EmbeddingLayer(_TableLayer):
    """The row of a table for each code; quantized rows are integers of the table's grid, which is the output's."""

    def __init__(self, step: Step, generator: torch.Generator, *, has_unknown: bool) -> None:
        """Make a table of random vectors.

        Args:
            step: Of the plan.
            generator: Draws the vectors.
            has_unknown: Whether there are codes beyond the table's rows, which then take the row of the unknown.
        """
        super().__init__(step, generator)
        self.has_unknown = has_unknown

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (B, *step.input_shape) -> (B, *step.output_shape)."""
        if self.step.column >= 0:
            codes = codes[..., self.step.column]
        if self.has_unknown:
            codes = torch.where(codes < self.step.rows, codes, UNKNOWN)
        return self.on_grid(F.embedding(codes, self.weight))

    def grid(self) -> Grid | None:
        """The output's grid, which is the table's; None where it is float."""
        if self.weight_quantizer is None:
            return None
        scale = self.weight_quantizer.scale(self.weight).detach().reshape(1)
        return weight_grid(self.step, scale.cpu().numpy())


class PositionLayer(_TableLayer):
    """A sequence plus a table of one vector per place in it, rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C), T at most the table's."""
        weight = self.on_grid(self.weight)
        # Training shows no padding that all sentences of a batch have in common.
        return self.rounded(x + weight[: x.shape[1]])


class WindowLayer(nn.Module):
    """Each token with its neighbours, earliest first, zeros outside. The grid is the input's."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.kernel = step.kernel

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, kernel x C)."""
        before = self.kernel // 2
        padded = F.pad(x, (0, 0, before, self.kernel - 1 - before))
        tokens = x.shape[1]
        return torch.cat([padded[:, place : place + tokens] for place in range(self.kernel)], dim=2)


class GruLayer(MatrixLayer):
    """A gated recurrent unit in both directions over the tokens that are no padding; rounding of the output.

    The state that is carried on is not rounded. A gate has one bias, so the new state's recurrent part has none.
    """

    no_bias: Tensor

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        hidden = step.output_shape[-1] // 2
        bound = hidden**-0.5
        super().__init__(step, torch.empty(step.weight_shape).uniform_(-bound, bound, generator=generator))
        self.hidden = hidden
        self.register_buffer("no_bias", torch.zeros(3 * hidden), persistent=False)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """(B, T, C), codes (B, T) or (B, T, F) -> (B, T, 2 x H)."""
        if self.training:
            weight, bias = self.rounded_weight(), self.bias
        else:
            deployed = self.deployed()
            weight, bias = deployed.real_weight(), self.bias
        valid = valid_tokens(codes)
        reversal = _reversal(valid).unsqueeze(2)  # (B, T, 1)
        forward_weight, backward_weight = weight.chunk(2)
        forward_bias, backward_bias = bias.chunk(2)
        ahead = self._run(x, forward_weight, forward_bias)
        back = self._run(x.gather(1, reversal.expand_as(x)), backward_weight, backward_bias)
        back = back.gather(1, reversal.expand_as(back))
        return self.rounded(torch.cat((ahead, back), dim=2) * valid.unsqueeze(2))

    def _run(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """One direction over all tokens, padding included: (B, T, C) -> (B, T, H)."""
        state = x.new_zeros(1, len(x), self.hidden)
        of_input, of_state = weight[:, : -self.hidden].contiguous(), weight[:, -self.hidden :].contiguous()
        parameters = [of_input, of_state, bias, self.no_bias]
        # On a GPU cuDNN gives gradients only where it knows that this is a training.
        y: Tensor = torch.gru(x, state, parameters, True, 1, 0.0, self.training, False, True)[0]
        return y


def _reversal(valid: Tensor) -> Tensor:
    """The place to read at each place so that valid tokens come in reverse, any at padding: (B, T) -> (B, T) int64."""
    last = valid.sum(dim=1, keepdim=True) - 1
    return (last - torch.arange(valid.shape[1], device=valid.device)).clamp_(min=0)


class AttentionLayer(RoundedLayer):
    """Scaled dot products of queries and keys choose among values, in heads; padding is never chosen. Rounding.

    The input's channels are queries, keys, values, each head after head: (3, heads, head size).
    """

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """(B, T, 3 x A), codes (B, T) or (B, T, F) -> (B, T, A)."""
        batch, tokens, _ = x.shape
        queries, keys, values = x.view(batch, tokens, 3, self.step.heads, -1).permute(2, 0, 3, 1, 4)
        scores = x.new_zeros(batch, 1, 1, tokens).masked_fill_(
            ~valid_tokens(codes).view(batch, 1, 1, tokens), MASKED_SCORE
        )
        y = F.scaled_dot_product_attention(queries, keys, values, attn_mask=scores)  # (B, heads, T, head size)
        return self.rounded(y.transpose(1, 2).reshape(batch, tokens, -1))


class LayerNormLayer(RoundedLayer):
    """Each token normalized over its channels (Ba et al., 2016), times gamma, plus bias; rounding."""

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self.gamma = nn.Parameter(torch.ones(step.weight_shape))
        self.bias = nn.Parameter(torch.zeros(step.weight_shape))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.rounded(F.layer_norm(x, self.gamma.shape, self.gamma, self.bias, LAYER_NORM_EPSILON))

    def deployed(self) -> Deployed:
        """Gamma and bias as they are, in float."""
        return Deployed(weight=self.gamma.detach(), scale=None, bias=self.bias.detach())


class MeanTokensLayer(RoundedLayer):
    """Mean over the tokens that are no padding, zeros where all are; rounding."""

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """(B, T, C), codes (B, T) or (B, T, F) -> (B, C)."""
        valid = valid_tokens(codes).to(x.dtype)
        share = valid / valid.sum(dim=1, keepdim=True).clamp_(min=1)
        return self.rounded(torch.bmm(share.unsqueeze(1), x).squeeze(1))


class MaxTokensLayer(nn.Module):
    """Largest of values of at least 0 over the tokens that are no padding, zeros where all are; the input's grid."""

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """(B, T, C), codes (B, T) or (B, T, F) -> (B, C)."""
        return (x * valid_tokens(codes).unsqueeze(2)).amax(dim=1)
