"""The layers of a network under fake quantization, one class per operation of a plan.

While training, batch normalization follows each convolution. In evaluation mode the same layer computes with its
deployment form: integer weights times folded scales, plus a bias. So the accuracy that is measured is that of the
integer network, and `workers.lower` only has to read the numbers off.

Batch normalization's factor gamma is kept positive (`Network.project`): folding then stretches the weights' grid and
never mirrors it, which the lopsided range -(2**(b-1)) .. 2**(b-1) - 1 could not express. Nothing is lost, because the
weights in front of it can take either sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.integer import Grid, InputTransform
from workers.quantize import ActivationQuantizer, DerivedQuantizer, WeightQuantizer, round_to_grid
from workers.steps import Step

NORM_EPSILON = 1e-5
NORM_RATE = 0.1  #: Weight of the newest batch in the running mean and variance, once ten batches are seen.


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A layer's weights with normalization folded in. Real weight = integer x scale."""

    weight: Tensor  #: (out, ...): integers held as float, or real values where `scale` is None.
    scale: Tensor | None  #: (out,)
    bias: Tensor  #: (out,), in real values.

    def real_weight(self) -> Tensor:
        """The weights as real values: (out, ...)."""
        if self.scale is None:
            return self.weight
        return self.weight * _per_output(self.scale, self.weight)


class WeightLayer(nn.Module):
    """`conv` or `linear`: weights, normalization, ReLU, rounding of the output."""

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        super().__init__()
        self.step = step
        self.weight = nn.Parameter(_initial_weight(step, generator))
        self.weight_quantizer = WeightQuantizer.make(step.weight_bits, self.weight.detach())
        self.bias = nn.Parameter(torch.zeros(step.weight_shape[0]))  # Beta of the normalization where there is one.
        self.norm = Norm(step.weight_shape[0]) if step.has_norm else None
        self.quantizer = ActivationQuantizer.make(step.output_bits, is_signed=step.is_output_signed)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *step.input_shape) -> (B, *step.output_shape)."""
        if not self.training:
            deployed = self.deployed()
            x = self._multiply(x, deployed.real_weight(), deployed.bias)
        elif self.norm is None:
            x = self._multiply(x, self._rounded_weight(), self.bias)
        else:
            x = self.norm(self._multiply(x, self._rounded_weight(), None), self.bias)
        return _finish(x, self.step, self.quantizer)

    def _rounded_weight(self) -> Tensor:
        return self.weight if self.weight_quantizer is None else self.weight_quantizer(self.weight)

    def _multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        step = self.step
        if step.op == "linear":
            return F.linear(x, weight, bias)
        return F.conv2d(x, weight, bias, stride=step.stride, padding=step.kernel // 2, groups=step.groups)

    @torch.no_grad()
    def deployed(self) -> Deployed:
        """The weights as the integer network holds them."""
        weight, scale = self.weight.detach(), None
        if self.weight_quantizer is not None:
            weight, scale = self.weight_quantizer.integers(weight)
        if self.norm is None:
            return Deployed(weight=weight, scale=scale, bias=self.bias.detach())
        factor, shift = self.norm.folded()
        bias = self.bias.detach() + shift
        if scale is None:
            return Deployed(weight=weight * _per_output(factor, weight), scale=None, bias=bias)
        return Deployed(weight=weight, scale=scale * factor, bias=bias)

    def grid(self) -> Grid | None:
        """The output's grid; None where it is float."""
        return None if self.quantizer is None else self.quantizer.grid()


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
        """Normalize a training batch over all but its channels (dimension 1)."""
        self.batches += 1
        rate = max(NORM_RATE, 1 / self.batches)
        return F.batch_norm(x, self.mean, self.variance, self.gamma, beta, True, rate, NORM_EPSILON)

    def folded(self) -> tuple[Tensor, Tensor]:
        """(factor, shift), each (channels,): evaluation is x * factor + shift + beta."""
        factor = self.gamma.detach() * (self.variance + NORM_EPSILON).rsqrt()
        return factor, -self.mean * factor


class AddLayer(nn.Module):
    """Sum of a residual block's two branches, ReLU, rounding."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.quantizer = ActivationQuantizer.make(step.output_bits, is_signed=step.is_output_signed)

    def forward(self, branch: Tensor, skip: Tensor) -> Tensor:
        """Two tensors (B, C, H, W) -> one of that shape."""
        return _finish(branch + skip, self.step, self.quantizer)

    def grid(self) -> Grid | None:
        """The output's grid; None where it is float."""
        return None if self.quantizer is None else self.quantizer.grid()


class PoolLayer(nn.Module):
    """Mean over height and width; quantized inputs give averages on a grid derived from theirs."""

    def __init__(self, step: Step, source: ActivationQuantizer | None) -> None:
        super().__init__()
        self.quantizer = None if source is None else DerivedQuantizer(source, step.output_bits)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        x = x.mean(dim=(2, 3))
        return x if self.quantizer is None else self.quantizer(x)

    def grid(self) -> Grid | None:
        """The output's grid; None where it is float."""
        return None if self.quantizer is None else self.quantizer.grid()


class InputLayer(nn.Module):
    """Normalizes raw samples, and rounds tables to their grid (bytes are integers of theirs already)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, transform: InputTransform) -> None:
        super().__init__()
        self.transform = transform
        self.register_buffer("mean", torch.from_numpy(transform.mean.copy()))
        self.register_buffer("deviation", torch.from_numpy(transform.deviation.copy()))

    def forward(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) uint8 or (B, features) float32 -> the same shape in float32."""
        grid = self.transform.grid
        if raw.dim() == 4:
            x = raw.to(torch.float32, memory_format=torch.channels_last).sub_(self.mean)
            return x.div_(self.deviation) if grid is None else x.mul_(grid.scale)
        x = (raw - self.mean).div_(self.deviation)
        if grid is None:
            return x
        return round_to_grid(x, self.mean.new_tensor(grid.scale), -grid.zero_point, 2**grid.bits - 1 - grid.zero_point)

    def grid(self) -> Grid | None:
        """The grid of the network's input; None where it is float."""
        return self.transform.grid


def _finish(x: Tensor, step: Step, quantizer: ActivationQuantizer | None) -> Tensor:
    """ReLU and rounding; steps with a ReLU have unsigned grids, and rounding to these does its work."""
    if quantizer is None:
        return F.relu(x, inplace=True) if step.has_relu else x
    rounded: Tensor = quantizer(x)
    return rounded


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
