"""The spaces of networks made of layers: all families but `custom`."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from gasearch_workers.messages import Blueprint, Layer, Scalar
from gasearch_workers.network.families import FAMILIES
from gasearch_workers.network.plan_builder import PlanBuilder

from gasearch.space.compression import CompressionRules
from gasearch.space.data_shape import DataShape
from gasearch.space.decisions import Condition, Decision, Space
from gasearch.spec.spaces import LayeredSpace

DEPTH, EMBEDDING_WIDTH, VOCABULARY, ENCODER, HEAD_BITS = (
    "depth",
    "embedding.width",
    "vocabulary",
    "encoder",
    "head.weight_bits",
)

_Options = tuple[Scalar, ...]


def layered_space(asked: LayeredSpace, data: DataShape) -> Space:
    """The decisions: "depth"; those on the whole network; per layer slot "layer0.width" and so on; "head.weight_bits".

    Decisions with a single option stand there too: a genome's key names the whole network, so that equal networks of
    different spaces have equal keys and different ones have not. Those on compression alone are left out where their
    only option is the neutral one, which keys don't name.
    """
    fewest, most = asked.layers
    decisions = [Decision(name=DEPTH, options=tuple(range(fewest, most + 1))), *_global_decisions(asked, data)]
    bare = Space(family=asked.family, decisions=(), slots=((),) * most, kinds=_kinds(asked), data=data)
    slots: list[tuple[int, ...]] = []
    for number in range(most):
        slot = _slot(number, asked, bare, decisions)
        slots.append(tuple(range(len(decisions), len(decisions) + len(slot))))
        decisions += slot
    decisions.append(Decision(name=HEAD_BITS, options=asked.weight_bits))
    space = replace(bare, decisions=tuple(decisions), slots=tuple(slots), depth=0)
    return replace(space, simplifier=_rules(asked, space, data))


def _kinds(asked: LayeredSpace) -> tuple[str, ...]:
    """The kinds that layers may have: by the options of each, by the encoder's, or the family's only one."""
    family = FAMILIES.get(asked.family)
    if "kind" in _keys(asked):
        return _choices(asked, "kind")
    return tuple(map(family.kind_of, _choices(asked, ENCODER))) if family.encoders else (family.kind_of(),)


def _keys(asked: LayeredSpace) -> Collection[str]:
    return type(asked).model_fields


def _choices(asked: LayeredSpace, key: str) -> tuple[Any, ...]:
    """The options that the section gives under a key that not every family has."""
    return tuple(getattr(asked, key))


# --- decisions on the whole network -----------------------------------------------------------------------------


def _global_decisions(asked: LayeredSpace, data: DataShape) -> list[Decision]:
    found: list[Decision] = []
    if VOCABULARY in _keys(asked):
        words = data.categories[0]
        sizes = sorted({min(size, words) for size in _choices(asked, VOCABULARY)})
        found.append(Decision(name=VOCABULARY, options=tuple(sizes)))
    if "embedding" in _keys(asked) and data.categories:
        found.append(Decision(name=EMBEDDING_WIDTH, options=_choices(asked, "embedding")))
        found.append(Decision(name="embedding.weight_bits", options=asked.weight_bits))
    if FAMILIES.get(asked.family).encoders:
        options = _choices(asked, ENCODER)
        found.append(Decision(name=ENCODER, options=options, when=_deeper_than(0, *asked.layers)))
    return found


# --- decisions on a layer ---------------------------------------------------------------------------------------


def _slot(number: int, asked: LayeredSpace, bare: Space, earlier: Sequence[Decision]) -> list[Decision]:
    """What one layer decides; the names are fields of `gasearch_workers.messages.Layer`, or a kind's own."""
    there = _deeper_than(number, *asked.layers)
    slot: list[Decision] = []

    def decide(name: str, options: _Options, *when: Condition, neutral: Scalar | None = None) -> None:
        if options != (neutral,):
            slot.append(Decision(name=f"layer{number}.{name}", options=options, when=(*there, *when), neutral=neutral))

    def having(option: str) -> tuple[Condition, ...]:
        """The condition that the layer is of a kind that has such an option; none where all are."""
        options = frozenset(index for index, kind in enumerate(bare.layer_kinds) if option in kind.options)
        decider = next((index for index, decision in enumerate(earlier) if decision.name == ENCODER), -1)
        if decider < 0 and len(options) == len(bare.layer_kinds):
            return ()
        return (Condition(decision=len(earlier) if decider < 0 else decider, options=options),)

    if "kind" in _keys(asked):
        decide("kind", _choices(asked, "kind"))
    decide("width", asked.width)
    own = [option for kind in bare.layer_kinds for option in kind.options]
    for name in dict.fromkeys(own):
        if name != "downsample" and name in _keys(asked):
            decide(name, _choices(asked, name), *having(name))
    decide("weight_bits", asked.weight_bits)
    decide("activation_bits", asked.activation_bits)
    if "downsample" in own and "downsample" in _keys(asked):
        never = () if bare.strides[number] > 1 else (Condition(decision=0, options=frozenset()),)
        decide("downsample", _choices(asked, "downsample"), *having("downsample"), *never, neutral="stride")
    decide("sparsity", asked.sparsity, neutral=0.0)
    if asked.sparsity != (0.0,):
        above_zero = frozenset(index for index, share in enumerate(asked.sparsity) if share > 0)
        is_sparse = Condition(decision=len(earlier) + len(slot) - 1, options=above_zero)
        decide("pruning", asked.pruning, *(() if 0.0 not in asked.sparsity else (is_sparse,)))
    decide("rank", asked.rank, neutral=1.0)
    return slot


