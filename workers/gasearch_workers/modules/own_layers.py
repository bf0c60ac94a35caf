"""Quantized layers for networks of one's own: torch's layers with the fake quantization that a search trains with.

The forward pass computes with values on an integer grid, the backward pass lets gradients through (Bengio et al.,
2013). Up to 3 bits the grid's scale is learned (LSQ: Esser et al., "Learned Step Size Quantization", ICLR 2020), above
it follows the largest value. One bit is binary (-1 and 1 x scale: Rastegari et al., "XNOR-Net", ECCV 2016).
"""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gasearch_workers.modules.quantize import ActivationQuantizer, WeightQuantizer

LEAST_BITS, MOST_BITS = 1, 8


def quantize_weight(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """The integers of weights at a number of bits, and their scales: weight = integers x scale, as near as it gets.

    Args:
        weight: (out, ...), of floats.
        bits: 1 to 8: from -(2**(bits - 1)) to 2**(bits - 1) - 1; -1 and 1 at one bit.

    Returns:
        Integers (out, ...) as int8, scales (out,) as float32.

    Raises:
        ValueError: for other bits, a weight without outputs, or one that isn't of finite floats.
    """
    _require(bits, least=LEAST_BITS)
    if weight.dim() < 2 or not weight.numel():
        raise ValueError(f"a weight is (out, in, ...) with at least one of each; got {tuple(weight.shape)}")
    if not weight.is_floating_point() or not bool(weight.isfinite().all()):
        raise ValueError(f"a weight is of finite floats; got {weight.dtype} from {weight.min()} to {weight.max()}")
    weight = weight.float()
    integers, scale = WeightQuantizer(bits, weight).integers(weight)
    return integers.to(torch.int8), scale


class QuantizedLinear(nn.Linear):
    """A dense layer (B, in) -> (B, out) whose weights have few bits: one scale per output, biases in float."""

    def __init__(self, in_features: int, out_features: int, *, weight_bits: int, bias: bool = True) -> None:
        """Draw its weights as `torch.nn.Linear` does.

        Args:
            in_features: Length of the input.
            out_features: Length of the output.
            weight_bits: 1 to 8.
            bias: Whether it has biases.

        Raises:
            ValueError: for other bits.
        """
        super().__init__(in_features, out_features, bias)
        _require(weight_bits, least=LEAST_BITS)
        self.quantizer = WeightQuantizer(weight_bits, self.weight)

    @classmethod
    def from_float(cls, layer: nn.Linear, *, weight_bits: int) -> Self:
        """A layer with the weights of a trained one, its grid fitted to them."""
        made = cls(layer.in_features, layer.out_features, weight_bits=weight_bits, bias=layer.bias is not None)
        _take_over(made, layer)
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(x, self.quantizer(self.weight), self.bias)


class QuantizedConv2d(nn.Conv2d):
    """A convolution (B, C, H, W) -> (B, out, H', W') whose weights have few bits: one scale per output channel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        *,
        weight_bits: int,
        bias: bool = True,
    ) -> None:
        """Draw its weights as `torch.nn.Conv2d` does.

        Args:
            in_channels: Of the input.
            out_channels: Of the output.
            kernel_size: See torch.
            stride: See torch.
            padding: See torch; of zeros.
            dilation: See torch.
            groups: See torch.
            weight_bits: 1 to 8.
            bias: Whether it has biases.

        Raises:
            ValueError: for other bits.
        """
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        _require(weight_bits, least=LEAST_BITS)
        self.quantizer = WeightQuantizer(weight_bits, self.weight)

    @classmethod
    def from_float(cls, layer: nn.Conv2d, *, weight_bits: int) -> Self:
        """A layer with the weights of a trained one, its grid fitted to them.

        Raises:
            ValueError: for other bits, or a padding that isn't of a number of zeros.
        """
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise ValueError(
                f"only a padding of a number of zeros is taken over; got {layer.padding!r}, {layer.padding_mode}"
            )
        made = cls(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            layer.dilation,  # type: ignore[arg-type]
            layer.groups,
            weight_bits=weight_bits,
            bias=layer.bias is not None,
        )
        _take_over(made, layer)
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, H', W')."""
        y: Tensor = self._conv_forward(x, self.quantizer(self.weight), self.bias)
        return y


class QuantizedActivation(nn.Module):
    """Values on a grid of few bits, one scale for all: any shape (B, ...) -> the same.

    An unsigned one takes the place of a ReLU: it runs from 0 to 2**bits - 1 steps. The range follows the training
    batches (from 4 bits on their running maximum) and rests in evaluation mode.
    """

    def __init__(self, bits: int, *, is_signed: bool = False) -> None:
        """Begin with a range of 4.

        Args:
            bits: 2 to 8.
            is_signed: Whether values below 0 are kept.

        Raises:
            ValueError: for other bits.
        """
        super().__init__()
        _require(bits, least=2)
        self.quantizer = ActivationQuantizer(bits, is_signed=is_signed)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, ...), in float32."""
        return self.quantizer(x)  # type: ignore[no-any-return]


def integers_of(layer: QuantizedLinear | QuantizedConv2d) -> tuple[Tensor, Tensor]:
    """The integers that a layer computes with now, (out, ...) as int8, and their scales (out,)."""
    integers, scale = layer.quantizer.integers(layer.weight)
    return integers.to(torch.int8), scale


def _take_over(made: QuantizedLinear | QuantizedConv2d, layer: nn.Linear | nn.Conv2d) -> None:
    made.load_state_dict(layer.state_dict(), strict=False)
    made.to(layer.weight.device)
    made.quantizer.restart(made.weight)
    made.train(layer.training)


def _require(bits: int, *, least: int) -> None:
    if isinstance(bits, bool) or not isinstance(bits, int) or not least <= bits <= MOST_BITS:
        raise ValueError(f"bits must be a whole number from {least} to {MOST_BITS}; got {bits!r}")
