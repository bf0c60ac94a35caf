"""Which choices of sparsity, pruning and rank make the same layer: by arithmetic on the shapes of its weights.

A layer of few weights has few distinct ranks and few distinct numbers of kept weights, so that many choices come out
alike; and none may be trained twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gasearch_workers.messages import FULL_PRECISION, LAYER_FIELDS
from gasearch_workers.network.compression import Compression, LayerShape
from gasearch_workers.network.layer_kinds import KINDS

from gasearch.space.decisions import Decision

MOST_KNOWN = 65_536  #: Layers whose effects are remembered.
_COMPRESSING: Final = ("sparsity", "pruning", "rank")

Choice = tuple[int, int, int]  #: Genes of sparsity, pruning and rank; -1 where one doesn't express.


class CompressionRules:
    """The `Simplifier` of layered spaces: of the choices that make the same layer, the first; see `Simplifier`."""

    def __init__(
        self,
        decisions: Sequence[Decision],
        slots: Sequence[Sequence[int]],
        *,
        kind: str,
        encoder: tuple[int, tuple[str, ...]] | None,
        features: tuple[int, int, int],
        has_sides: Sequence[bool],
    ) -> None:
        """Rules for the decisions of a space.

        Args:
            decisions: All of the space's.
            slots: Their indices per layer.
            kind: Of all layers, where it isn't decided.
            encoder: Index of the decision on the kind of all layers, and the kind of each of its options.
            features: Channels that the first layer takes: a constant, then a number of times the width of the
                embedding, and the index of the decision on that (-1 without).
            has_sides: Per layer whether its place has stride 1, or an image of a single position.
        """
        self._options = [decision.options for decision in decisions]
        names = [decisions[index].name.partition(".")[2] for index in slots[0]]
        self._slots = [dict(zip(names, slot, strict=True)) for slot in slots]
        self._kind, self._encoder, self._features, self._has_sides = kind, encoder, features, has_sides
        self._extras = tuple(name for name in sorted(self._slots[0]) if name not in LAYER_FIELDS)
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
            for name, gene in zip(_COMPRESSING, found, strict=True):
                if name in slot:
                    marked[slot[name]] = gene

    def _taken(self, marked: list[int]) -> int:
        """Channels that the first layer takes."""
        constant, times, width = self._features
        return constant if width < 0 else constant + times * int(self._options[width][marked[width]])

    def _layer(
        self, marked: list[int], slot: dict[str, int], kind: str, has_sides: bool, full: int, kept: int
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
            tuple((name, option(name, None)) for name in self._extras if marked[slot[name]] >= 0),
        )

    def _choice(self, marked: list[int], slot: dict[str, int]) -> Choice:
        sparsity, pruning, rank = (marked[slot[name]] if name in slot else -1 for name in _COMPRESSING)
        return sparsity, pruning, rank

    def _simplest(self, layer: LayerShape, choice: Choice) -> tuple[Choice, int, int]:
        """The first choice with the same effect, and the channels that the layer then gives."""
        known = self._known.get((layer, choice))
        if known is None:
            effect_of = KINDS.get(layer.kind).effect_of
            effect = effect_of(self._choices[choice], layer)
            first = next(other for other, made in self._choices.items() if effect_of(made, layer) == effect)
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
