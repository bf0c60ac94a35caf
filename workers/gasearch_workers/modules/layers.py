"""The layers of a network under fake quantization, one class per operation of a plan.

While training, batch normalization follows most of them. In evaluation mode the same layer computes with its
deployment form: integer weights times folded scales, plus a bias. So the accuracy that is measured is that of the
integer network, and `gasearch_workers.modules.lower` only has to read the numbers off.

Batch normalization's factor gamma is kept positive (`Network.project`): folding then stretches the weights' grid and
never mirrors it, which the lopsided range -(2**(b-1)) .. 2**(b-1) - 1 could not express. Nothing is lost, because the
weights in front of it can take either sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.modules.quantize import ActivationQuantizer, DerivedQuantizer, WeightQuantizer, round_to_grid
from gasearch_workers.network.integer import Grid, InputTransform
from gasearch_workers.network.steps import CODES, INPUT, Plan, Step, largest_weight

NORM_EPSILON = 1e-5
NORM_RATE = 0.1  #: Weight of the newest batch in the running mean and variance, once ten batches are seen.


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A layer's weights with normalization folded in. Real weight = integer x scale."""

    weight: Tensor  #: (out, ...): integers held as float, or real values where `scale` is None.
    scale: Tensor | None  #: (out,), or (1,) of a table.
    bias: Tensor | None  #: (out,), in real values; None of a table.

    def real_weight(self) -> Tensor:
        """The weights as real values: (out, ...)."""
        if self.scale is None:
            return self.weight
        return self.weight * _per_output(self.scale, self.weight)

    def stretched(self, factor: Tensor, bias: Tensor) -> Deployed:
        """The same with each output's weights times its factor (out,), and another bias."""
        if self.scale is None:
            return Deployed(weight=self.weight * _per_output(factor, self.weight), scale=None, bias=bias)
        return Deployed(weight=self.weight, scale=self.scale * factor, bias=bias)


class RoundedLayer(nn.Module):
    """A layer whose output is rounded to a grid of its own, unless it has that of its weights."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        has_grid = step.output_bits != FULL_PRECISION and not step.has_weight_grid
        self.quantizer = ActivationQuantizer(step.output_bits, is_signed=step.is_output_signed) if has_grid else None

    def rounded(self, x: Tensor) -> Tensor:
        """ReLU and rounding; steps with a ReLU have unsigned grids, and rounding to these does its work."""
        if self.quantizer is None:
            return F.relu(x, inplace=True) if self.step.has_relu else x
        y: Tensor = self.quantizer(x)
        return y

    def grid(self) -> Grid | None:
        """The output's grid; None where it is float."""
        return None if self.quantizer is None else self.quantizer.grid()


class MatrixLayer(RoundedLayer):
    """Weights with a scale and a bias per output, some of them pruned: what `conv`, `linear` and `gru` share."""

    mask: Tensor | None

    def __init__(self, step: Step, weight: Tensor, *, largest: int | None = None) -> None:
        """`largest` is the largest magnitude of a weight's integer; None: as large as its bits allow."""
        super().__init__(step)
        mask = None if step.nonzeros is None else largest_mask(weight, step.nonzeros)
        self.register_buffer("mask", mask)
        self.weight = nn.Parameter(weight if mask is None else weight * mask)
        is_rounded = step.weight_bits != FULL_PRECISION
        self.weight_quantizer = WeightQuantizer(step.weight_bits, weight, largest=largest) if is_rounded else None
        self.bias = nn.Parameter(torch.zeros(step.biases))  # Beta of the normalization where there is one.

    def rounded_weight(self) -> Tensor:
        """The weights while training: on their grid, pruned ones 0."""
        weight = self.weight if self.weight_quantizer is None else self.weight_quantizer(self.weight)
        return weight if self.mask is None else weight * self.mask

    @torch.no_grad()
    def deployed(self) -> Deployed:
        """The weights as the integer network holds them."""
        weight, scale = self.weight.detach(), None
        if self.weight_quantizer is not None:
            weight, scale = self.weight_quantizer.integers(weight)
        if self.mask is not None:
            weight = weight * self.mask
        return Deployed(weight=weight, scale=scale, bias=self.bias.detach())