def _deeper_than(number: int, fewest: int, most: int) -> tuple[Condition, ...]:
    """The condition under which a layer of that number (from 0) exists; none where it always does."""
    if number < fewest:
        return ()
    return (Condition(decision=0, options=frozenset(range(number + 1 - fewest, most + 1 - fewest))),)


# --- what makes the same network --------------------------------------------------------------------------------


def _rules(asked: LayeredSpace, space: Space, data: DataShape) -> CompressionRules | None:
    """None where nothing is compressed, or nothing is there to be: then different genes make different networks."""
    if not space.slots or (asked.sparsity == (0.0,) and asked.rank == (1.0,)):
        return None
    index = {decision.name: number for number, decision in enumerate(space.decisions)}
    encoder = index.get(ENCODER)
    return CompressionRules(
        space.decisions,
        space.slots,
        kind=space.kinds[0],
        encoder=None if encoder is None else (encoder, space.kinds),
        features=_features(space, data, index.get(EMBEDDING_WIDTH, -1)),
        has_sides=_has_sides(data.input_shape[1:], space.strides),
    )


def _features(space: Space, data: DataShape, width: int) -> tuple[int, int, int]:
    """See `CompressionRules`: what the first layer takes, as its plan begins."""

    def taken(embedding_width: int) -> int:
        builder = PlanBuilder(is_float=False, is_pruned=True)
        embedding = Layer(kind="embedding", width=embedding_width) if data.categories else None
        blueprint = Blueprint(family=space.family, input_shape=data.input_shape, layers=(), categories=data.categories)
        FAMILIES.get(space.family).begin(builder, blueprint, embedding)
        is_image = any(kind.dimensions == 3 for kind in space.layer_kinds)
        return builder.tensor.full if is_image or builder.is_sequence else math.prod(builder.shape)

    constant = 2 * taken(1) - taken(2)
    return constant, taken(1) - constant, width


def _has_sides(sides: tuple[int, ...], stride: Sequence[int]) -> list[bool]:
    found: list[bool] = []
    for step in stride:
        halved = tuple(-(-side // step) for side in sides)
        found.append(halved == sides)
        sides = halved
    return found
