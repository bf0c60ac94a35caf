"""The cheapest and the dearest network of a layered space, found by arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gasearch.space.decisions import Genes, Space
from gasearch.space.decode import decode
from gasearch.space.genome import Genome, make_genome
from workers.measure.costs import Costs, costs
from workers.messages import FULL_PRECISION, Blueprint, Layer
from workers.packed_layout import GRID
from workers.plan import plan

COST_METRICS: Final = ("params", "macs", "flops", "bops", "model_bytes")  #: Decided by the network alone.

_Choose = Callable[[Sequence[tuple[int, Genes]]], tuple[int, Genes]]  #: `min` or `max`.


def cost_of(found: Costs, metric: str) -> int:
    """One of the `COST_METRICS` of a network."""
    return 2 * found.macs if metric == "flops" else int(getattr(found, metric))


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedNetwork:
    """A network and what it costs."""

    genome: Genome
    blueprint: Blueprint
    costs: Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """Finds the extreme networks of a layered space on data of a given shape.

    With all widths, kernels and precisions at their smallest, what a layer costs doesn't depend on the other layers'
    kinds: so the cheapest kind of each layer is found alone, and the cheapest network with it. Three exceptions are
    tried as variants: a first residual layer as wide as the input needs no skip convolution; float costs more bits but
    no scales; a network that is float throughout has a float input.
    """

    space: Space
    input_shape: tuple[int, ...]
    outputs: int

    def smallest(self, metric: str) -> SizedNetwork:
        """The network that costs least of the metric: exact."""
        return self._extreme(metric, min, self._starts_of_smallest())

    def largest(self, metric: str) -> SizedNetwork:
        """The network of the greatest widths, kernels and precisions, of the dearest kinds of layers.

        Where layers are residual, a mix of widths can cost a little more, for its skip convolutions: see `bound`.
        """
        return self._extreme(metric, max, self._starts_of_largest())

    def bound(self, metric: str) -> int:
        """A cost of the metric that no network exceeds: residual layers have skip convolutions, the input a grid."""

        def padded_cost(genes: Genes) -> int:
            blueprint = self._network(genes)
            return cost_of(costs(plan(replace(blueprint, layers=tuple(_with_skips(blueprint))))), metric)

        grid = GRID.size if metric == "model_bytes" else 0
        return grid + max(cost for cost, _ in self._candidates(padded_cost, max, self._starts_of_largest()))

    # --- the search for them ---

    def _extreme(self, metric: str, choose: _Choose, starts: Sequence[Genes]) -> SizedNetwork:
        def cost(genes: Genes) -> int:
            return cost_of(costs(plan(self._network(genes))), metric)

        genome = make_genome(choose(self._candidates(cost, choose, starts))[1], self.space)
        blueprint = self._network(genome.genes)
        return SizedNetwork(genome=genome, blueprint=blueprint, costs=costs(plan(blueprint)))

    def _candidates(
        self, cost: Callable[[Genes], int], choose: _Choose, starts: Sequence[Genes]
    ) -> list[tuple[int, Genes]]:
        """From each start at full depth: the best options layer by layer; then that network at every depth."""
        found: list[tuple[int, Genes]] = []
        for start in starts:
            genes = start
            for group in (*self.space.slots, (len(genes) - 1,)):
                genes = choose([(cost(variant), variant) for variant in self._variants(genes, group)])[1]
            depths = range(len(self.space.decisions[0].options))
            found += [(cost((depth, *genes[1:])), (depth, *genes[1:])) for depth in depths]
        return found

    def _variants(self, genes: Genes, group: Sequence[int]) -> Iterator[Genes]:
        """The genes with each combination of what is not monotone in one layer: its kind, and float or not."""
        is_float = self._is_float(genes)
        for options in itertools.product(*(self._free_options(index, genes[index], is_float) for index in group)):
            changed = dict(zip(group, options, strict=True))
            yield tuple(changed.get(index, gene) for index, gene in enumerate(genes))

    def _free_options(self, index: int, gene: int, is_float: bool) -> list[int]:
        options = self.space.decisions[index].options
        name = self.space.decisions[index].name.rpartition(".")[2]
        if name == "kind":
            return list(range(len(options)))
        if name.endswith("_bits") and options[-1] == FULL_PRECISION and len(options) > 1 and not is_float:
            return sorted({gene, len(options) - 2 if gene else 0, len(options) - 1})
        return [gene]

    def _starts_of_smallest(self) -> list[Genes]:
        first = (len(self.space.decisions[0].options) - 1, *([0] * (len(self.space.decisions) - 1)))
        starts = [first]
        for index in self.space.slots[0]:
            decision = self.space.decisions[index]
            if decision.name.endswith(".width") and self.input_shape[0] in decision.options:
                gene = decision.options.index(self.input_shape[0])
                starts.append((*first[:index], gene, *first[index + 1 :]))
        return starts + [genes for start in starts if (genes := self._made_float(start)) is not None]

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

    def _starts_of_largest(self) -> list[Genes]:
        last = tuple(len(decision.options) - 1 for decision in self.space.decisions)
        starts = [last]
        if self._is_float(last):
            for name in ("weight_bits", "activation_bits"):
                quantized = (
                    max(gene - 1, 0) if decision.name.endswith(name) else gene
                    for decision, gene in zip(self.space.decisions, last, strict=True)
                )
                starts.append(tuple(quantized))
        return starts

    def _network(self, genes: Genes) -> Blueprint:
        network = decode(Genome(genes=genes, key=""), self.space, input_shape=self.input_shape, outputs=self.outputs)
        if not isinstance(network, Blueprint):
            raise TypeError(f"only a layered space has extremes; got family {self.space.family!r}")
        return network


def _with_skips(blueprint: Blueprint) -> Iterator[Layer]:
    """The layers, each residual one that has no skip convolution preceded by one that costs as much."""
    channels = blueprint.input_shape[0]
    for layer in blueprint.layers:
        if layer.kind == "residual" and layer.stride == 1 and layer.width == channels:
            yield replace(layer, kind="conv", kernel=1)
        yield layer
        channels = layer.width