class WeightLayer(MatrixLayer):
    """`conv` or `linear`: weights, normalization, ReLU, rounding of the output.

    The head of a regression gives numbers in the target's unit: `target` is the mean and deviation that it is stretched
    by; deployment folds them.
    """

    def __init__(
        self,
        step: Step,
        generator: torch.Generator,
        *,
        target: tuple[float, float] = (0.0, 1.0),
        is_full_range: bool = False,
    ) -> None:
        is_bounded = step.input_bits != FULL_PRECISION and not is_full_range
        largest = largest_weight(step.input_bits) if is_bounded else None
        super().__init__(step, _initial_weight(step, generator), largest=largest)
        self.norm = Norm(step.weight_shape[0]) if step.has_norm else None
        self._mean, self._deviation = target
        self._is_stretched = target != (0.0, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *step.input_shape) -> (B, *step.output_shape)."""
        if not self.training:
            deployed = self.deployed()
            x = self.multiply(x, deployed.real_weight(), deployed.bias)
        elif self.norm is None:
            x = self.multiply(x, self.rounded_weight(), self.bias)
            if self._is_stretched:
                x = x * self._deviation + self._mean
        else:
            x = self.norm(self.multiply(x, self.rounded_weight(), None), self.bias)
        return self.rounded(x)

    def multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution or product of these weights (out, ...), without normalization, ReLU and rounding.

        Args:
            x: (B, *step.input_shape).
            weight: Of the step's shape.
            bias: (out,); None for none.
        """
        step = self.step
        if step.op == "linear":
            return F.linear(x, weight, bias)
        return _convolve(x, weight, bias, step)

    @torch.no_grad()
    def deployed(self) -> Deployed:
        """The weights as the integer network holds them."""
        plain, bias = super().deployed(), self.bias.detach()
        if self._is_stretched:
            deviation = torch.full_like(bias, self._deviation)
            return plain.stretched(deviation, bias * deviation + self._mean)
        if self.norm is None:
            return plain
        factor, shift = self.norm.folded()
        return plain.stretched(factor, bias + shift)


class Norm(nn.Module):
    """Batch normalization (Ioffe and Szegedy, 2015) with gamma > 0; its beta is the layer's bias.

    The running statistics are plain means over the first ten batches: short trainings would else be evaluated with
    statistics that still hold their starting values.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.batches = 0

    def forward(self, x: Tensor, beta: Tensor) -> Tensor:
        """Normalize a training batch over all but its channels: dimension 1, of sequences (B, T, channels) the last."""
        self.batches += 1
        rate = max(NORM_RATE, 1 / self.batches)
        channels_second = x.flatten(0, 1) if x.dim() == 3 else x  # (B, T, C) -> (B x T, C)
        y = F.batch_norm(channels_second, self.mean, self.variance, self.gamma, beta, True, rate, NORM_EPSILON)
        return y.view_as(x) if x.dim() == 3 else y

    def folded(self) -> tuple[Tensor, Tensor]:
        """(factor, shift), each (channels,): evaluation is x * factor + shift + beta."""
        factor = self.gamma.detach() * (self.variance + NORM_EPSILON).rsqrt()
        return factor, -self.mean * factor


class ElementLayer(RoundedLayer):
    """`add` or `product` of two tensors, or `concat` of several; ReLU, rounding."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """(B, *shape) each -> (B, *step.output_shape)."""
        match self.step.op:
            case "add":
                x = first + others[0]
            case "product":
                x = first * others[0]
            case _:
                x = torch.cat((first, *others), dim=-1)
        return self.rounded(x)


class MaxPoolLayer(nn.Module):
    """Largest of each 2 x 2 square; squares at the lower and right edge may be smaller. The grid is the input's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2))."""
        return F.max_pool2d(x, 2, ceil_mode=True)


class PoolLayer(nn.Module):
    """Mean over height and width; quantized inputs give averages on a grid derived from theirs."""

    def __init__(self, step: Step, source: ActivationQuantizer | None) -> None:
        super().__init__()
        self.quantizer = None if source is None else DerivedQuantizer(source, step.output_bits)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        # Over one axis of a channels-last view: the mean over two gives gradients in the other memory format, whose
        # mixture with channels-last ones made the ReLU before it ten times slower (7 % of a small CNN's step).
        x = x.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1)  # (B, C, H, W) -> (B, H x W, C) -> (B, C)
        return x if self.quantizer is None else self.quantizer(x)

    def grid(self) -> Grid | None:
        """The output's grid; None where it is float."""
        return None if self.quantizer is None else self.quantizer.grid()


