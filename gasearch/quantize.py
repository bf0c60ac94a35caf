"""Quantized torch layers for networks of one's own: those that a search trains with.

    from gasearch.quantize import QuantizedActivation, QuantizedConv2d, QuantizedLinear, integers_of, quantize_weight

`QuantizedLinear` and `QuantizedConv2d` are torch's layers with weights of 1 to 8 bits, `QuantizedActivation` puts
values on a grid of 2 to 8 bits, in place of a ReLU. Train them as any; `integers_of` gives the integers that
`gasearch.pack` packs. They load torch when they are asked for.
"""

from __future__ import annotations

from typing import Any, Final

_NAMES: Final = ("QuantizedActivation", "QuantizedConv2d", "QuantizedLinear", "integers_of", "quantize_weight")
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gasearch_workers.modules import own_layers

    return getattr(own_layers, name)


def __dir__() -> Any:
    """The public names."""
    return sorted(_NAMES)
