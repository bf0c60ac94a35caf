"""Fake quantization: tensors rounded to an integer grid in the forward pass, straight through in the backward pass.

Up to `LEARNED_UP_TO` bits the grid's scale is learned (LSQ: Esser et al., "Learned Step Size Quantization", ICLR 2020);
above, it follows the largest value. The operation is our own, made of vectorized tensor operations: on a CPU torch's
`fake_quantize_*` operators take 3 to 10 times longer (4 ms against 0.6 for a forward and backward pass over 800,000
activations), because they round one element at a time.

All scales are 0-dim or per-channel tensors and nothing here waits for the device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gasearch_workers.network.integer import Grid

#: Most bits at which the scale is learned. CNN of 16-32-64, 5 epochs of 10,000 images of MNIST, mean of 3 seeds: at
#: 4 bits 0.881 learned, 0.891 straight through; at 3 bits 0.863 and 0.814.
LEARNED_UP_TO = 3
MIN_SCALE = 1e-8  #: Keeps the grid of an all-zero tensor valid.
#: Where a learned scale's factor begins; its inverse says how much faster than weights it learns. Digits and MNIST at 2
#: bits: 5 beats 1 by 1 to 5 points with Adam and SGD; 10 is no better and breaks SGD at a rate of 0.5.
START_FACTOR = 0.2
TIE_BREAK = 1.000618  #: Keeps averages off the middle between two integers.
#: In scales: binary weights further from 0 than this get no gradient. On digits 1 was up to 8 points worse.
BINARY_WINDOW = 3.0
START_ROWS = 1_000  #: Rows of a table on which its learned scale starts: all are drawn alike.
CANDIDATES = 40  #: Scales that the scan for the best one tries, up to that of the largest weight.
OBSERVER_RATE = 0.05  #: Weight of the newest batch in the running maximum of an activation.
#: Batches whose range, on average, a learned activation scale starts from, while it learns already. LSQ's own start, a
#: multiple of the mean magnitude of the first batch, is too fine: on MNIST 0.747 at 2 bits against 0.78 (10 or 20
#: batches) and 0.80 (30). With 100 batches one of three seeds failed to learn (0.54).
START_BATCHES = 30


class _RoundToGrid(torch.autograd.Function):
    """clamp(round(x / scale), low, high) x scale, with gradients for x and, where it asks for one, the scale."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, low: int, high: int, window: tuple[float, float] | None, factor: float
    ) -> Tensor:
        steps = x / scale
        y = steps.round().clamp_(low, high).mul_(scale)
        ctx.save_for_backward(steps, y, scale)
        ctx.window, ctx.factor = window, factor
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        steps, y, scale = ctx.saved_tensors
        grad_x = grad
        if ctx.window is not None:
            grad_x = torch.ops.aten.hardtanh_backward(grad, steps, *ctx.window)
        grad_scale = None
        if ctx.needs_input_grad[1]:
            # LSQ's d(y)/d(scale): the integer where x is clipped, else the rounding error in steps.
            grad_scale = (_inner(grad, y, scale) / scale - _inner(grad_x, steps, scale)) * ctx.factor
        return grad_x, grad_scale, None, None, None, None


