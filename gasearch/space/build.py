"""From a spec to its space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gasearch_workers.messages import Scalar
from gasearch_workers.network.families import FAMILIES

from gasearch.space.bit_widths import bits_space
from gasearch.space.compression import CompressionRules
from gasearch.space.decisions import Condition, DataShape, Decision, Space
from gasearch.spec.model import SearchSpec
from gasearch.spec.spaces import BitsSpace, CustomSpace, LayeredSpace, same_choice


def build_space(spec: SearchSpec, data: DataShape | None = None) -> Space:
    """All that the spec lets evolution decide.

    Args:
        spec: What is asked for.
        data: What the networks must fit; a custom space needs none.

    Raises:
        ValueError: for a family made of layers without data.
    """
    if isinstance(spec.space, CustomSpace):
        return _custom_space(spec.space)
    if data is None:
        raise ValueError(f"the space of family {spec.space.family} needs the shape of the data; got none")
    if isinstance(spec.space, BitsSpace):
        return bits_space(spec.space, data)
    return _layered_space(spec.space, data)


def _custom_space(asked: CustomSpace) -> Space:
    """The decisions of the spec in its order, each with its conditions."""
    names = list(asked.decisions)

    def condition(name: str, choices: Sequence[Scalar]) -> Condition:
        options = enumerate(asked.decisions[name].choices)
        held = frozenset(index for index, option in options if any(same_choice(option, choice) for choice in choices))
        return Condition(decision=names.index(name), options=held)

    decisions = (
        Decision(name=name, options=decision.choices, when=tuple(condition(*item) for item in decision.when.items()))
        for name, decision in asked.decisions.items()
    )
    return Space(family="custom", decisions=tuple(decisions))


# --- networks made of layers ------------------------------------------------------------------------------------


def _layered_space(asked: LayeredSpace, data: DataShape) -> Space:
    """The decisions: "depth"; those on the whole network; per layer slot "layer0.width" and so on; "head.weight_bits".

    Decisions with a single option stand there too: a genome's key names the whole network, so that equal networks of
    different spaces have equal keys and different ones have not. Those on compression alone are left out where their
    only option is the neutral one, which keys don't name.
    """
    fewest, most = asked.layers
    decisions = [Decision(name="depth", options=tuple(range(fewest, most + 1))), *_global_decisions(asked, data)]
    bare = Space(family=asked.family, decisions=(), slots=((),) * most, kinds=_kinds(asked), data=data)
    slots: list[tuple[int, ...]] = []
    for number in range(most):
        slot = _slot(number, asked, bare, decisions)
        slots.append(tuple(range(len(decisions), len(decisions) + len(slot))))
        decisions += slot
    decisions.append(Decision(name="head.weight_bits", options=asked.weight_bits))
    space = replace(bare, decisions=tuple(decisions), slots=tuple(slots), depth=0)
    is_compressed = space.slots and (asked.sparsity != (0.0,) or asked.rank != (1.0,))
    return replace(space, simplifier=CompressionRules(space)) if is_compressed else space


def _choices(asked: LayeredSpace, key: str) -> tuple[Any, ...]:
    """The options under a key that not every family has; () for a family that hasn't."""
    return tuple(getattr(asked, key)) if key in type(asked).model_fields else ()


def _kinds(asked: LayeredSpace) -> tuple[str, ...]:
    """The kinds that layers may have: by the options of each, by the encoder's, or the family's only one."""
    family = FAMILIES.get(asked.family)
    encoders = _choices(asked, "encoder") if family.encoders else ("",)
    return _choices(asked, "kind") or tuple(map(family.kind_of, encoders))


def _global_decisions(asked: LayeredSpace, data: DataShape) -> list[Decision]:
    found: list[Decision] = []
    if sizes := _choices(asked, "vocabulary"):
        words = data.categories[0]
        found.append(Decision(name="vocabulary", options=tuple(sorted({min(size, words) for size in sizes}))))
    if (widths := _choices(asked, "embedding")) and data.categories:
        found.append(Decision(name="embedding.width", options=widths))
        found.append(Decision(name="embedding.weight_bits", options=asked.weight_bits))
    if FAMILIES.get(asked.family).encoders:
        there = _deeper_than(0, *asked.layers)
        found.append(Decision(name="encoder", options=_choices(asked, "encoder"), when=there))
    return found


def _slot(number: int, asked: LayeredSpace, bare: Space, earlier: Sequence[Decision]) -> list[Decision]:
    """The decisions on one layer; the names are fields of `gasearch_workers.messages.Layer`, or a kind's own."""
    there = _deeper_than(number, *asked.layers)
    slot: list[Decision] = []

    def decide(name: str, options: tuple[Scalar, ...], *when: Condition, neutral: Scalar | None = None) -> None:
        if options and options != (neutral,):
            slot.append(Decision(name=f"layer{number}.{name}", options=options, when=(*there, *when), neutral=neutral))

    def having(option: str) -> tuple[Condition, ...]:
        """The condition that the layer is of a kind that has such an option; none where all are."""
        options = frozenset(index for index, kind in enumerate(bare.layer_kinds) if option in kind.options)
        encoder = next((index for index, decision in enumerate(earlier) if decision.name == "encoder"), None)
        if encoder is None and len(options) == len(bare.layer_kinds):
            return ()
        return (Condition(decision=len(earlier) if encoder is None else encoder, options=options),)

    decide("kind", _choices(asked, "kind"))
    decide("width", asked.width)
    for name in dict.fromkeys(option for kind in bare.layer_kinds for option in kind.options):
        if name != "downsample":
            decide(name, _choices(asked, name), *having(name))
    decide("weight_bits", asked.weight_bits)
    decide("activation_bits", asked.activation_bits)
    if bare.halves_images:
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