class InputLayer(nn.Module):
    """Parts raw samples into numbers, which it normalizes, and codes.

    Tables are rounded to their grid (bytes are integers of theirs already).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, plan: Plan, transform: InputTransform) -> None:
        super().__init__()
        self.transform = transform
        self.kind, self.codes = plan.input_kind, len(plan.categories)
        self.register_buffer("mean", torch.from_numpy(transform.mean.copy()))
        self.register_buffer("deviation", torch.from_numpy(transform.deviation.copy()))

    def forward(self, raw: Tensor) -> dict[str, Tensor]:
        """Raw samples (B, *input_shape) -> "input", normalized, and "codes" (B, *codes_shape); one of them or both.

        Samples are uint8 (B, C, H, W), float32 (B, features) whose last columns are codes, or int32 codes.
        """
        match self.kind:
            case "image":
                return {INPUT: self._normalize_images(raw)}
            case "table" if not self.codes:
                return {INPUT: self._normalize_table(raw)}
            case "table":
                numbers, codes = raw.tensor_split((raw.shape[1] - self.codes,), dim=1)
                tensors = {CODES: codes.to(torch.int32)}
                return tensors | {INPUT: self._normalize_table(numbers)} if numbers.shape[1] else tensors
            case _:
                return {CODES: raw}

    def _normalize_images(self, raw: Tensor) -> Tensor:
        grid = self.transform.grid
        x = raw.to(torch.float32, memory_format=torch.channels_last).sub_(self.mean)
        return x.div_(self.deviation) if grid is None else x.mul_(grid.scale)

    def _normalize_table(self, raw: Tensor) -> Tensor:
        grid = self.transform.grid
        x = (raw - self.mean).div_(self.deviation)
        if grid is None:
            return x
        return round_to_grid(x, self.mean.new_tensor(grid.scale), -grid.zero_point, 2**grid.bits - 1 - grid.zero_point)

    def grid(self) -> Grid | None:
        """The grid of the network's input; None where it is float."""
        return self.transform.grid


def largest_mask(weight: Tensor, count: int) -> Tensor:
    """1 at the `count` weights of largest magnitude, 0 elsewhere: the weight's shape."""
    mask = torch.zeros(weight.numel(), device=weight.device)
    mask[weight.detach().abs().flatten().topk(count).indices] = 1.0
    return mask.view(weight.shape)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, step: Step) -> Tensor:
    """Convolve images: (B, C, H, W) -> (B, out, ceil(H / stride), ceil(W / stride)).

    A 1 x 1 convolution reads no more than the pixels that its stride meets, which are picked first. oneDNN would do the
    same in one call, but its backward pass writes outside memory on CPUs with AVX2 and no AVX-512 where a channels-last
    image has fewer than 8 channels (oneDNN 3.12). Means over 1 x 1 pick pixels and, unlike slices, keep gradients
    channels-last.
    """
    stride = step.stride
    if step.kernel == 1 and stride > 1:
        x, stride = F.avg_pool2d(x, 1, stride), 1
    return F.conv2d(x, weight, bias, stride=stride, padding=step.kernel // 2, groups=step.groups)


def _per_output(values: Tensor, like: Tensor) -> Tensor:
    """(out,) -> (out, 1, ...) with as many dimensions as `like`."""
    return values.view(-1, *(1 for _ in like.shape[1:]))


def _initial_weight(step: Step, generator: torch.Generator) -> Tensor:
    """Uniform within 1 / sqrt(fan-in), drawn from the generator.

    Normalization undoes the size of the weights, but the steps of Adam are measured against it: after 5 epochs of
    digits a bound of sqrt(6 / fan-in) (He et al., 2015) was 2 points worse at 32 bits and 3 at 2 bits.
    """
    weight = torch.empty(step.weight_shape)
    bound = weight[0].numel() ** -0.5
    return weight.uniform_(-bound, bound, generator=generator)
