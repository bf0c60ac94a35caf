"""The space of a user's own decisions."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch_workers.messages import Scalar

from gasearch.space.decisions import Condition, Decision, Space
from gasearch.spec.spaces import CustomSpace, DecisionSpec, same_choice


def custom_space(asked: CustomSpace) -> Space:
    """The decisions of the spec in its order, each with its conditions."""
    positions = {name: position for position, name in enumerate(asked.decisions)}
    decisions: list[Decision] = []
    for name, decision in asked.decisions.items():
        when = _conditions(decision, positions, decisions)
        decisions.append(Decision(name=name, options=decision.choices, when=when))
    return Space(family="custom", decisions=tuple(decisions))


def _conditions(
    decision: DecisionSpec, positions: dict[str, int], earlier: Sequence[Decision]
) -> tuple[Condition, ...]:
    return tuple(
        Condition(decision=positions[name], options=_indices(choices, earlier[positions[name]].options))
        for name, choices in decision.when.items()
    )


def _indices(choices: Sequence[Scalar], options: Sequence[Scalar]) -> frozenset[int]:
    return frozenset(
        index for index, option in enumerate(options) if any(same_choice(option, choice) for choice in choices)
    )
