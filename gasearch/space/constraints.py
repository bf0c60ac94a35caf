"""The constraints that arithmetic decides before any training, and what no network of a space can undercut or exceed.

Where layers aren't compressed, the smallest network is known. Compression makes the space ragged: to factor a layer
takes another step of the file, to prune it one by one a bitmap. So its bounds are taken on a plain space, of layers as
narrow as structured pruning can make them, their weights as few as rank and pruning one by one can leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.network.compression import dense_bytes, kept_units
from gasearch_workers.network.costs import costs, multiplications
from gasearch_workers.network.layer_kinds import KINDS
from gasearch_workers.network.memory import raw_bytes, weight_bytes
from gasearch_workers.network.packed_layout import GRID, frame_bytes, step_bytes
from gasearch_workers.network.plan import plan
from gasearch_workers.network.plan_builder import BRANCH_BITS
from gasearch_workers.network.steps import Step

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit
from gasearch.objectives.units import format_quantity
from gasearch.space.costs import COST_METRICS, Extremes, NetworkCosts, cost_of
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome
from gasearch.space.operators import require_operators_suffice

_DOWN_BYTES = 128  #: More than a factor's step takes in the file besides its weights, scales and biases.
_MATRICES = ("conv", "linear", "gru")  #: The steps that may be factored, or pruned one by one.
_ATTENTION = (".queries", ".attention", ".projection")


class ArithmeticConstraints:
    """The limits on the `COST_METRICS`, and the operators of the target; other limits are for training."""

    def __init__(
        self,
        limits: Sequence[Limit],
        space: Space,
        costs: NetworkCosts | None = None,
        operators: Sequence[str] | None = None,
    ) -> None:
        """Constraints on a space.

        Args:
            limits: All of the spec's, in its order.
            space: What may be proposed.
            costs: Of the space's networks, where others ask for them too.
            operators: All that the target has; None: whatever a network needs.
        """
        known = COST_METRICS if space.data is not None else ()
        self._limits = [(position, limit) for position, limit in enumerate(limits) if limit.metric in known]
        self._space = space
        self._costs = costs or NetworkCosts(space)
        self._operators = operators

    def violation(self, genome: Genome) -> float:
        """0 when all that arithmetic decides is met, else the sum of the relative excesses.

        Each step whose operator the target lacks counts 1.
        """
        excess = 0.0
        if self._limits:
            found = self._costs.of(genome)
            excess = sum(limit.violation(found[limit.metric]) for _, limit in self._limits)
        return excess if self._operators is None else excess + sum(self.lacking(genome).values())

    def lacking(self, genome: Genome) -> Mapping[str, int]:
        """The operators of a genome's network that the target lacks, and how many steps need each."""
        needed = {} if self._operators is None else self._costs.operators(genome)
        return {name: count for name, count in needed.items() if name not in (self._operators or ())}

    def require_possible(self) -> None:
        """Refuse limits of which each alone excludes every network of the space, and operators that do.

        Exact for upper limits where layers aren't compressed; else a limit is refused only where a bound excludes it.

        Raises:
            SpecError: naming each such limit and the network that comes nearest to it.
        """
        if self._operators is not None:
            require_operators_suffice(self._operators, self._space, self._costs)
        problems = [
            f'constraints[{position}]: no network of this space can meet "{limit}"; {reason}'
            for position, limit in self._limits
            if (reason := _why_impossible(limit, self._space))
        ]
        if problems:
            raise SpecError("\n".join(problems))


def _why_impossible(limit: Limit, space: Space) -> str:
    """The cost of the network that comes nearest to a limit; "" where some network may meet it."""
    extremes = Extremes(space=space)
    network = extremes.smallest(limit.metric) if limit.is_upper else extremes.largest(limit.metric)
    found = cost_of(network.costs, limit.metric)
    bound_of = lower_bound if limit.is_upper else upper_bound
    if limit.is_met(found) or limit.is_met(bound_of(space, limit.metric)):
        return ""
    value = format_quantity(found, limit.metric, digits=6)
    return f"the {'smallest' if limit.is_upper else 'largest'} has {limit.metric} {value}"


# --- bounds -----------------------------------------------------------------------------------------------------


def lower_bound(space: Space, metric: str) -> float:
    """A cost that no network of the space undercuts; exact where nothing is compressed, but for memory."""
    extremes = Extremes(space=space)
    if extremes.is_exact(metric):
        return cost_of(extremes.smallest(metric).costs, metric)
    if not space.is_monotone:
        return 0.0
    reduction = _Reduction.of(space)

    def least(blueprint: Blueprint) -> float:
        steps = plan(blueprint)
        fixed = {"model_bytes": frame_bytes(steps), "peak_memory_bytes": raw_bytes(steps)}.get(metric, 0)
        return fixed + sum(reduction.least(step, metric) for step in steps.steps if not reduction.may_lack(step))

    return Extremes(space=reduction.narrowest(space)).least(least)


