"""What a kind of layer is: the steps that it becomes, and what a search may decide of it. Standard library only."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from gasearch_workers.messages import Layer
from gasearch_workers.network import kinds
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError, Tensor
from gasearch_workers.network.registry import Registry
from gasearch_workers.network.steps import INPUT, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerKind:
    """One kind of layer, built of the steps that there are."""

    name: str
    #: Appends the steps of a layer to the newest tensor; their names begin with the layer's, such as "layer0".
    add: Callable[[PlanBuilder, str, Layer], None]
    dimensions: int | None = None  #: Of its input: 3 for images, 2 for sequences; None: any.
    #: What is decided of a layer beside its width, precisions and compression: fields of `Layer`, or names that are the
    #: kind's own (see `Layer.extras`). The family's `space` section gives the choices of each.
    options: tuple[str, ...] = ()
    families: tuple[str, ...] = ()  #: Families whose layers may choose it, besides those that name it themselves.
    #: What compression makes of a layer, equal for choices that make the same one. None: the steps are compared, which
    #: takes the search ten times longer.
    effect: Callable[[Compression, LayerShape], Effect] | None = None
    has_skip: bool = False  #: Whether an input of other channels takes one more 1 x 1 convolution.
    #: Whether it costs least at its smallest width, options and bits, and most at its largest, so that limits which no
    #: network can meet are refused before a search. Else none is.
    is_monotone: bool = False

    def effect_of(self, compression: Compression, layer: LayerShape) -> Effect:
        """Channels that the layer gives before and after pruning, then what its weights become."""
        return self.effect(compression, layer) if self.effect else self.traced(compression, layer)

    def traced(self, compression: Compression, layer: LayerShape) -> Effect:
        """The same, read off the steps of the layer."""
        made = Layer(
            kind=self.name,
            width=layer.width,
            kernel=layer.kernel,
            stride=1 if layer.has_sides else 2,
            heads=layer.heads,
            extras=layer.extras,
            weight_bits=layer.weight_bits,
            sparsity=compression.sparsity,
            pruning="structured" if compression.is_structured else "unstructured",
            rank=compression.rank,
        )
        places: Shape = {3: (8, 8), 2: (8,)}.get(self.dimensions or 1, ())
        found: list[object] = []
        for is_pruned in (True, False):
            builder = PlanBuilder(is_float=False, is_pruned=is_pruned)
            channels = builder.width(layer.full, layer.kept)
            shape = (channels, *places) if self.dimensions == 3 else (*places, channels)
            builder.tensor = Tensor(name=INPUT, shape=shape, bits=8, is_signed=False, full=layer.full, kept=layer.kept)
            try:
                self.add(builder, "layer0", made)
            except PlanError:
                return layer.full, layer.kept, "no such layer"
            found += [(step.name, step.weight_shape, step.heads, step.nonzeros) for step in builder.steps]
        return builder.tensor.full, builder.tensor.kept, *found


def _own() -> Iterator[LayerKind]:
    """Those of the modules of `kinds`: a new one is a new module there."""
    for module in pkgutil.iter_modules(kinds.__path__):
        content = vars(import_module(f"{kinds.__name__}.{module.name}"))
        yield from (value for value in content.values() if isinstance(value, LayerKind))


KINDS: Final = Registry(LayerKind, "kind of layer", _own)
