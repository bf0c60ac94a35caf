"""What a genome means: the network that a worker builds, or the choices that a custom evaluator takes."""

from __future__ import annotations

from gasearch.space.decisions import Space
from gasearch.space.genome import Genome, expressed_choices
from workers.messages import Blueprint, Choices, Layer, Network

FIRST_STRIDE_FROM = 16  #: Side of the input from which the first layer of a cnn halves it.
SMALLEST_SIDE = 4  #: Later layers halve the side while it is greater.


def decode(genome: Genome, space: Space, *, input_shape: tuple[int, ...] = (), outputs: int = 0) -> Network:
    """The network of a genome; a custom space gives the choices of its decisions.

    Args:
        genome: Canonical, of this space.
        space: Where it comes from.
        input_shape: (features,) or (channels, height, width) of one sample; unused by custom spaces.
        outputs: Width of the head; unused by custom spaces.
    """
    if space.depth is None:
        return Choices(values=tuple(expressed_choices(genome.genes, space).items()))
    genes, decisions = genome.genes, space.decisions
    names = [decisions[index].name.partition(".")[2] for index in space.slots[0]]
    side = max(input_shape[1:], default=1) if space.family == "cnn" else 1
    layers: list[Layer] = []
    for slot in space.slots[: space.layer_count(genes)]:
        stride = _stride(side, is_first=not layers)
        side = -(-side // stride)
        chosen = {name: decisions[index].options[genes[index]] for name, index in zip(names, slot, strict=True)}
        layers.append(Layer(stride=stride, **({"kind": "linear"} | chosen)))  # type: ignore[arg-type]
    head_bits = decisions[-1].options[genes[-1]]
    layers.append(Layer(kind="linear", width=outputs, weight_bits=head_bits))  # type: ignore[arg-type]
    return Blueprint(family=space.family, input_shape=input_shape, layers=tuple(layers))


def _stride(side: int, *, is_first: bool) -> int:
    """Small images keep their side in the first layer; then it is halved until few positions are left."""
    return 2 if side >= FIRST_STRIDE_FROM or (side > SMALLEST_SIDE and not is_first) else 1
