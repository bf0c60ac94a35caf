"""What a family of networks is: its data and tasks, how a network begins, the kinds of its layers.

Standard library only. The `space` section of a spec that asks for a family is a model of `gasearch.spec.spaces`; an
added family names its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gasearch_workers.messages import Blueprint, InputKind, Layer, TaskKind
from gasearch_workers.network.inputs import begin_with_numbers, begin_with_pair, begin_with_tokens
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder
from gasearch_workers.network.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of networks made of layers."""

    name: str
    tasks: tuple[TaskKind, ...] = ("classification", "regression")  #: What it is for.
    inputs: tuple[InputKind, ...]  #: The samples that it takes: one kind, or images beside one.
    #: Appends the steps from the raw sample to the first layer's input; see `network.inputs`.
    begin: Callable[[PlanBuilder, Blueprint, Layer | None], None]
    #: The kinds of layers: the first is that of all, unless the `space` section lets each layer choose its `kind`.
    kinds: tuple[str, ...] = ()
    #: Or the kind that each option of the network's `encoder` makes of all its layers.
    encoders: Mapping[str, str] = field(default_factory=dict)
    is_per_token: bool = False  #: Whether each token has outputs of its own.
    is_trained: bool = False  #: Whether its networks begin with the weights of a trained one of the user's.
    #: "package.module:Model" of the `space` section, a subclass of `gasearch.spec.spaces.LayeredSpace` with the keys
    #: of the family. "": one of gasearch's own.
    space: str = ""
    starter: str = ""  #: What `gasearch init --family NAME` writes.

    def input_kind(self, shape: tuple[int, ...]) -> InputKind:
        """What a sample of that shape is to the family."""
        if len(shape) == 3 and "image" in self.inputs:
            return "image"
        return next((kind for kind in self.inputs if kind != "image"), "table")

    def kind_of(self, encoder: str = "") -> str:
        """The kind of all layers, by the network's encoder where the family has one."""
        return self.encoders.get(encoder) or (*self.kinds, *self.encoders.values())[0]

    def encoder_of(self, kind: str) -> str:
        """The encoder that makes layers of that kind; "" where none does."""
        return next((encoder for encoder, made in self.encoders.items() if made == kind), "")

    def may_have(self, kind: LayerKind) -> bool:
        """Whether a layer may choose that kind."""
        return kind.name in self.kinds or self.name in kind.families


def _own() -> tuple[Family, ...]:
    return (
        Family(
            name="mlp",
            inputs=("table", "image"),
            begin=begin_with_numbers,
            kinds=("linear",),
        ),
        Family(
            name="cnn",
            inputs=("image",),
            begin=begin_with_numbers,
            kinds=("conv", "separable", "residual"),
        ),
        Family(
            name="text",
            inputs=("tokens",),
            begin=begin_with_tokens,
            encoders={"pool": "linear", "conv": "conv1d", "gru": "gru"},
        ),
        Family(
            name="transformer",
            inputs=("tokens",),
            begin=begin_with_tokens,
            kinds=("transformer",),
        ),
        Family(
            name="tagger",
            tasks=("tagging",),
            inputs=("tokens",),
            begin=begin_with_tokens,
            encoders={"gru": "gru", "transformer": "transformer"},
            is_per_token=True,
        ),
        Family(
            name="recommender",
            tasks=("rating",),
            inputs=("ids",),
            begin=begin_with_pair,
            kinds=("linear",),
        ),
        Family(
            name="bits",
            inputs=("image", "table"),
            begin=begin_with_numbers,
            kinds=("traced",),
            is_trained=True,
        ),
    )


FAMILIES: Final = Registry(Family, "family", _own)
