"""A blueprint laid out as primitive steps with shapes and precisions: the one reading that all consumers share.

The torch module, the closed-form costs, the packed file and the ONNX graph are each a walk over the same `Plan`, so
they can't disagree on what a network is. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError, Tensor
from gasearch_workers.network.steps import CODES, INPUT, Plan

__all__ = ["PlanError", "plan"]

INPUT_BITS = 8  #: The data enters as 8-bit integers, unless the whole network is float.
POOL_BITS = 8  #: Averages over low-bit activations keep 8 bits: no operation gets dearer for it.


def plan(blueprint: Blueprint, *, is_pruned: bool = True) -> Plan:
    """Lay a blueprint out as primitive steps.

    Args:
        blueprint: The network.
        is_pruned: Whether without what pruning removes: the network that is deployed, counted and measured. Else the
            one in which a training begins; its steps are the same, some of them wider.

    Raises:
        PlanError: if a layer doesn't fit its input.
    """
    *hidden, head = blueprint.layers
    if head.kind != "linear":
        raise PlanError(f"the last layer must be linear; got {head.kind!r}")
    is_float = all(layer.weight_bits == layer.activation_bits == FULL_PRECISION for layer in blueprint.layers)
    builder = PlanBuilder(is_float=is_float, is_pruned=is_pruned)
    body = _take_in(builder, blueprint, hidden, FULL_PRECISION if is_float else INPUT_BITS)
    for number, layer in enumerate(body):
        _add_layer(builder, f"layer{number}", layer)
    _add_head(builder, head, is_per_token=blueprint.family == "tagger")
    has_numbers = any(INPUT in step.inputs for step in builder.steps)
    return Plan(
        input_shape=blueprint.input_shape,
        input_bits=INPUT_BITS if has_numbers and not is_float else FULL_PRECISION,
        steps=tuple(builder.steps),
        input_kind=blueprint.input_kind,
        categories=blueprint.categories,
        is_regression=blueprint.is_regression,
    )


# --- input ------------------------------------------------------------------------------------------------------


def _take_in(builder: PlanBuilder, blueprint: Blueprint, hidden: Sequence[Layer], input_bits: int) -> Sequence[Layer]:
    """The steps from the raw sample to the first tensor; returns the layers that follow."""
    if not blueprint.categories:
        if blueprint.input_kind in ("tokens", "ids"):
            raise PlanError(f"family {blueprint.family} needs the number of codes per column; got no categories")
        builder.begin(INPUT, blueprint.input_shape, input_bits)
        return hidden
    if not hidden or hidden[0].kind != "embedding":
        found = hidden[0].kind if hidden else "no layer"
        raise PlanError(f"the first layer must be an embedding where the data has codes; got {found}")
    embedding, *body = hidden
    match blueprint.input_kind:
        case "tokens":
            _embed_tokens(builder, blueprint, embedding)
        case "ids":
            _embed_pair(builder, blueprint, embedding)
        case _:
            _embed_table(builder, blueprint, embedding, input_bits)
    return body


def _embed(builder: PlanBuilder, blueprint: Blueprint, layer: Layer, column: int) -> Tensor:
    """One column's table of vectors."""
    is_tokens = blueprint.input_kind == "tokens"
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


def _embed_tokens(builder: PlanBuilder, blueprint: Blueprint, layer: Layer) -> None:
    """The sum of the vectors of all columns: (tokens, features)."""
    if len(blueprint.input_shape) != (2 if len(blueprint.categories) > 1 else 1):
        raise PlanError(f"{len(blueprint.categories)} codes per token don't fit an input of {blueprint.input_shape}")
    total = _embed(builder, blueprint, layer, 0)
    for column in range(1, len(blueprint.categories)):
        _embed(builder, blueprint, layer, column)
        name = "tokens" if column == 1 else f"tokens{column}"
        vectors = builder.tensor
        builder.tensor = total
        builder.add(name, "add", total.shape, bits=builder.free_bits, others=(vectors,))
        total = builder.tensor


def _embed_pair(builder: PlanBuilder, blueprint: Blueprint, layer: Layer) -> None:
    """User, item and their product, one after the other: a dense head on them alone is a matrix factorization.

    With weights on the product (Koren et al., 2009, with He et al.'s generalization, 2017), and the biases of user and
    item as linear functions of their vectors.
    """
    if len(blueprint.categories) != 2 or blueprint.input_shape != (2,):
        raise PlanError(f"a recommender needs two columns of codes; got an input of {blueprint.input_shape}")
    item, user = (_embed(builder, blueprint, layer, column) for column in (1, 0))
    builder.add("interaction", "product", user.shape, bits=builder.free_bits, is_signed=True, others=(item,))
    interaction = builder.tensor
    builder.tensor = user
    _concatenate(builder, [user, item, interaction])


