"""From the raw sample to the first tensor: what a network begins with. Standard library only.

Each function appends the steps that a family begins with.
"""

from __future__ import annotations

from collections.abc import Sequence

from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError, Tensor
from gasearch_workers.network.steps import CODES, INPUT

INPUT_BITS = 8  #: The data enters as 8-bit integers, unless the whole network is float.


def begin_with_numbers(builder: PlanBuilder, blueprint: Blueprint, embedding: Layer | None) -> None:
    """An image, or a table: its numeric columns and the vectors of the others, one after the other.

    Args:
        builder: Of the plan.
        blueprint: The network.
        embedding: The first layer; None where the data have no codes.
    """
    if embedding is None:
        _begin(builder, blueprint.input_shape)
        return
    numbers = blueprint.input_shape[0] - len(blueprint.categories)
    vectors = [_embed(builder, blueprint, embedding, column) for column in range(len(blueprint.categories))]
    if numbers:
        _begin(builder, (numbers,))
        vectors = [builder.tensor, *vectors]
    _concatenate(builder, vectors)


def begin_with_tokens(builder: PlanBuilder, blueprint: Blueprint, embedding: Layer | None) -> None:
    """The sum of the vectors of all columns: (tokens, features).

    Args:
        builder: Of the plan.
        blueprint: The network.
        embedding: The first layer; None where the data have no codes.

    Raises:
        PlanError: if the data have no codes, or others than the family takes.
    """
    embedding = _required(embedding, blueprint)
    if len(blueprint.input_shape) != (2 if len(blueprint.categories) > 1 else 1):
        raise PlanError(f"{len(blueprint.categories)} codes per token don't fit an input of {blueprint.input_shape}")
    total = _embed(builder, blueprint, embedding, 0, is_tokens=True)
    for column in range(1, len(blueprint.categories)):
        vectors = _embed(builder, blueprint, embedding, column, is_tokens=True)
        name = "tokens" if column == 1 else f"tokens{column}"
        builder.tensor = total
        builder.add(name, "add", bits=builder.free_bits, others=(vectors,))
        total = builder.tensor


def begin_with_pair(builder: PlanBuilder, blueprint: Blueprint, embedding: Layer | None) -> None:
    """User, item and their product, one after the other: a dense head on them alone is a matrix factorization.

    With weights on the product (Koren et al., 2009, with He et al.'s generalization, 2017), and the biases of user and
    item as linear functions of their vectors.

    Args:
        builder: Of the plan.
        blueprint: The network.
        embedding: The first layer; None where the data have no codes.

    Raises:
        PlanError: if the data have no codes, or others than the family takes.
    """
    embedding = _required(embedding, blueprint)
    if len(blueprint.categories) != 2 or blueprint.input_shape != (2,):
        raise PlanError(f"a recommender needs two columns of codes; got an input of {blueprint.input_shape}")
    item, user = (_embed(builder, blueprint, embedding, column) for column in (1, 0))
    builder.add("interaction", "product", user.shape, bits=builder.free_bits, is_signed=True, others=(item,))
    interaction = builder.tensor
    builder.tensor = user
    _concatenate(builder, [user, item, interaction])


def _required(embedding: Layer | None, blueprint: Blueprint) -> Layer:
    if embedding is None:
        raise PlanError(f"family {blueprint.family} needs the number of codes per column; got no categories")
    return embedding


def _begin(builder: PlanBuilder, shape: tuple[int, ...]) -> None:
    builder.begin(INPUT, shape, FULL_PRECISION if builder.free_bits == FULL_PRECISION else INPUT_BITS)


def _embed(builder: PlanBuilder, blueprint: Blueprint, layer: Layer, column: int, *, is_tokens: bool = False) -> Tensor:
    """One column's table of vectors."""
    categories = blueprint.categories[column]
    rows = min(layer.rows, categories) if layer.rows and is_tokens and column == 0 else categories
    codes_shape = blueprint.input_shape if is_tokens else (len(blueprint.categories),)
    has_columns = len(blueprint.categories) > 1 or not is_tokens
    builder.begin(CODES, codes_shape, FULL_PRECISION)
    builder.add(
        f"embedding{column}",
        "embedding",
        (codes_shape[0], layer.width) if is_tokens else (layer.width,),
        # Quantized vectors are integers already; binary ones need a grid of three values.
        bits=max(layer.weight_bits, 2),
        is_signed=True,
        units=(layer.width, layer.width),
        weight_bits=layer.weight_bits,
        column=column if has_columns else -1,
        rows=rows,
    )
    return builder.tensor


def _concatenate(builder: PlanBuilder, vectors: Sequence[Tensor]) -> None:
    first, *others = vectors
    width = sum(vector.shape[0] for vector in vectors)
    builder.tensor = first
    bits = builder.free_bits
    builder.add("features", "concat", (width,), bits=bits, is_signed=True, units=(width, width), others=tuple(others))