def _inner(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """Sum of a * b over all that shares one scale; the result has the scale's shape."""
    if scale.dim() == 0:
        return torch.dot(_flat(a), _flat(b))
    return (a * b).sum(dim=tuple(range(1, a.dim())), keepdim=True)


def _flat(x: Tensor) -> Tensor:
    """All elements in a row, in an order that is a view of channels-last memory: (B, C, H, W) -> (B*H*W*C,)."""
    return x.permute(0, 2, 3, 1).reshape(-1) if x.dim() == 4 else x.reshape(-1)


def round_to_grid(
    x: Tensor,
    scale: Tensor,
    low: int,
    high: int,
    *,
    window: tuple[float, float] | None = None,
    factor: float = 1.0,
) -> Tensor:
    """clamp(round(x / scale), low, high) x scale, ties to even.

    Args:
        x: Any shape.
        scale: Greater than 0; 0-dim, or (out, 1, ...) for one per first index of `x`.
        low: Smallest integer.
        high: Largest integer.
        window: Open interval, in steps, within which the gradient passes straight through; None: everywhere.
        factor: Of the scale's gradient.
    """
    rounded: Tensor = _RoundToGrid.apply(x, scale, low, high, window, factor)  # type: ignore[no-untyped-call]
    return rounded


class _Binarize(torch.autograd.Function):
    """scale where x is at least 0, else -scale; gradients as in `_RoundToGrid`, straight through within the window."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, factor: float) -> Tensor:
        steps = x / scale
        y = torch.where(x >= 0, scale, -scale)
        ctx.save_for_backward(steps, y, scale)
        ctx.factor = factor
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        steps, y, scale = ctx.saved_tensors
        grad_x = torch.ops.aten.hardtanh_backward(grad, steps, -BINARY_WINDOW, BINARY_WINDOW)
        grad_scale = _inner(grad, y, scale) / scale * ctx.factor if ctx.needs_input_grad[1] else None
        return grad_x, grad_scale, None


def binarize(x: Tensor, scale: Tensor, *, factor: float = 1.0) -> Tensor:
    """Scale where `x` is at least 0, else -scale.

    Args:
        x: Any shape.
        scale: Greater than 0; 0-dim, or (out, 1, ...) for one per first index of `x`.
        factor: Of the scale's gradient.
    """
    signs: Tensor = _Binarize.apply(x, scale, factor)  # type: ignore[no-untyped-call]
    return signs


class LearnedScale(nn.Module):
    """A scale that the optimizer moves: start x factor / `START_FACTOR`, the factor beginning there.

    LSQ learns the scale itself. Under Adam, whose steps have the size of the learning rate, that changes a scale of
    0.01 by a third in one step at a rate of 0.003; here a step changes it by 5 x the learning rate, whatever its size.
    """

    start: Tensor

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full_like(start, START_FACTOR))
        self.register_buffer("start", start)

    def forward(self) -> Tensor:
        """The scale, of the start's shape."""
        return self.start * (self.factor / START_FACTOR)

    @torch.no_grad()
    def restart(self, start: Tensor) -> None:
        """Begin again at that scale."""
        self.start.copy_(start)
        self.factor.fill_(START_FACTOR)


# --- weights ----------------------------------------------------------------------------------------------------


def weight_range(bits: int) -> tuple[int, int]:
    """Smallest and largest weight integer, e.g. (-8, 7) at 4 bits; binary weights are -1 and 1, never 0."""
    if bits == 1:
        return -1, 1
    half = 1 << (bits - 1)
    return -half, half - 1


def largest_integer(bits: int) -> int:
    """Largest integer of an unsigned activation, e.g. 15 at 4 bits."""
    return (1 << bits) - 1


class WeightQuantizer(nn.Module):
    """Rounds weights (out, ...) to integers x scale, symmetric around 0: one scale per output, or one of a whole table.

    Of a table (rows, features) only the rows that a batch reads are rounded: a vocabulary of 20,000 words has a
    thousand times those of a sentence. With scales from the largest weight (`LEARNED_UP_TO`), no integer is larger than
    `largest`, where that is given.
    """

    def __init__(self, bits: int, weight: Tensor, *, largest: int | None = None, is_table: bool = False) -> None:
        super().__init__()
        self.bits, self.is_table, (_, self.high) = bits, is_table, weight_range(bits)
        if largest is not None:
            self.high = min(self.high, largest)
        self.learned = LearnedScale(self._start(weight)) if bits <= LEARNED_UP_TO else None

    def scale(self, weight: Tensor) -> Tensor:
        """Size of one integer step, greater than 0: per output channel (out, 1, ...), of a table 0-dim."""
        if self.learned is not None:
            return self.learned()  # type: ignore[no-any-return]
        if not self.is_table:
            return _largest(weight) / self.high
        least, largest = torch.aminmax(weight.detach())
        return torch.maximum(largest, -least).div_(self.high).clamp_(min=MIN_SCALE)

    def forward(self, weight: Tensor, table: Tensor | None = None) -> Tensor:
        """The weights, or rows (..., features) of a table, on their grid: same shape."""
        scale = self.scale(weight if table is None else table)
        factor = ((weight if self.is_table else weight[0]).numel() * self.high) ** -0.5
        if self.bits == 1:
            return binarize(weight, scale, factor=factor)
        low, high = weight_range(self.bits)
        window = None if self.learned is None else (low - 0.5, high + 0.5)
        return round_to_grid(weight, scale, low, high, window=window, factor=factor)

    @torch.no_grad()
    def integers(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The integers that `forward` stands for, as floats of the weight's shape, and their scales (out,) or (1,)."""
        scale = self.scale(weight)
        if self.bits == 1:
            return torch.where(weight >= 0, 1.0, -1.0), scale.flatten()
        return (weight / scale).round_().clamp_(*weight_range(self.bits)), scale.flatten()

    @torch.no_grad()
    def restart(self, weight: Tensor) -> None:
        """Fit a learned scale to these weights, as at the start."""
        if self.learned is not None:
            self.learned.restart(self._start(weight))

    def _start(self, weight: Tensor) -> Tensor:
        if self.is_table:
            return _weight_start(weight[:START_ROWS].reshape(1, -1), self.bits).reshape(())
        return _weight_start(weight, self.bits)


def _weight_start(weight: Tensor, bits: int) -> Tensor:
    """Scales of least squared error: (out, ...) -> (out, 1, ...). For binary weights that is the mean magnitude.

    (Rastegari et al., "XNOR-Net", ECCV 2016, whose scale stays the mean magnitude. Ours is learned from there on: on
    digits that was 0.3 to 3 points better for two CNNs, and up to 0.6 worse for an MLP.)
    """
    if bits == 1:
        mean = weight.detach().abs().mean(dim=tuple(range(1, weight.dim())), keepdim=True)
        return mean.clamp_(min=MIN_SCALE)
    return best_scale(weight, bits)


def _largest(weight: Tensor) -> Tensor:
    """Largest magnitude per output channel, at least `MIN_SCALE`: (out, ...) -> (out, 1, ...)."""
    return weight.detach().abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True).clamp_(min=MIN_SCALE)


@torch.no_grad()
def best_scale(weight: Tensor, bits: int) -> Tensor:
    """Per output channel the scale of least squared rounding error, by a scan: (out, ...) -> (out, 1, ...)."""
    low, high = weight_range(bits)
    dims = tuple(range(1, weight.dim()))
    largest = _largest(weight)
    best, least = largest / high, torch.full_like(largest, torch.inf)
    for number in range(1, CANDIDATES + 1):
        scale = largest / high * (number / CANDIDATES)
        error = ((weight / scale).round().clamp(low, high) * scale - weight).square().sum(dims, keepdim=True)
        best = torch.where(error < least, scale, best)
        least = torch.minimum(error, least)
    return best


# --- activations ------------------------------------------------------------------------------------------------


class ActivationQuantizer(nn.Module):
    """Rounds an activation tensor to integers x one scale.

    Unsigned ones run from 0 to 2**bits - 1; the lower end does a ReLU's work, forward and backward. Signed ones run
    from -(2**(bits-1)) to 2**(bits-1) - 1. The scale starts with the first training batch and rests in evaluation mode.
    """

    observed: Tensor

    def __init__(self, bits: int, *, is_signed: bool) -> None:
        super().__init__()
        self.bits, self.is_signed = bits, is_signed
        self.low, self.high = weight_range(bits) if is_signed else (0, largest_integer(bits))
        self._window = (self.low - 0.5 if is_signed else 0.0, self.high + 0.5)
        self._batches = 0  #: Seen while training; more than `START_BATCHES` are not counted.
        start = torch.tensor(4.0 / self.high)
        self.learned = LearnedScale(start) if bits <= LEARNED_UP_TO else None
        if self.learned is None:
            self.register_buffer("observed", start)

    def scale(self) -> Tensor:
        """Size of one integer step, greater than 0; 0-dim."""
        return self.observed if self.learned is None else self.learned()

    def forward(self, x: Tensor) -> Tensor:
        """The values on their grid, same shape, in float32."""
        x = x.float()  # Where autocast gave bfloat16.
        if self.training:
            self._observe(x.detach())
        factor = (x[0].numel() * self.high) ** -0.5
        return round_to_grid(x, self.scale(), self.low, self.high, window=self._window, factor=factor)

    @torch.no_grad()
    def take_over(self, other: ActivationQuantizer) -> None:
        """Go on with the grid of another quantizer of the same bits."""
        self.load_state_dict(other.state_dict())
        self._batches = other._batches

    @torch.no_grad()
    def restart(self, scale: Tensor) -> None:
        """Begin again at that scale, 0-dim; a learned one is then no longer observed."""
        if self.learned is None:
            self.observed.copy_(scale)
        else:
            self.learned.restart(scale)
        self._batches = START_BATCHES

    @torch.no_grad()
    def _observe(self, x: Tensor) -> None:
        """Follow the range: with a running mean, or for a learned scale with the mean of the first batches."""
        if self.learned is not None and self._batches >= START_BATCHES:
            return
        observed = self.observed if self.learned is None else self.learned.start
        rate = OBSERVER_RATE if self.learned is None and self._batches else 1 / (self._batches + 1)
        observed.lerp_(self._range(x), rate)
        self._batches = min(self._batches + 1, START_BATCHES)

    def _range(self, x: Tensor) -> Tensor:
        """The scale at which the grid just holds every value."""
        largest = x.amax()
        if self.is_signed:
            largest = torch.maximum(largest, -x.amin())
        return (largest / self.high).clamp_(min=MIN_SCALE)

    def grid(self) -> Grid:
        """The grid in its deployment form: integers from 0, a signed one shifted by half its range."""
        return Grid(scale=self.scale().item(), zero_point=-self.low, bits=self.bits)


class DerivedQuantizer(nn.Module):
    """Averages of unsigned integers, on a finer grid over the same range: its scale derives from the input's.

    The scale is a hair (`TIE_BREAK`) above the one that just spans the range. Averages are fractions with small
    denominators: on the exact grid up to a tenth of the samples met a tie, which every runtime rounds by its own noise.
    """

    def __init__(self, source: ActivationQuantizer, bits: int) -> None:
        super().__init__()
        self._source = (source,)  # In a tuple: it is not a submodule of ours.
        self.bits, self.high = bits, largest_integer(bits)

    def scale(self) -> Tensor:
        """Size of one integer step, greater than 0; 0-dim."""
        source = self._source[0]
        return source.scale().detach() * (source.high / self.high * TIE_BREAK)

    def forward(self, x: Tensor) -> Tensor:
        """The averages on their grid, same shape."""
        return round_to_grid(x, self.scale(), 0, self.high)

    def grid(self) -> Grid:
        """The grid in its deployment form."""
        return Grid(scale=self.scale().item(), zero_point=0, bits=self.bits)