def _embed_table(builder: PlanBuilder, blueprint: Blueprint, layer: Layer, input_bits: int) -> None:
    """The numeric columns and the vectors of the others, one after the other."""
    numbers = blueprint.input_shape[0] - len(blueprint.categories)
    vectors = [_embed(builder, blueprint, layer, column) for column in range(len(blueprint.categories))]
    if numbers:
        builder.begin(INPUT, (numbers,), input_bits)
        vectors = [builder.tensor, *vectors]
    _concatenate(builder, vectors)


def _concatenate(builder: PlanBuilder, vectors: Sequence[Tensor]) -> None:
    first, *others = vectors
    width = sum(vector.shape[0] for vector in vectors)
    builder.tensor = first
    bits = builder.free_bits
    builder.add("features", "concat", (width,), bits=bits, is_signed=True, units=(width, width), others=tuple(others))


# --- layers -----------------------------------------------------------------------------------------------------


def _add_layer(builder: PlanBuilder, name: str, layer: Layer) -> None:
    match layer.kind:
        case "linear":
            _pool_tokens(builder)
            builder.flatten()
            kept = builder.kept(layer.width, layer)
            builder.add_matrix(name, layer, op="linear", width=layer.width, kept=kept, has_norm=True, has_relu=True)
        case "conv" | "separable" | "residual":
            _require(builder, name, layer, dimensions=3)
            _add_convolutions(builder, name, layer)
        case "conv1d":
            _require(builder, name, layer, dimensions=2)
            tokens, channels = builder.shape
            window = (tokens, layer.kernel * channels)
            units = (builder.tensor.full * layer.kernel, builder.tensor.kept * layer.kernel)
            builder.add(f"{name}.window", "window", window, kernel=layer.kernel, units=units)
            kept = builder.kept(layer.width, layer)
            builder.add_matrix(name, layer, op="linear", width=layer.width, kept=kept, has_norm=True, has_relu=True)
        case "gru":
            _require(builder, name, layer, dimensions=2)
            _add_gru(builder, name, layer)
        case "transformer":
            _require(builder, name, layer, dimensions=2)
            _add_transformer(builder, name, layer)
        case "embedding":
            raise PlanError(f"{name}: an embedding is the first layer of a network whose data has codes")


def _require(builder: PlanBuilder, name: str, layer: Layer, *, dimensions: int) -> None:
    if len(builder.shape) != dimensions:
        wanted = "(channels, height, width)" if dimensions == 3 else "(tokens, features)"
        raise PlanError(f"{name}: {layer.kind} needs an input of {wanted}; got {builder.shape}")


