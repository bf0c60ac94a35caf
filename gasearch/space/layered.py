"""The spaces of networks made of layers: all families but `custom`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gasearch_workers.messages import Scalar

from gasearch.space.compression import CompressionRules
from gasearch.space.data_shape import DataShape
from gasearch.space.decisions import Condition, Decision, Space
from gasearch.space.decode import ENCODERS, KINDS
from gasearch.space.strides import strides
from gasearch.spec.spaces import (
    CnnSpace,
    LayeredSpace,
    MlpSpace,
    RecommenderSpace,
    TaggerSpace,
    TextSpace,
    TokenSpace,
    TransformerSpace,
)

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
    stride = strides(data.input_shape if asked.family == "cnn" else (), most)
    slots: list[tuple[int, ...]] = []
    for number in range(most):
        slot = _slot(number, asked, decisions, is_halving=stride[number] > 1)
        slots.append(tuple(range(len(decisions), len(decisions) + len(slot))))
        decisions += slot
    decisions.append(Decision(name=HEAD_BITS, options=asked.weight_bits))
    return Space(
        family=asked.family,
        decisions=tuple(decisions),
        slots=tuple(slots),
        depth=0,
        data=data,
        simplifier=_rules(asked, data, decisions, slots, stride),
    )


# --- decisions on the whole network -----------------------------------------------------------------------------


def _global_decisions(asked: LayeredSpace, data: DataShape) -> list[Decision]:
    found: list[Decision] = []
    if isinstance(asked, TokenSpace):
        words = data.categories[0]
        sizes = sorted({min(size, words) for size in asked.vocabulary})
        found.append(Decision(name=VOCABULARY, options=tuple(sizes)))
    if isinstance(asked, TokenSpace | RecommenderSpace | MlpSpace) and data.categories:
        found.append(Decision(name=EMBEDDING_WIDTH, options=asked.embedding))
        found.append(Decision(name="embedding.weight_bits", options=asked.weight_bits))
    if isinstance(asked, TextSpace | TaggerSpace):
        found.append(Decision(name=ENCODER, options=asked.encoder, when=_deeper_than(0, *asked.layers)))
    return found


# --- decisions on a layer ---------------------------------------------------------------------------------------


def _slot(number: int, asked: LayeredSpace, earlier: Sequence[Decision], *, is_halving: bool) -> list[Decision]:
    """What one layer decides; the names are fields of `gasearch_workers.messages.Layer`."""
    there = _deeper_than(number, *asked.layers)
    encoder = next((index for index, decision in enumerate(earlier) if decision.name == ENCODER), -1)
    slot: list[Decision] = []

    def decide(name: str, options: _Options, *when: Condition, neutral: Scalar | None = None) -> None:
        if options != (neutral,):
            slot.append(Decision(name=f"layer{number}.{name}", options=options, when=(*there, *when), neutral=neutral))

    if isinstance(asked, CnnSpace):
        decide("kind", asked.kind)
    decide("width", asked.width)
    match asked:
        case CnnSpace():
            decide("kernel", asked.kernel)
        case TextSpace():
            decide("kernel", asked.kernel, _one_of("conv", encoder, earlier[encoder].options))
        case TransformerSpace():
            decide("heads", asked.heads)
        case TaggerSpace():
            decide("heads", asked.heads, _one_of("transformer", encoder, earlier[encoder].options))
        case _:
            pass
    decide("weight_bits", asked.weight_bits)
    decide("activation_bits", asked.activation_bits)
    if isinstance(asked, CnnSpace):
        never = () if is_halving else (Condition(decision=0, options=frozenset()),)
        decide("downsample", asked.downsample, *never, neutral="stride")
    decide("sparsity", asked.sparsity, neutral=0.0)
    if asked.sparsity != (0.0,):
        above_zero = frozenset(index for index, share in enumerate(asked.sparsity) if share > 0)
        is_sparse = Condition(decision=len(earlier) + len(slot) - 1, options=above_zero)
        decide("pruning", asked.pruning, *(() if 0.0 not in asked.sparsity else (is_sparse,)))
    decide("rank", asked.rank, neutral=1.0)
    return slot


def _one_of(option: str, decision: int, options: _Options) -> Condition:
    """That an earlier decision has this option."""
    return Condition(decision=decision, options=frozenset(i for i, other in enumerate(options) if other == option))


def _deeper_than(number: int, fewest: int, most: int) -> tuple[Condition, ...]:
    """The condition under which a layer of that number (from 0) exists; none where it always does."""
    if number < fewest:
        return ()
    return (Condition(decision=0, options=frozenset(range(number + 1 - fewest, most + 1 - fewest))),)


# --- what makes the same network --------------------------------------------------------------------------------


def _rules(
    asked: LayeredSpace,
    data: DataShape,
    decisions: Sequence[Decision],
    slots: Sequence[Sequence[int]],
    stride: Sequence[int],
) -> CompressionRules | None:
    """None where nothing is compressed, or nothing is there to be: then different genes make different networks."""
    if not slots or (asked.sparsity == (0.0,) and asked.rank == (1.0,)):
        return None
    index = {decision.name: number for number, decision in enumerate(decisions)}
    encoder = index.get(ENCODER)
    return CompressionRules(
        decisions,
        slots,
        kind=KINDS.get(asked.family),
        encoder=None
        if encoder is None
        else (encoder, tuple(ENCODERS[str(option)] for option in decisions[encoder].options)),
        features=_features(asked, data, index.get(EMBEDDING_WIDTH, -1)),
        has_sides=_has_sides(data.input_shape[1:], stride),
    )


def _features(asked: LayeredSpace, data: DataShape, width: int) -> tuple[int, int, int]:
    """See `CompressionRules`: what the first layer takes."""
    match asked:
        case TokenSpace():
            return 0, 1, width
        case RecommenderSpace():
            return 0, 3, width  # user, item and their product
        case CnnSpace():
            return data.input_shape[0], 0, -1
        case _:
            return math.prod(data.input_shape) - len(data.categories), len(data.categories), width


def _has_sides(sides: tuple[int, ...], stride: Sequence[int]) -> list[bool]:
    found: list[bool] = []
    for step in stride:
        halved = tuple(-(-side // step) for side in sides)
        found.append(halved == sides)
        sides = halved
    return found
