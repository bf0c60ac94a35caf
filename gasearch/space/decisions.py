"""A search space: the data that its networks fit, its decisions in order, and when each of them expresses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, Protocol, Self

from gasearch_workers.messages import NUMERIC_KINDS, Blueprint, Scalar, network_from_json
from gasearch_workers.network.layer_kinds import KINDS, LayerKind

Genes = tuple[int, ...]  #: One option index per decision.

FIRST_STRIDE_FROM = 16  #: Side of the input from which the first layer of a cnn halves it.
SMALLEST_SIDE = 4  #: Later layers halve the side while it is greater.
_MOST_FLAGS_KNOWN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class DataShape:
    """The input and output of a network, as the data want them."""

    input_shape: tuple[int, ...]  #: Of one sample, see `gasearch_workers.messages.Blueprint.input_kind`.
    outputs: int  #: Classes, or tags per token; 1 for regression and rating.
    categories: tuple[int, ...] = ()  #: Number of codes per column of codes.
    is_regression: bool = False  #: Whether the output is a number in the target's unit, not logits.
    trained: Blueprint | None = None  #: At full precision, the network whose bits alone are decided.

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """The shape of data as `Dataset.describe` gives them."""
        trained = network_from_json(description["pretrained"]) if "pretrained" in description else None
        return cls(
            input_shape=tuple(description["input_shape"]),
            outputs=description["outputs"],
            categories=tuple(description["categories"]),
            is_regression=description["kind"] in NUMERIC_KINDS,
            trained=trained if isinstance(trained, Blueprint) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Holds when an earlier decision expresses and has one of the given options."""

    decision: int  #: Index of the earlier decision.
    options: frozenset[int]  #: Its option indices under which the condition holds.


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One gene: a name, its options, and the conditions (all must hold) under which it expresses."""

    name: str  #: e.g. "depth", "layer2.width", "head.weight_bits".
    options: tuple[Scalar, ...]
    when: tuple[Condition, ...] = ()
    neutral: Scalar | None = None  #: The option that says what a space without this decision does: keys don't name it.

    @property
    def is_ordinal(self) -> bool:
        """True if the options are numbers in ascending order, so that neighbours are alike."""
        numbers = [
            option for option in self.options if isinstance(option, int | float) and not isinstance(option, bool)
        ]
        return len(numbers) == len(self.options) and numbers == sorted(numbers)


class Simplifier(Protocol):
    """The rules by which genes make the same network, for all that the conditions allow."""

    def simplify(self, marked: list[int]) -> None:
        """Put the first of all equal choices in the place of each, and -1 where a gene thereby no longer expresses.

        Args:
            marked: Genes with -1 wherever the conditions let none express; changed in place.
        """


@dataclass(frozen=True, kw_only=True)
class Space:
    """All decisions; a condition only names decisions that stand before it.

    A layered space also says which decisions form one layer slot, so that operators can insert, remove and exchange
    whole layers. Slots hold the same decisions in the same order.
    """

    family: str
    decisions: tuple[Decision, ...]
    slots: tuple[tuple[int, ...], ...] = ()  #: Decision indices per layer slot; empty for custom spaces.
    depth: int | None = None  #: Index of the decision on the number of layers, options ascending; None without slots.
    kinds: tuple[str, ...] = ()  #: Kinds that layers may have; () for custom spaces.
    data: DataShape | None = None  #: What the networks fit; None for custom spaces.
    simplifier: Simplifier | None = None  #: None where different genes that express always make different networks.

    def canonical(self, genes: Sequence[int]) -> Genes:
        """The genes with 0 wherever a decision doesn't express: equal networks, equal genes."""
        return tuple([gene if gene >= 0 else 0 for gene in self.marked(genes)])

    def marked(self, genes: Sequence[int]) -> list[int]:
        """The genes with -1 wherever a decision doesn't express; of genes that make the same network, the first."""
        marked = self.conditioned(genes)
        if self.simplifier is not None:
            self.simplifier.simplify(marked)
        return marked

    def conditioned(self, genes: Sequence[int]) -> list[int]:
        """The genes with -1 wherever a condition doesn't hold, and nothing else changed."""
        flags = self._expressing(tuple([genes[decision] for decision in self.switches]))
        return [gene if flag else -1 for gene, flag in zip(genes, flags, strict=True)]

    @cached_property
    def _expressing(self) -> Callable[[Genes], list[bool]]:
        """Flags of expression by the genes of `switches`: evolution asks the same a few times per candidate."""

        @lru_cache(_MOST_FLAGS_KNOWN)
        def flags_of(switched: Genes) -> list[bool]:
            genes = dict(zip(self.switches, switched, strict=True))
            flags: list[bool] = []
            for needs in self.needs:
                flags.append(all(flags[decision] and genes[decision] in options for decision, options in needs))
            return flags

        return flags_of

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone, for copies and other processes: what is remembered besides is found anew there."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def switches(self) -> tuple[int, ...]:
        """The decisions that conditions ask about: their genes alone say which decisions express."""
        return tuple(sorted({decision for needs in self.needs for decision, _ in needs}))

    def layer_count(self, genes: Sequence[int]) -> int:
        """Number of layer slots that express; 0 for a space without slots."""
        if self.depth is None:
            return 0
        return int(self.decisions[self.depth].options[genes[self.depth]])

    @property
    def trained(self) -> Blueprint | None:
        """The network whose bits alone are decided; None where layers are."""
        return None if self.data is None else self.data.trained

    @cached_property
    def layer_kinds(self) -> tuple[LayerKind, ...]:
        """The kinds of `kinds`, as registered."""
        return tuple(map(KINDS.get, self.kinds))

    @cached_property
    def is_monotone(self) -> bool:
        """True if each layer costs least at its smallest options: of kinds that packages add it may not be so."""
        return all(kind.is_monotone for kind in self.layer_kinds)

    @cached_property
    def halves_images(self) -> bool:
        """True if a layer may halve the side of an image."""
        return any("downsample" in kind.options for kind in self.layer_kinds)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Per layer slot how it goes over an image; all 1 where no kind of layer halves one.

        Small images keep their side in the first layer; then it is halved until few positions are left.
        """
        side = max(self.data.input_shape[1:], default=1) if self.data is not None and self.halves_images else 1
        found: list[int] = []
        for number in range(len(self.slots)):
            is_halved = side >= FIRST_STRIDE_FROM or (side > SMALLEST_SIDE and number > 0)
            found.append(2 if is_halved else 1)
            side = -(-side // found[-1])
        return tuple(found)

    @cached_property
    def needs(self) -> tuple[tuple[tuple[int, frozenset[int]], ...], ...]:
        """Per decision its conditions, as pairs of an earlier decision and its options that let this one express."""
        return tuple(tuple((need.decision, need.options) for need in d.when) for d in self.decisions)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of options per decision."""
        return tuple(len(d.options) for d in self.decisions)

    @cached_property
    def ordinal(self) -> tuple[bool, ...]:
        """`Decision.is_ordinal` per decision."""
        return tuple(d.is_ordinal for d in self.decisions)

    @cached_property
    def name_parts(self) -> tuple[tuple[str, str], ...]:
        """Per decision the layer that its name begins with, and the rest: ("layer2", "width"), ("", "depth")."""
        parts = (d.name.rpartition(".") for d in self.decisions)
        return tuple((layer, name) for layer, _, name in parts)

    @cached_property
    def option_texts(self) -> tuple[tuple[str, ...], ...]:
        """Per decision and option the member `"name":option` of a JSON object: what genome keys are made of.

        "" for a neutral option, so that a space that has the decision and one that hasn't name the same network alike.
        """
        return tuple(
            tuple("" if option == d.neutral else f"{json.dumps(d.name)}:{json.dumps(option)}" for option in d.options)
            for d in self.decisions
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides what a genome means."""
        content = [
            self.family,
            [[d.name, d.options, [[need.decision, sorted(need.options)] for need in d.when]] for d in self.decisions],
        ]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()
