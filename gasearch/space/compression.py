"""The choices of sparsity, pruning and rank that make the same layer: by arithmetic on the shapes of its weights.

A layer of few weights has few distinct ranks and few distinct numbers of kept weights, so that many choices come out
alike; and none may be trained twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from gasearch_workers.messages import FULL_PRECISION, LAYER_FIELDS, Blueprint, Layer
from gasearch_workers.network.compression import Compression, LayerShape
from gasearch_workers.network.families import FAMILIES
from gasearch_workers.network.layer_kinds import KINDS
from gasearch_workers.network.plan_builder import PlanBuilder

from gasearch.space.decisions import Space

MOST_KNOWN = 65_536  #: Layers whose effects are remembered.
_COMPRESSING: Final = ("sparsity", "pruning", "rank")

Choice = tuple[int, int, int]  #: Genes of sparsity, pruning and rank; -1 where one doesn't express.


class CompressionRules:
    """The `Simplifier` of layered spaces: of the choices that make the same layer, the first; see `Simplifier`."""

    def __init__(self, space: Space) -> None:
        """Rules for a space that has layers."""
        self._space = space
        index = {decision.name: number for number, decision in enumerate(space.decisions)}
        self._options = [decision.options for decision in space.decisions]
        self._slots = [{space.name_parts[number][1]: number for number in slot} for slot in space.slots]
        self._kinds, self._encoder = space.kinds, index.get("encoder")
        self._embedding = index.get("embedding.width")
        widths = (None,) if self._embedding is None else self._options[self._embedding]
        self._channels = [_channels_of_first(space, width) for width in widths]
        self._keeps_sides = _keeps_sides(space)
        self._extras = tuple(name for name in sorted(self._slots[0]) if name not in LAYER_FIELDS)
        self._choices = self._all_choices()
        self._simplest = lru_cache(MOST_KNOWN)(self._first_alike)

    def __reduce__(self) -> tuple[type[CompressionRules], tuple[Space]]:
        """Made anew where it is copied to: what is remembered can't be pickled."""
        return CompressionRules, (self._space,)

    def simplify(self, marked: list[int]) -> None:
        """See `Simplifier`."""
        kind = self._kinds[0 if self._encoder is None else max(marked[self._encoder], 0)]
        full = kept = self._channels[0 if self._embedding is None else marked[self._embedding]]
        for slot, keeps_sides in zip(self._slots, self._keeps_sides, strict=True):
            if marked[slot["width"]] < 0:
                return
            sparsity, pruning, rank = (marked[slot[name]] if name in slot else -1 for name in _COMPRESSING)
            layer = self._layer(marked, slot, kind, keeps_sides, full, kept)
            found, full, kept = self._simplest(layer, (sparsity, pruning, rank))
            for name, gene in zip(_COMPRESSING, found, strict=True):
                if name in slot:
                    marked[slot[name]] = gene

    def _layer(
        self, marked: list[int], slot: Mapping[str, int], kind: str, keeps_sides: bool, full: int, kept: int
    ) -> LayerShape:
        def option(name: str, default: Any) -> Any:
            index = slot.get(name, -1)
            return default if index < 0 or marked[index] < 0 else self._options[index][marked[index]]

        return LayerShape(
            option("kind", kind),
            option("width", 0),
            option("kernel", 1),
            option("heads", 1),
            option("weight_bits", FULL_PRECISION),
            keeps_sides or option("downsample", "stride") == "max_pool",
            full,
            kept,
            tuple((name, option(name, None)) for name in self._extras if marked[slot[name]] >= 0),
        )

    def _first_alike(self, layer: LayerShape, choice: Choice) -> tuple[Choice, int, int]:
        """The first choice with the same effect, and the channels that the layer then gives."""
        effect_of = KINDS.get(layer.kind).effect_of
        effect = effect_of(self._choices[choice], layer)
        first = next(other for other, made in self._choices.items() if effect_of(made, layer) == effect)
        return first, effect[0], effect[1]

    def _all_choices(self) -> dict[Choice, Compression]:
        """Every choice that the conditions allow: the least sparse first, of these the one of the highest rank."""

        def options(name: str) -> list[Any]:
            return [*enumerate(self._options[self._slots[0][name]])] if name in self._slots[0] else []

        found: dict[Choice, Compression] = {}
        for sparsity, share in options("sparsity") or [(-1, 0.0)]:
            for pruning, word in options("pruning") if share else [(-1, "structured")]:
                for rank, full in reversed(options("rank") or [(-1, 1.0)]):
                    found[sparsity, pruning, rank] = Compression(share, word == "structured", full)
        return found


def _channels_of_first(space: Space, embedding_width: Any) -> int:
    """Channels that the first layer takes, as its plan begins."""
    assert space.data is not None, "a space with layers fits data"
    builder = PlanBuilder(is_float=False, is_pruned=True)
    embedding = None if embedding_width is None else Layer(kind="embedding", width=embedding_width)
    shape, categories = space.data.input_shape, space.data.categories
    blueprint = Blueprint(family=space.family, input_shape=shape, layers=(), categories=categories)
    FAMILIES.get(space.family).begin(builder, blueprint, embedding)
    is_image = any(kind.dimensions == 3 for kind in space.layer_kinds)
    return builder.tensor.full if is_image or builder.is_sequence else math.prod(builder.shape)


def _keeps_sides(space: Space) -> list[bool]:
    """Per layer whether its place has stride 1, or an image of a single position."""
    assert space.data is not None, "a space with layers fits data"
    sides, found = space.data.input_shape[1:], []
    for stride in space.strides:
        halved = tuple(-(-side // stride) for side in sides)
        found.append(halved == sides)
        sides = halved
    return found
