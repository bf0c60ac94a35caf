"""Which operators the networks of a space need, and what a target's allow-list leaves of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from gasearch_workers.network.operators import OPERATORS

from gasearch.errors import SpecError
from gasearch.space.costs import NetworkCosts
from gasearch.space.decisions import Genes, Space
from gasearch.space.genome import make_genome

#: The decisions that change sizes and precisions of operators alone. Of shares the ends are tried: one may take an
#: operator more.
_SIZES: Final = ("width", "kernel", "heads", "vocabulary", "weight_bits", "activation_bits")
_SHARES: Final = ("sparsity", "rank")
MOST_TRIED: Final = 20_000  #: Networks; of a space with more nothing is said.


def operators_in(space: Space, costs: NetworkCosts) -> tuple[str, ...]:
    """Every operator that networks of the space need, as far as they were tried."""
    found = {name for needed in _tried(space, costs) for name in needed}
    return tuple(sorted(found, key=OPERATORS.index))


def require_operators_suffice(operators: Collection[str], space: Space, costs: NetworkCosts) -> None:
    """Refuse an allow-list that excludes every network of the space.

    Args:
        operators: All that the target has.
        space: What may be proposed.
        costs: Of the space's networks.

    Raises:
        SpecError: naming what the network needs that comes nearest to it.
    """
    nearest: set[str] | None = None
    for needed in _tried(space, costs):
        missing = set(needed) - set(operators)
        if not missing:
            return
        if nearest is None or len(missing) < len(nearest):
            nearest = missing
    if nearest is not None and _count(space) <= MOST_TRIED:
        names = ", ".join(sorted(nearest, key=OPERATORS.index))
        raise SpecError(
            f"target.operators: no network of this space can do with {', '.join(operators)} alone; the nearest needs "
            f"{names} besides"
        )


def _tried(space: Space, costs: NetworkCosts) -> Iterator[Collection[str]]:
    """What networks need whose layers are all alike: of every kind, at every depth; others need what several do."""
    every = itertools.product(*_options(space))
    for options in itertools.islice(every, MOST_TRIED):
        yield costs.operators(make_genome(_genes(options, space), space))


def _names(space: Space) -> list[str]:
    """The decisions, each once for all layers."""
    return list(dict.fromkeys(name for _, name in _keys(space)))


def _keys(space: Space) -> list[tuple[str, str]]:
    """Per decision its own name, and that of all that are decided alike."""
    return [
        (decision.name, name if layer.startswith("layer") else decision.name)
        for decision, (layer, name) in zip(space.decisions, space.name_parts, strict=True)
    ]


def _options(space: Space) -> list[Sequence[int]]:
    sizes = dict(zip((name for _, name in _keys(space)), space.sizes, strict=True))
    return [_free(name.rpartition(".")[2], sizes[name]) for name in _names(space)]


def _free(name: str, size: int) -> Sequence[int]:
    if name in _SIZES:
        return (0,)
    return sorted({0, size - 1}) if name in _SHARES else range(size)


def _genes(options: Sequence[int], space: Space) -> Genes:
    chosen = dict(zip(_names(space), options, strict=True))
    return tuple(chosen[name] for _, name in _keys(space))


def _count(space: Space) -> int:
    count = 1
    for options in _options(space):
        count *= len(options)
    return count
