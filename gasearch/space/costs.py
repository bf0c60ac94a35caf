"""Costs of networks before any training: of any one, and of the cheapest and the most expensive of a layered space."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from gasearch_workers.messages import FULL_PRECISION, Blueprint
from gasearch_workers.network.costs import Costs, costs
from gasearch_workers.network.operators import operators_of
from gasearch_workers.network.plan import plan

from gasearch.space.decisions import Genes, Space
from gasearch.space.decode import network_of
from gasearch.space.genome import Genome, make_genome

#: Decided by the network alone.
COST_METRICS: Final = ("params", "macs", "flops", "bops", "model_bytes", "peak_memory_bytes")
MOST_KNOWN = 4096  #: Genomes remembered: limits, surrogate and early stopping ask of the same one in turn.

#: Monotone neither in costs nor in what the next layer takes: every option is tried.
_FREE: Final = ("kind", "downsample", "heads", "pruning", "rank")

Cost = Callable[[Blueprint], float]
_Choose = Callable[[Sequence[tuple[float, Genes]]], tuple[float, Genes]]  #: `min` or `max`.


def cost_of(found: Costs, metric: str) -> int:
    """One of the `COST_METRICS` of a network."""
    return 2 * found.macs if metric == "flops" else int(getattr(found, metric))


class NetworkCosts:
    """The `COST_METRICS` and operators of the networks of a space; those of a custom space's points nobody knows."""

    def __init__(self, space: Space) -> None:
        """Costs that nobody has asked for yet."""
        self._space = space
        self._counted = lru_cache(MOST_KNOWN)(self._count)

    def of(self, genome: Genome) -> Mapping[str, int]:
        """Each of the `COST_METRICS` of a genome's network; empty for a point of a custom space."""
        return {} if self._space.data is None else self._counted(genome)[0]

    def operators(self, genome: Genome) -> Mapping[str, int]:
        """The operators that a genome's network needs, and how many steps of each; empty in a custom space."""
        return {} if self._space.data is None else self._counted(genome)[1]

    def _count(self, genome: Genome) -> tuple[Mapping[str, int], Mapping[str, int]]:
        steps = plan(_blueprint_of(genome.genes, self._space))
        found = costs(steps)
        return {metric: cost_of(found, metric) for metric in COST_METRICS}, operators_of(steps)


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
    `gasearch.space.constraints` says what no network can undercut or exceed.
    """

    space: Space

    def smallest(self, metric: str) -> SizedNetwork:
        """The network that costs least of the metric: exact where `is_exact`."""
        return self._extreme(metric, min)

    def largest(self, metric: str) -> SizedNetwork:
        """The network of the greatest widths, kernels and precisions, of the most expensive kinds of layers.

        Where layers are residual, a mix of widths can cost a little more, for its skip convolutions.
        """
        return self._extreme(metric, max)

    def is_exact(self, metric: str) -> bool:
        """True if `smallest` is proven to be it."""
        return self.space.is_monotone and self.space.simplifier is None and metric != "peak_memory_bytes"

    def least(self, cost: Cost) -> float:
        """The least of any cost that is a sum over layers."""
        return min(self._candidates(cost, min))[0]

    def most(self, cost: Cost) -> float:
        """The most of any cost that is a sum over layers."""
        return max(self._candidates(cost, max))[0]

    # --- the search for them ---

    def _extreme(self, metric: str, choose: _Choose) -> SizedNetwork:
        candidates = self._candidates(lambda blueprint: cost_of(costs(plan(blueprint)), metric), choose)
        genome = make_genome(choose(candidates)[1], self.space)
        blueprint = _blueprint_of(genome.genes, self.space)
        return SizedNetwork(genome=genome, blueprint=blueprint, costs=costs(plan(blueprint)))

    def _candidates(self, cost: Cost, choose: _Choose) -> list[tuple[float, Genes]]:
        """From each start at full depth: the best options layer by layer; then that network at every depth.

        At each depth the head is chosen anew: what it takes is another layer's output, or the input itself.
        """

        def priced(variants: Iterable[Genes]) -> list[tuple[float, Genes]]:
            return [(cost(_blueprint_of(genes, self.space)), genes) for genes in variants]

        found: list[tuple[float, Genes]] = []
        if self.space.trained is not None:
            sizes = self.space.sizes
            return priced([tuple([0] * len(sizes)), tuple(size - 1 for size in sizes)])
        for start in self._starts_of_smallest() if choose is min else self._starts_of_largest():
            genes, chosen = start, dict[object, list[int]]()
            for slot, place in zip(self.space.slots, self._places, strict=True):
                if place not in chosen:
                    for group in self._groups(slot):
                        genes = choose(priced(self._variants(genes, group)))[1]
                    chosen[place] = [genes[index] for index in slot]
                genes = (*genes[: slot[0]], *chosen[place], *genes[slot[-1] + 1 :])
            for depth in range(self.space.sizes[0]):
                found += priced(self._variants((depth, *genes[1:]), self._outside))
        return found

    @cached_property
    def _places(self) -> list[object]:
        """Marks that tell layers apart, widths and precisions being equal: later ones in like places are not tried."""
        is_halving = self.space.data is not None and max(self.space.strides, default=1) > 1
        sides = self.space.data.input_shape[1:] if self.space.data is not None and is_halving else ()
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

    @cached_property
    def _bits(self) -> tuple[int, ...]:
        """The genes of precisions."""
        return tuple(index for index, (_, name) in enumerate(self.space.name_parts) if name.endswith("_bits"))

    def _groups(self, slot: Sequence[int]) -> list[tuple[int, ...]]:
        """The genes of a layer whose combinations are tried: all of them; in two parts where they are many."""
        if self.space.simplifier is None:
            return [tuple(slot)]
        return [
            tuple(index for index in slot if (index in self._bits) is is_precision) for is_precision in (False, True)
        ]

    def _variants(self, genes: Genes, group: Sequence[int]) -> Iterator[Genes]:
        """The genes with each combination of what is not monotone in one layer: its kind, and float or not."""
        is_float = self._is_float(genes)
        for options in itertools.product(*(self._free_options(index, genes[index], is_float) for index in group)):
            changed = dict(zip(group, options, strict=True))
            yield tuple(changed.get(index, gene) for index, gene in enumerate(genes))

    def _free_options(self, index: int, gene: int, is_float: bool) -> Iterable[int]:
        last, name = self.space.sizes[index] - 1, self.space.name_parts[index][1]
        if name in _FREE:
            return range(last + 1)
        if name == "sparsity":
            return sorted({0, last})
        if index in self._bits and self.space.decisions[index].options[-1] == FULL_PRECISION and last and not is_float:
            return sorted({gene, last - 1 if gene else 0, last})
        return [gene]

    def _starts_of_smallest(self) -> list[Genes]:
        sizes, parts = self.space.sizes, self.space.name_parts
        first = tuple(
            size - 1 if index == 0 or parts[index][1] == "sparsity" else 0 for index, size in enumerate(sizes)
        )
        starts = [first]
        channels = 0 if self.space.data is None else self.space.data.input_shape[0]
        for index in self.space.slots[0] if any(kind.has_skip for kind in self.space.layer_kinds) else ():
            options = self.space.decisions[index].options
            if parts[index][1] == "width" and channels in options:
                starts.append((*first[:index], options.index(channels), *first[index + 1 :]))
        floats = [
            tuple(sizes[index] - 1 if index in self._bits else gene for index, gene in enumerate(start))
            for start in starts
        ]
        return self._with_every_encoder([*starts, *filter(self._is_float, floats)])

    def _starts_of_largest(self) -> list[Genes]:
        last = tuple(
            0 if name == "sparsity" else size - 1
            for size, (_, name) in zip(self.space.sizes, self.space.name_parts, strict=True)
        )
        starts = [last]
        for precision in ("weight_bits", "activation_bits") if self._is_float(last) else ():
            names = enumerate(self.space.name_parts)
            starts.append(tuple(max(last[i] - 1, 0) if name == precision else last[i] for i, (_, name) in names))
        return self._with_every_encoder(starts)

    def _with_every_encoder(self, starts: list[Genes]) -> list[Genes]:
        for index, decision in enumerate(self.space.decisions):
            if decision.name == "encoder":
                options = range(len(decision.options))
                return [(*start[:index], option, *start[index + 1 :]) for start in starts for option in options]
        return starts

    def _is_float(self, genes: Genes) -> bool:
        return all(self.space.decisions[index].options[genes[index]] == FULL_PRECISION for index in self._bits)


def _blueprint_of(genes: Sequence[int], space: Space) -> Blueprint:
    network = network_of(space.marked(genes), space)
    if not isinstance(network, Blueprint):
        raise TypeError(f"only a layered space has extremes; got family {space.family!r}")
    return network
