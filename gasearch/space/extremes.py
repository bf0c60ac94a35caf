"""The cheapest and the dearest network of a layered space, found by arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from gasearch_workers.messages import FULL_PRECISION, Blueprint
from gasearch_workers.network.costs import Costs, costs
from gasearch_workers.network.plan import plan

from gasearch.space.decisions import Genes, Space
from gasearch.space.decode import decode
from gasearch.space.genome import Genome, make_genome

#: Decided by the network alone.
COST_METRICS: Final = ("params", "macs", "flops", "bops", "model_bytes", "peak_memory_bytes")

#: What is monotone neither in costs nor in what the next layer takes: every option is tried.
_FREE: Final = ("kind", "downsample", "heads", "pruning", "rank")

Cost = Callable[[Blueprint], float]
_Choose = Callable[[Sequence[tuple[float, Genes]]], tuple[float, Genes]]  #: `min` or `max`.


def cost_of(found: Costs, metric: str) -> int:
    """One of the `COST_METRICS` of a network."""
    return 2 * found.macs if metric == "flops" else int(getattr(found, metric))


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedNetwork:
    """A network and what it costs."""

    genome: Genome
    blueprint: Blueprint
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Finds the extreme networks of a layered space.

    With all widths, kernels and precisions at their smallest, what a layer costs doesn't depend on the other layers'
    kinds: so the cheapest kind of each layer is found alone, and the cheapest network with it. Three exceptions are
    tried as variants: a first residual layer as wide as the input needs no skip convolution; float costs more bits but
    no scales; a network that is float throughout has a float input.

    Where layers are compressed, and for memory, which is no sum over layers, what is found is near the extreme:
    `gasearch.space.bounds` says what no network can undercut or exceed.
    """

    space: Space

    def smallest(self, metric: str) -> SizedNetwork:
        """The network that costs least of the metric: exact where `is_exact`."""
        return self._extreme(metric, min)

    def largest(self, metric: str) -> SizedNetwork:
        """The network of the greatest widths, kernels and precisions, of the dearest kinds of layers.

        Where layers are residual, a mix of widths can cost a little more, for its skip convolutions.
        """
        return self._extreme(metric, max)

    def is_exact(self, metric: str) -> bool:
        """Whether `smallest` is proven to be it."""
        is_monotone = all(kind.is_monotone for kind in self.space.layer_kinds)
        return is_monotone and self.space.simplifier is None and metric != "peak_memory_bytes"

    def least(self, cost: Cost) -> float:
        """The least of any cost that is a sum over layers."""
        return min(self._candidates(self._of_genes(cost), min, self._starts_of_smallest()))[0]

    def most(self, cost: Cost) -> float:
        """The most of any cost that is a sum over layers."""
        return max(self._candidates(self._of_genes(cost), max, self._starts_of_largest()))[0]

    # --- the search for them ---

    def _extreme(self, metric: str, choose: _Choose) -> SizedNetwork:
        def cost(blueprint: Blueprint) -> float:
            return cost_of(costs(plan(blueprint)), metric)

        starts = self._starts_of_smallest() if choose is min else self._starts_of_largest()
        genome = make_genome(choose(self._candidates(self._of_genes(cost), choose, starts))[1], self.space)
        blueprint = self._network(genome.genes)
        return SizedNetwork(genome=genome, blueprint=blueprint, costs=costs(plan(blueprint)))

    def _of_genes(self, cost: Cost) -> Callable[[Genes], float]:
        return lambda genes: cost(self._network(genes))

    def _candidates(
        self, cost: Callable[[Genes], float], choose: _Choose, starts: Sequence[Genes]
    ) -> list[tuple[float, Genes]]:
        """From each start at full depth: the best options layer by layer; then that network at every depth.

        At each depth the head is chosen anew: what it takes is another layer's output, or the input itself.
        """
        found: list[tuple[float, Genes]] = []
        for start in starts:
            genes, chosen = start, dict[object, list[int]]()
            for slot, place in zip(self.space.slots, self._places, strict=True):
                if place not in chosen:
                    for group in self._groups(slot):
                        genes = choose([(cost(variant), variant) for variant in self._variants(genes, group)])[1]
                    chosen[place] = [genes[index] for index in slot]
                genes = (*genes[: slot[0]], *chosen[place], *genes[slot[-1] + 1 :])
            for depth in range(len(self.space.decisions[0].options)):
                found += [(cost(other), other) for other in self._variants((depth, *genes[1:]), self._outside)]
        return found

    @cached_property
    def _places(self) -> list[object]:
        """What tells the layers apart, widths and precisions being equal: later ones in like places are not tried."""
        sides = (
            ()
            if self.space.data is None or max(self.space.strides, default=1) == 1
            else self.space.data.input_shape[1:]
        )
        found: list[object] = []
        for number, stride in enumerate(self.space.strides):
            digits = len(str(number))  # of the steps' names, which the file holds
            found.append((sides, stride, digits, min(number, 2)))  # the second one may follow a wider first one
            sides = tuple(-(-side // stride) for side in sides)
        return found

    @cached_property
    def _outside(self) -> tuple[int, ...]:
        """The genes of no layer, save the depth."""
        inside = {index for slot in self.space.slots for index in slot}
        return tuple(index for index in range(1, len(self.space.decisions)) if index not in inside)

    def _groups(self, slot: Sequence[int]) -> list[tuple[int, ...]]:
        """The genes of a layer whose combinations are tried: all of them; in two parts where they are many."""
        if self.space.simplifier is None:
            return [tuple(slot)]
        return [
            tuple(index for index in slot if self._name(index).endswith("_bits") is is_precision)
            for is_precision in (False, True)
        ]

    def _variants(self, genes: Genes, group: Sequence[int]) -> Iterator[Genes]:
        """The genes with each combination of what is not monotone in one layer: its kind, and float or not."""
        is_float = self._is_float(genes)
        for options in itertools.product(*(self._free_options(index, genes[index], is_float) for index in group)):
            changed = dict(zip(group, options, strict=True))
            yield tuple(changed.get(index, gene) for index, gene in enumerate(genes))

    def _free_options(self, index: int, gene: int, is_float: bool) -> list[int]:
        options, name = self.space.decisions[index].options, self._name(index)
        if name in _FREE:
            return list(range(len(options)))
        if name == "sparsity":
            return sorted({0, len(options) - 1})
        if name.endswith("_bits") and options[-1] == FULL_PRECISION and len(options) > 1 and not is_float:
            return sorted({gene, len(options) - 2 if gene else 0, len(options) - 1})
        return [gene]

    def _name(self, index: int) -> str:
        return self.space.name_parts[index][1]

    def _starts_of_smallest(self) -> list[Genes]:
        shrinking = ("sparsity",)
        first = [
            len(decision.options) - 1 if index == 0 or self._name(index) in shrinking else 0
            for index, decision in enumerate(self.space.decisions)
        ]
        starts = [tuple(first)]
        for index in self.space.slots[0] if any(kind.has_skip for kind in self.space.layer_kinds) else ():
            decision = self.space.decisions[index]
            channels = self._channels
            if self._name(index) == "width" and channels in decision.options:
                starts.append((*first[:index], decision.options.index(channels), *first[index + 1 :]))
        starts += [genes for start in starts if (genes := self._made_float(start)) is not None]
        return self._with_every_encoder(starts)

    @property
    def _channels(self) -> int:
        return 0 if self.space.data is None else self.space.data.input_shape[0]

    def _starts_of_largest(self) -> list[Genes]:
        last = tuple(
            0 if self._name(index) == "sparsity" else len(decision.options) - 1
            for index, decision in enumerate(self.space.decisions)
        )
        starts = [last]
        if self._is_float(last):
            for name in ("weight_bits", "activation_bits"):
                quantized = (
                    max(gene - 1, 0) if decision.name.endswith(name) else gene
                    for decision, gene in zip(self.space.decisions, last, strict=True)
                )
                starts.append(tuple(quantized))
        return self._with_every_encoder(starts)

    def _with_every_encoder(self, starts: Sequence[Genes]) -> list[Genes]:
        for index, decision in enumerate(self.space.decisions):
            if decision.name == "encoder":
                options = range(len(decision.options))
                return [(*start[:index], option, *start[index + 1 :]) for start in starts for option in options]
        return list(starts)

    def _made_float(self, genes: Genes) -> Genes | None:
        """The genes at 32 bits throughout; None where the space has no such network."""
        made = [
            len(decision.options) - 1 if decision.name.endswith("_bits") else gene
            for decision, gene in zip(self.space.decisions, genes, strict=True)
        ]
        return tuple(made) if self._is_float(made) else None

    def _is_float(self, genes: Sequence[int]) -> bool:
        return all(
            decision.options[gene] == FULL_PRECISION
            for decision, gene in zip(self.space.decisions, genes, strict=True)
            if decision.name.endswith("_bits")
        )

    def _network(self, genes: Genes) -> Blueprint:
        canonical = self.space.canonical(genes)
        network = decode(Genome(genes=canonical, key=""), self.space)
        if not isinstance(network, Blueprint):
            raise TypeError(f"only a layered space has extremes; got family {self.space.family!r}")
        return network
