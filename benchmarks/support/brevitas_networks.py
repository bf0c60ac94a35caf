"""The benchmarks' networks in layers of brevitas, which is imported when one is made."""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_BITS = 8


class Normalized(nn.Module):
    """Raw images (B, C, H, W) uint8 -> float32 around 0, channels last, as our networks take them in."""

    def forward(self, raw: Tensor) -> Tensor:
        """Divide by the range and centre."""
        return raw.to(torch.float32, memory_format=torch.channels_last).div_(255).sub_(0.1307).div_(0.3081)


def quant_cnn(bits: int, *, channels: int = 1, outputs: int = 10, widths: tuple[int, ...] = (16, 32, 64)) -> nn.Module:
    """The CNN of `networks.cnn(bits)`: 3 x 3 convolutions, normalization, rounded ReLUs; all but the first halve."""
    import brevitas.nn as qnn

    layers: list[nn.Module] = [Normalized(), qnn.QuantIdentity(bit_width=INPUT_BITS)]
    for number, width in enumerate(widths):
        layers += [
            qnn.QuantConv2d(
                channels,
                width,
                3,
                stride=1 if number == 0 else 2,
                padding=1,
                bias=False,
                weight_quant=_weights(),
                weight_bit_width=bits,
            ),
            nn.BatchNorm2d(width),
            qnn.QuantReLU(bit_width=bits),
        ]
        channels = width
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), qnn.QuantIdentity(bit_width=INPUT_BITS)]
    head = qnn.QuantLinear(channels, outputs, bias=True, weight_quant=_weights(), weight_bit_width=bits)
    return nn.Sequential(*layers, *pool, head).to(memory_format=torch.channels_last)


def quant_mlp(bits: int, *, features: int = 784, outputs: int = 10, widths: tuple[int, ...] = (64, 64)) -> nn.Module:
    """The MLP of `networks.mlp(bits)`."""
    import brevitas.nn as qnn

    layers: list[nn.Module] = [Normalized(), nn.Flatten(), qnn.QuantIdentity(bit_width=INPUT_BITS)]
    for width in widths:
        linear = qnn.QuantLinear(features, width, bias=False, weight_quant=_weights(), weight_bit_width=bits)
        layers += [linear, nn.BatchNorm1d(width), qnn.QuantReLU(bit_width=bits)]
        features = width
    head = qnn.QuantLinear(features, outputs, bias=True, weight_quant=_weights(), weight_bit_width=bits)
    return nn.Sequential(*layers, head)


def _weights() -> type:
    """One scale per output channel, from the largest weight."""
    from brevitas.quant import Int8WeightPerChannelFloat

    return Int8WeightPerChannelFloat
