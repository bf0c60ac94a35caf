"""A search space: its decisions in order, and when each of them expresses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from workers.messages import Family, Scalar

Genes = tuple[int, ...]  #: One option index per decision.


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

    @property
    def is_ordinal(self) -> bool:
        """Whether the options are numbers in ascending order, so that neighbours are alike."""
        numbers = [
            option for option in self.options if isinstance(option, int | float) and not isinstance(option, bool)
        ]
        return len(numbers) == len(self.options) and numbers == sorted(numbers)


@dataclass(frozen=True, kw_only=True)
class Space:
    """All decisions; a condition only names decisions that stand before it.

    A layered space also says which decisions form one layer slot, so that operators can insert, remove and exchange
    whole layers. Slots hold the same decisions in the same order.
    """

    family: Family
    decisions: tuple[Decision, ...]
    slots: tuple[tuple[int, ...], ...] = ()  #: Decision indices per layer slot; empty for custom spaces.
    depth: int | None = None  #: Index of the decision on the number of layers, options ascending; None without slots.

    def expressed(self, genes: Sequence[int]) -> list[bool]:
        """Which decisions express under these genes, one flag per decision."""
        return [gene >= 0 for gene in self.marked(genes)]

    def canonical(self, genes: Sequence[int]) -> Genes:
        """The genes with 0 wherever a decision doesn't express: equal networks, equal genes."""
        return tuple([gene if gene >= 0 else 0 for gene in self.marked(genes)])

    def marked(self, genes: Sequence[int]) -> list[int]:
        """The genes with -1 wherever a decision doesn't express."""
        marked: list[int] = []
        for gene, needs in zip(genes, self.needs, strict=True):
            for decision, options in needs:
                if marked[decision] not in options:  # -1 is in no set of options
                    marked.append(-1)
                    break
            else:
                marked.append(gene)
        return marked

    def layer_count(self, genes: Sequence[int]) -> int:
        """Number of layer slots that express; 0 for a space without slots."""
        if self.depth is None:
            return 0
        return int(self.decisions[self.depth].options[genes[self.depth]])

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
    def option_texts(self) -> tuple[tuple[str, ...], ...]:
        """Per decision and option the member `"name":option` of a JSON object: what genome keys are made of."""
        return tuple(
            tuple(f"{json.dumps(d.name)}:{json.dumps(option)}" for option in d.options) for d in self.decisions
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides what a genome means."""
        content = [
            self.family,
            [[d.name, d.options, [[need.decision, sorted(need.options)] for need in d.when]] for d in self.decisions],
        ]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()
