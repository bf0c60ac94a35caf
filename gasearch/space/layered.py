"""The spaces of networks made of layers: `mlp` and `cnn`."""

from __future__ import annotations

from gasearch.space.decisions import Condition, Decision, Space
from gasearch.spec.spaces import CnnSpace, MlpSpace
from workers.messages import Scalar

HEAD_BITS = "head.weight_bits"  #: Name of the decision on the head's precision.


def layered_space(asked: MlpSpace | CnnSpace) -> Space:
    """The decisions: "depth"; per layer slot "layer0.width" and so on; "head.weight_bits".

    Decisions with a single option stand there too: a genome's key names the whole network, so that equal networks of
    different spaces have equal keys and different ones have not.
    """
    fewest, most = asked.layers
    depth = Decision(name="depth", options=tuple(range(fewest, most + 1)))
    decisions, slots = [depth], []
    for number in range(most):
        when = _deeper_than(number, fewest, most)
        slot = [Decision(name=f"layer{number}.{name}", options=choice, when=when) for name, choice in _options(asked)]
        slots.append(tuple(range(len(decisions), len(decisions) + len(slot))))
        decisions += slot
    decisions.append(Decision(name=HEAD_BITS, options=asked.weight_bits))
    return Space(family=asked.family, decisions=tuple(decisions), slots=tuple(slots), depth=0)


def _options(asked: MlpSpace | CnnSpace) -> list[tuple[str, tuple[Scalar, ...]]]:
    """What one layer decides; the names are fields of `workers.messages.Layer`."""
    bits: list[tuple[str, tuple[Scalar, ...]]] = [
        ("weight_bits", asked.weight_bits),
        ("activation_bits", asked.activation_bits),
    ]
    match asked:
        case MlpSpace():
            return [("width", asked.width), *bits]
        case CnnSpace():
            return [("kind", asked.kind), ("width", asked.width), ("kernel", asked.kernel), *bits]


def _deeper_than(number: int, fewest: int, most: int) -> tuple[Condition, ...]:
    """The condition under which a layer of that number (from 0) exists; none where it always does."""
    if number < fewest:
        return ()
    return (Condition(decision=0, options=frozenset(range(number + 1 - fewest, most + 1 - fewest))),)
