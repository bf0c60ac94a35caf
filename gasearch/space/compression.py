"""Which choices of sparsity, pruning and rank make the same layer: by arithmetic on the shapes of its weights.

A layer of few weights has few distinct ranks and few distinct numbers of kept weights, so that many choices come out
alike; and none may be trained twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gasearch_workers.messages import FULL_PRECISION, LayerKind
from gasearch_workers.network.compression import factored_rank, kept_units, kept_weights

from gasearch.space.decisions import Decision

MOST_KNOWN = 65_536  #: Layers whose effects are remembered.

Effect = tuple[Any, ...]  #: Equal for choices that make the same layer.
Choice = tuple[int, int, int]  #: Genes of sparsity, pruning and rank; -1 where one doesn't express.


class LayerShape(NamedTuple):
    """All that decides what compression does to a layer, but the compression itself."""

    kind: LayerKind
    width: int
    kernel: int
    heads: int
    weight_bits: int
    has_sides: bool  #: Whether the image it gives has the sides of the one it takes.
    full: int  #: Channels of the input before pruning.
    kept: int  #: Channels of it after that.


@dataclass(frozen=True, slots=True)
class Compression:
    """How a layer is compressed; see `gasearch_workers.messages.Layer`."""

    sparsity: float
    is_structured: bool
    rank: float

    def effect(self, layer: LayerShape) -> Effect:
        """Channels that the layer gives before and after pruning, then what its weights become.

        Follows `gasearch_workers.network.plan` layer by layer; a property test holds the two together.
        """
        width, full, kept, area = layer.width, layer.full, layer.kept, layer.kernel * layer.kernel
        units, bits = self._units(width), layer.weight_bits
        match layer.kind:
            case "linear":
                return width, units, self._matrix(bits, width, units, full, kept)
            case "conv":
                return width, units, self._matrix(bits, width, units, full * area, kept * area)
            case "separable":
                return width, units, self._left(bits, kept * area), self._matrix(bits, width, units, full, kept)
            case "residual":
                first = self._matrix(bits, width, units, full * area, kept * area)
                second = self._matrix(bits, width, width, width * area, units * area)
                is_same = layer.has_sides and full == kept == width
                return width, width, first, second, () if is_same else self._matrix(bits, width, width, full, kept)
            case "conv1d":
                return width, units, self._matrix(bits, width, units, full * layer.kernel, kept * layer.kernel)
            case "gru":
                return 2 * width, 2 * units, self._left(bits, 6 * units * (kept + units))
            case "transformer":
                return full, kept, *self._transformer(layer, units)
            case _:
                raise ValueError(f"a layer of kind {layer.kind!r} is not compressed")

    def _transformer(self, layer: LayerShape, units: int) -> Effect:
        size, heads, bits = max(1, layer.kept // layer.heads), self._units(layer.heads), layer.weight_bits
        features, wide, narrow = layer.kept, layer.heads * size, heads * size
        return (
            heads,
            self._matrix(bits, 3 * wide, 3 * narrow, features, features),
            self._matrix(bits, features, features, wide, narrow),
            self._matrix(bits, layer.width, units, features, features),
            self._matrix(bits, features, features, layer.width, units),
        )

    def _units(self, width: int) -> int:
        return kept_units(width, self.sparsity) if self.is_structured else width

    def _left(self, bits: int, weights: int) -> int | None:
        return None if self.is_structured else kept_weights(weights, self.sparsity, bits)

    def _matrix(self, bits: int, width: int, units: int, full: int, kept: int) -> Effect:
        """Of (width, full) weights before structured pruning and (units, kept) after it."""
        rank = factored_rank(units, kept, self.rank)
        if rank is None:
            return units, self._left(bits, units * kept)
        first = max(rank, int(self.rank * min(width, full) + 0.5))
        return units, rank, first, self._left(bits, rank * kept), self._left(bits, units * rank)


class CompressionRules:
    """The `Simplifier` of layered spaces: of the choices that make the same layer, the first; see `Simplifier`."""

    def __init__(
        self,
        decisions: Sequence[Decision],
        slots: Sequence[Sequence[int]],
        *,
        kind: LayerKind | None,
        encoder: tuple[int, tuple[LayerKind, ...]] | None,
        features: tuple[int, int, int],
        has_sides: Sequence[bool],
    ) -> None:
        """Rules for the decisions of a space.

        Args:
            decisions: All of the space's.
            slots: Their indices per layer.
            kind: Of all layers; None where it is decided.
            encoder: Index of the decision on the kind of all layers, and the kind of each of its options.
            features: Channels that the first layer takes: a constant, then a number of times the width of the
                embedding, and the index of the decision on that (-1 without).
            has_sides: Per layer whether its place has stride 1, or an image of a single position.
        """
        self._options = [decision.options for decision in decisions]
        names = [decisions[index].name.partition(".")[2] for index in slots[0]]
        self._slots = [dict(zip(names, slot, strict=True)) for slot in slots]
        self._kind, self._encoder, self._features, self._has_sides = kind, encoder, features, has_sides
        self._choices = self._all_choices()
        self._known: dict[tuple[LayerShape, Choice], tuple[Choice, int, int]] = {}

    def simplify(self, marked: list[int]) -> None:
        """See `Simplifier`."""
        kind = self._kind
        if self._encoder is not None and marked[self._encoder[0]] >= 0:
            kind = self._encoder[1][marked[self._encoder[0]]]
        full = kept = self._taken(marked)
        for slot, has_sides in zip(self._slots, self._has_sides, strict=True):
            if marked[slot["width"]] < 0:
                return
            layer = self._layer(marked, slot, kind, has_sides, full, kept)
            found, full, kept = self._simplest(layer, self._choice(marked, slot))
            for name, gene in zip(("sparsity", "pruning", "rank"), found, strict=True):
                if name in slot:
                    marked[slot[name]] = gene

    def _taken(self, marked: list[int]) -> int:
        """Channels that the first layer takes."""
        constant, times, width = self._features
        return constant if width < 0 else constant + times * int(self._options[width][marked[width]])

    def _layer(
        self, marked: list[int], slot: dict[str, int], kind: LayerKind | None, has_sides: bool, full: int, kept: int
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
            has_sides or option("downsample", "stride") == "max_pool",
            full,
            kept,
        )

    def _choice(self, marked: list[int], slot: dict[str, int]) -> Choice:
        sparsity, pruning, rank = (
            marked[slot[name]] if name in slot else -1 for name in ("sparsity", "pruning", "rank")
        )
        return sparsity, pruning, rank

    def _simplest(self, layer: LayerShape, choice: Choice) -> tuple[Choice, int, int]:
        """The first choice with the same effect, and the channels that the layer then gives."""
        known = self._known.get((layer, choice))
        if known is None:
            effect = self._choices[choice].effect(layer)
            first = next(other for other, made in self._choices.items() if made.effect(layer) == effect)
            known = (first, effect[0], effect[1])
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[layer, choice] = known
        return known

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