def _add_convolutions(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """The convolutions of a layer, and its pooling where that halves the side in place of a stride."""
    is_pooled = layer.stride > 1 and layer.downsample == "max_pool"
    strided = replace(layer, stride=1) if is_pooled else layer
    match layer.kind:
        case "residual":
            _add_residual(builder, name, strided)
        case "separable":
            channels = builder.shape[0]
            builder.add_matrix(
                f"{name}.depthwise",
                strided,
                op="conv",
                width=channels,
                kept=builder.tensor.kept,
                kernel=layer.kernel,
                stride=strided.stride,
                groups=channels,
                has_norm=True,
                has_relu=True,
            )
            kept = builder.kept(layer.width, layer)
            builder.add_matrix(
                f"{name}.pointwise", layer, op="conv", width=layer.width, kept=kept, has_norm=True, has_relu=True
            )
        case _:
            builder.add_matrix(
                name,
                layer,
                op="conv",
                width=layer.width,
                kept=builder.kept(layer.width, layer),
                kernel=layer.kernel,
                stride=strided.stride,
                has_norm=True,
                has_relu=True,
            )
    if is_pooled:
        channels, *sides = builder.shape
        halved = (channels, *(-(-side // 2) for side in sides))
        builder.add(f"{name}.pool", "max_pool", halved, kernel=2, stride=2)


def _add_residual(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """Two convolutions, a skip (1 x 1 convolution where the shape changes), their sum, ReLU.

    Structured pruning removes channels between the two convolutions; what the sum gives keeps its width.
    """
    source, bits = builder.tensor, builder.inner_bits(layer)
    builder.add_matrix(
        f"{name}.first",
        layer,
        op="conv",
        width=layer.width,
        kept=builder.kept(layer.width, layer),
        kernel=layer.kernel,
        stride=layer.stride,
        has_norm=True,
        has_relu=True,
    )
    builder.add_matrix(
        f"{name}.second", layer, op="conv", width=layer.width, kernel=layer.kernel, has_norm=True, bits=bits
    )
    branch = builder.tensor
    skip = source
    # A pruned input and its skip would have other channels than the branch, even where their numbers agree.
    is_same = source.shape[1:] == branch.shape[1:] and source.full == source.kept == layer.width
    if not is_same:
        builder.tensor = source
        builder.add_matrix(
            f"{name}.skip", layer, op="conv", width=layer.width, stride=layer.stride, has_norm=True, bits=bits
        )
        skip = builder.tensor
    builder.tensor = branch
    _add_sum(builder, f"{name}.sum", skip, bits=layer.activation_bits, has_relu=True)


def _add_gru(builder: PlanBuilder, name: str, layer: Layer) -> None:
    tokens, channels = builder.shape
    kept = builder.kept(layer.width, layer)
    hidden = builder.width(layer.width, kept)
    builder.add(
        name,
        "gru",
        (tokens, 2 * hidden),
        bits=layer.activation_bits,
        is_signed=True,
        units=(2 * layer.width, 2 * kept),
        weight_bits=layer.weight_bits,
        nonzeros=builder.nonzeros(6 * hidden * (channels + hidden), layer),
    )


def _add_transformer(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """Attention, sum, normalization; two dense layers, sum, normalization (Vaswani et al., 2017; ReLU).

    Structured pruning removes whole heads, and units between the two dense layers.
    """
    if builder.tensor.full != builder.tensor.kept:
        raise PlanError(f"{name}: a transformer can't follow a layer whose channels are pruned")
    if not any(step.op == "position" for step in builder.steps):
        _add_positions(builder, layer)
    tokens, features = builder.shape
    inner = builder.inner_bits(layer)
    head_size = max(1, features // layer.heads)
    kept_heads = builder.kept(layer.heads, layer)
    heads = builder.width(layer.heads, kept_heads)
    stream = builder.tensor
    width, kept = 3 * layer.heads * head_size, 3 * kept_heads * head_size
    builder.add_matrix(f"{name}.queries", layer, op="linear", width=width, kept=kept, bits=inner)
    builder.add(
        f"{name}.attention",
        "attention",
        (tokens, heads * head_size),
        bits=layer.activation_bits,
        units=(layer.heads * head_size, kept_heads * head_size),
        heads=heads,
    )
    builder.add_matrix(f"{name}.projection", layer, op="linear", width=features, bits=inner)
    _add_sum(builder, f"{name}.attended", stream, bits=inner)
    builder.add(f"{name}.norm0", "layer_norm", builder.shape, bits=layer.activation_bits)
    stream = builder.tensor
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(f"{name}.wide", layer, op="linear", width=layer.width, kept=kept, has_relu=True)
    builder.add_matrix(f"{name}.narrow", layer, op="linear", width=features, bits=inner)
    _add_sum(builder, f"{name}.sum", stream, bits=inner)
    builder.add(f"{name}.norm1", "layer_norm", builder.shape, bits=layer.activation_bits)


def _add_positions(builder: PlanBuilder, layer: Layer) -> None:
    """A learned vector per place in the sequence, at the first transformer's precision."""
    builder.add(
        "positions",
        "position",
        builder.shape,
        bits=builder.free_bits,
        is_signed=True,
        weight_bits=layer.weight_bits if layer.weight_bits == FULL_PRECISION else max(layer.weight_bits, 2),
    )


def _add_sum(builder: PlanBuilder, name: str, other: Tensor, *, bits: int, has_relu: bool = False) -> None:
    builder.add(name, "add", builder.shape, bits=bits, is_signed=not has_relu, others=(other,), has_relu=has_relu)


# --- head -------------------------------------------------------------------------------------------------------


def _add_head(builder: PlanBuilder, head: Layer, *, is_per_token: bool) -> None:
    if len(builder.shape) == 3 and builder.steps:
        bits = FULL_PRECISION if builder.tensor.bits == FULL_PRECISION else POOL_BITS
        builder.add("pool", "global_pool", builder.shape[:1], bits=bits)
    if not is_per_token:
        _pool_tokens(builder)
        builder.flatten()
    builder.add_matrix("head", head, op="linear", width=head.width, bits=FULL_PRECISION)


def _pool_tokens(builder: PlanBuilder) -> None:
    """A vector from a sequence: the largest of what a ReLU left (as TextCNN does: Kim, 2014), else the mean."""
    if not builder.is_sequence:
        return
    features = builder.shape[-1:]
    if builder.tensor.is_signed:
        builder.add("pool", "mean_tokens", features, bits=builder.free_bits)
    else:
        builder.add("pool", "max_tokens", features)