def upper_bound(space: Space, metric: str) -> float:
    """A cost that no network of the space exceeds: residual layers have skip convolutions, the input a grid."""
    if metric == "peak_memory_bytes" or not space.is_monotone:
        return math.inf
    is_compressed = space.simplifier is not None

    def most(blueprint: Blueprint) -> float:
        steps = plan(replace(blueprint, layers=tuple(_with_skips(blueprint))))
        found = cost_of(costs(steps), metric)
        return found + sum(_factoring(step, metric) for step in steps.steps) if is_compressed else found

    grid = GRID.size if metric == "model_bytes" else 0
    return grid + Extremes(space=_with_options(space, sparsity=(0.0,), rank=(1.0,))).most(most)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reduction:
    """The most that the options of a space can take away."""

    sparsity: float  #: Greatest share of the units; 0 where pruning isn't structured.
    unstructured: float  #: Greatest share of the weights; 0 where pruning is structured only.
    rank: float  #: Least share of the full rank.

    @classmethod
    def of(cls, space: Space) -> _Reduction:
        """Of the options of the first layer, which are those of all."""
        slot = space.slots[0] if space.slots else ()
        options = {space.name_parts[index][1]: space.decisions[index].options for index in slot}
        sparsity = max(float(share) for share in options.get("sparsity", (0.0,)))
        words = options.get("pruning", ("structured",))
        return cls(
            sparsity=sparsity if "structured" in words else 0.0,
            unstructured=sparsity if "unstructured" in words else 0.0,
            rank=min(float(share) for share in options.get("rank", (1.0,))),
        )

    def narrowest(self, space: Space) -> Space:
        """The space without compression, of layers as narrow as pruned ones can be."""
        widths = [d.options for d, (_, name) in zip(space.decisions, space.name_parts, strict=True) if name == "width"]
        narrowest = min((kept_units(int(option), self.sparsity) for option in widths[-1]), default=1) if widths else 1
        return _with_options(space, width=(narrowest,), sparsity=(0.0,), rank=(1.0,))

    def may_lack(self, step: Step) -> bool:
        """True if a step can be smaller than in the narrowest space, or not be there at all.

        Pruned heads leave less than any number of whole ones; a wider residual layer may need no skip convolution.
        """
        return step.name.endswith(".skip") or (self.sparsity > 0 and step.name.endswith(_ATTENTION))

    def least(self, step: Step, metric: str) -> float:
        """The least that a step costs at any rank and sparsity of the space."""
        weights = math.prod(step.weight_shape) if step.has_weights else 0
        is_matrix = step.op in _MATRICES
        factored = self._factored(step) if is_matrix else weights
        left = max(1, math.floor(factored * (1 - self.unstructured))) if is_matrix else weights
        match metric:
            case "params":
                return left + step.biases
            case "model_bytes":
                return step_bytes(step) - dense_bytes(weights, step.weight_bits) + dense_bytes(left, step.weight_bits)
            case "peak_memory_bytes":
                each = 4 if step.weight_bits == FULL_PRECISION else 1
                return weight_bytes(step) - each * (weights - factored)
            case _:
                share = factored / weights if is_matrix else 1.0
                return share * _operations(step, metric, inner=BRANCH_BITS if share < 1 else FULL_PRECISION)

    def _factored(self, step: Step) -> int:
        rows, *rest = step.weight_shape
        columns = math.prod(rest)
        if self.rank == 1 or step.groups > 1 or step.op == "gru":
            return rows * columns
        rank = max(1, int(self.rank * min(rows, columns)))
        return min(rows * columns, rank * (rows + columns))


def _operations(step: Step, metric: str, *, inner: int) -> float:
    """macs, flops or bops of a step, no factor of which has more bits than `inner`."""
    found = multiplications(step)
    match metric:
        case "macs":
            return sum(count for count, _, _ in found)
        case "flops":
            return 2 * sum(count for count, _, _ in found)
        case _:
            return sum(count * bits * min(other, inner) for count, bits, other in found)


def _factoring(step: Step, metric: str) -> float:
    """More than a step costs in addition when its layer is factored or pruned one by one."""
    if step.op not in _MATRICES:
        return 0
    rank = min(step.weight_shape[0], math.prod(step.weight_shape[1:]))
    match metric:
        case "params":
            return rank
        case "model_bytes":
            return _DOWN_BYTES + 8 * rank
        case "bops":
            return sum(count * bits * FULL_PRECISION for count, bits, _ in multiplications(step))
        case _:
            return 0


def _with_options(space: Space, **options: tuple[int | float, ...]) -> Space:
    """The space with other options of the layers' decisions of these names, and no simplifier."""
    decisions = tuple(
        replace(decision, options=options[name]) if name in options and layer.startswith("layer") else decision
        for decision, (layer, name) in zip(space.decisions, space.name_parts, strict=True)
    )
    return replace(space, decisions=decisions, simplifier=None)


def _with_skips(blueprint: Blueprint) -> Iterator[Layer]:
    """The layers, each residual one that has no skip convolution preceded by one that costs as much."""
    channels = blueprint.input_shape[0]
    for layer in blueprint.layers:
        is_halving = layer.stride > 1 and layer.downsample == "stride"
        if KINDS.get(layer.kind).has_skip and not is_halving and layer.width == channels:
            yield replace(layer, kind="conv", kernel=1, stride=1)
        yield layer
        channels = layer.width
