"""Random blueprints of every family, and random integer networks whose grids fit what flows through them."""

import dataclasses
import math

import numpy as np
from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep, weight_grid
from gasearch_workers.network.plan import plan
from threadpoolctl import threadpool_limits

from tests.workers.export.reference import compute, on_grid, take_in_all

threadpool_limits(1, user_api="blas")  # on a busy machine a second thread made these tests three times slower

BITS = (2, 3, 4, 5, 6, 7, 8, FULL_PRECISION)
OFF_THE_EDGE = 1.000618  #: Keeps the largest value of a signed grid off the middle between its last two integers.
FAMILIES = ("mlp", "cnn", "text", "transformer", "tagger", "recommender")
KINDS = {
    "mlp": ("linear",),
    "cnn": ("conv", "separable", "residual"),
    "text": ("conv1d", "gru", "linear"),
    "transformer": ("transformer",),
    "tagger": ("conv1d", "gru", "transformer"),
    "recommender": ("linear",),
}


# --- blueprints -------------------------------------------------------------------------------------------------


def random_blueprint(
    rng,
    *,
    family=None,
    bits=BITS,
    side=(5, 12),
    widths=(1, 3, 4, 8, 13, 16),
    layers=(0, 3),
    is_compressed=False,
    kinds=None,
):
    """A small network with a kind, a width and two precisions per layer; of the families `mlp` and `cnn` by default.

    Compressed ones have binary weights, sparsity of both kinds, ranks and max pooling, too.
    """
    family = family or str(rng.choice(["mlp", "cnn"]))
    input_shape, categories = _random_input(rng, family, side, is_compressed)
    kinds = kinds or KINDS[family]
    count = int(rng.integers(layers[0], layers[1] + 1))
    hidden = [_random_layer(rng, kinds, bits, widths, is_compressed) for _ in range(count)]
    if family in ("text", "tagger") and "transformer" in [layer.kind for layer in hidden]:
        hidden = [_without_pruned_outputs(layer) for layer in hidden]
    if "linear" in kinds and family == "text":  # once a vector, always a vector
        hidden.sort(key=lambda layer: layer.kind == "linear")
    if categories:
        hidden = [_random_embedding(rng, bits, widths, is_compressed), *hidden]
    is_regression = family == "recommender" or (family == "mlp" and is_compressed and rng.random() < 0.3)
    head = Layer(
        kind="linear",
        width=1 if is_regression else int(rng.integers(2, 11)),
        weight_bits=_weight_bits(rng, bits, is_compressed),
        **(_random_compression(rng) if is_compressed else {}),
    )
    return Blueprint(
        family=family,
        input_shape=input_shape,
        layers=(*hidden, dataclasses.replace(head, pruning="unstructured") if is_compressed else head),
        categories=categories,
        is_regression=is_regression,
    )


def _random_input(rng, family, side, is_compressed):
    """(input shape, categories)."""
    match family:
        case "cnn":
            return (int(rng.choice([1, 3])), *(int(s) for s in rng.integers(*side, size=2))), ()
        case "mlp" if is_compressed and rng.random() < 0.5:
            categories = tuple(int(c) for c in rng.integers(1, 9, size=rng.integers(1, 4)))
            return (int(rng.integers(0, 6)) + len(categories),), categories
        case "mlp" if rng.random() < 0.5:
            return (int(rng.integers(1, 30)),), ()
        case "mlp":
            return (int(rng.choice([1, 3])), *(int(s) for s in rng.integers(*side, size=2))), ()
        case "recommender":
            return (2,), tuple(int(c) for c in rng.integers(2, 20, size=2))
        case _:
            tokens = int(rng.integers(1, 13))
            columns = int(rng.integers(1, 4))
            categories = tuple(int(c) for c in rng.integers(3, 40, size=columns))
            return ((tokens,) if columns == 1 else (tokens, columns)), categories


def _random_embedding(rng, bits, widths, is_compressed):
    return Layer(
        kind="embedding",
        width=int(rng.choice(widths)),
        rows=int(rng.choice([0, 2, 5, 20])),
        weight_bits=_weight_bits(rng, bits, is_compressed),
    )


def _random_layer(rng, kinds, bits, widths, is_compressed):
    kind = str(rng.choice(kinds))
    is_image = kind in ("conv", "separable", "residual")
    layer = Layer(
        kind=kind,
        width=int(rng.choice(widths)),
        kernel=int(rng.choice([1, 3, 5])) if is_image or kind == "conv1d" else 1,
        stride=int(rng.choice([1, 2])) if is_image else 1,
        weight_bits=_weight_bits(rng, bits, is_compressed),
        activation_bits=int(rng.choice(bits)),
    )
    if kind == "transformer":
        layer = dataclasses.replace(layer, heads=int(rng.choice([1, 2, 4])))
    if not is_compressed:
        return layer
    downsample = str(rng.choice(["stride", "max_pool"])) if is_image else "stride"
    return dataclasses.replace(layer, downsample=downsample, **_random_compression(rng))


def _weight_bits(rng, bits, is_compressed):
    choices = [1, *bits] if is_compressed and bits == BITS else bits
    return int(rng.choice(choices))


def _random_compression(rng):
    return {
        "sparsity": float(rng.choice([0.0, 0.25, 0.5, 0.75, 0.9])),
        "pruning": str(rng.choice(["structured", "unstructured"])),
        "rank": float(rng.choice([1.0, 1.0, 0.5, 0.25])),
    }


def _without_pruned_outputs(layer):
    """A transformer can't follow a layer whose channels are pruned."""
    return layer if layer.kind == "transformer" else dataclasses.replace(layer, pruning="unstructured")


# --- samples ----------------------------------------------------------------------------------------------------


def random_samples(rng, network_input, input_shape, count):
    """Raw samples of images or numeric tables as a file would hold them: (count, *input_shape)."""
    if network_input.dtype == "uint8":
        return rng.integers(0, 256, size=(count, *input_shape), dtype=np.uint8)
    noise = rng.normal(size=(count, *input_shape))
    return (noise * network_input.deviation + network_input.mean).astype(np.float32)


def random_raw(rng, network, count):
    """Raw samples of any network: (count, *input_shape). Of tokens some are all padding, some fill the length."""
    layout = network.plan
    match layout.input_kind:
        case "tokens":
            return _random_tokens(rng, layout, count)
        case "ids":
            return _random_codes(rng, layout.categories, count).astype(np.int32)
        case "table":
            numbers = random_samples(rng, network.input, (layout.numbers,), count)
            codes = _random_codes(rng, layout.categories, count).astype(np.float32)
            return np.concatenate([numbers, codes], axis=1)
        case _:
            return random_samples(rng, network.input, layout.input_shape, count)


def _random_codes(rng, categories, count):
    columns = [rng.integers(0, size, size=(count, 1)) for size in categories]
    return np.concatenate([np.zeros((count, 0), np.int64), *columns], axis=1)


def _random_tokens(rng, layout, count):
    tokens = layout.input_shape[0]
    codes = np.stack([rng.integers(1, size, size=(count, tokens)) for size in layout.categories], axis=-1)
    is_there = np.arange(tokens) < rng.integers(0, tokens + 1, size=(count, 1))  # (count, tokens)
    codes = np.where(is_there[:, :, None], codes, 0).astype(np.int32)
    return codes[..., 0] if len(layout.input_shape) == 1 else codes


def present(network, x):
    """Which outputs count, a mask over all axes but the last: those of a tagger's real tokens, else all."""
    if len(network.plan.steps[-1].output_shape) == 1:
        return np.ones(len(x), bool)
    return (x[..., 0] if x.ndim == 3 else x) != 0


# --- networks ---------------------------------------------------------------------------------------------------


def random_network(blueprint, rng, *, samples=40):
    """An integer network with random weights; each grid spans the values that random samples give that tensor."""
    layout = plan(blueprint)
    empty = IntegerNetwork(plan=layout, input=_random_transform(layout, rng), steps=())
    tensors = take_in_all(random_raw(rng, empty, samples), empty)
    grids = {"input": empty.input.grid}
    steps = []
    for step in layout.steps:
        item = _random_step(step, rng)
        output = compute(item, [tensors[name] for name in step.inputs])
        if step.passes_grid:
            grid = grids[step.inputs[0]]
        elif step.output_bits == FULL_PRECISION:
            grid = None
        else:
            grid = weight_grid(step, item.weight_scale) if step.has_weight_grid else _fitting_grid(output, step)
            output = on_grid(output, grid)
        tensors[step.name], grids[step.name] = output, grid
        steps.append(dataclasses.replace(item, output_grid=grid))
    return dataclasses.replace(empty, steps=tuple(steps))


def _random_transform(layout, rng):
    is_image = layout.input_kind == "image"
    if is_image:
        mean = rng.uniform(20, 120, size=1).astype(np.float32)
        deviation = rng.uniform(40, 90, size=1).astype(np.float32)
        grid = Grid(scale=float(np.float32(1) / deviation[0]), zero_point=round(float(mean[0])), bits=8)
    else:
        mean = rng.normal(size=layout.numbers).astype(np.float32)
        deviation = rng.uniform(0.5, 2, size=layout.numbers).astype(np.float32)
        grid = Grid(scale=8 / 255, zero_point=128, bits=8)
    return InputTransform(
        dtype={"image": "uint8", "table": "float32"}.get(layout.input_kind, "int32"),
        mean=mean,
        deviation=deviation,
        grid=None if layout.input_bits == FULL_PRECISION else grid,
    )


def _random_step(step, rng):
    if not step.has_weights:
        return IntegerStep(step=step)
    fan_in = math.prod(step.weight_shape[1:]) if step.op not in ("embedding", "position") else 4
    bias = rng.normal(scale=0.3, size=step.biases).astype(np.float32) if step.biases else None
    if step.op == "layer_norm":
        weight = rng.uniform(0.5, 1.5, size=step.weight_shape).astype(np.float32)
        return IntegerStep(step=step, weight=weight, bias=bias)
    gain = math.sqrt(2 / fan_in)
    kept = _random_mask(step, rng)
    if step.weight_bits == FULL_PRECISION:
        weight = (rng.normal(size=step.weight_shape) * gain * kept).astype(np.float32)
        return IntegerStep(step=step, weight=weight, bias=bias)
    half = 2 ** (step.weight_bits - 1)
    integers = (
        rng.choice([-1, 1], size=step.weight_shape) if half == 1 else rng.integers(-half, half, step.weight_shape)
    )
    scale = (rng.uniform(0.3, 1.5, size=step.scales) * gain * (math.sqrt(3) if half > 1 else 1) / half).astype(
        np.float32
    )
    return IntegerStep(step=step, weight=(integers * kept).astype(np.int8), weight_scale=scale, bias=bias)


def _random_mask(step, rng):
    """Ones at the weights that are kept, `step.nonzeros` of them."""
    count = math.prod(step.weight_shape)
    mask = np.zeros(count, np.int8)
    mask[rng.permutation(count)[: step.nonzeros]] = 1
    return mask.reshape(step.weight_shape)


def _fitting_grid(values, step):
    steps = 2**step.output_bits - 1
    peak = OFF_THE_EDGE * float(np.quantile(np.abs(values), 0.999)) or 1.0
    if step.is_output_signed:
        return Grid(
            scale=float(np.float32(2 * peak / steps)), zero_point=2 ** (step.output_bits - 1), bits=step.output_bits
        )
    return Grid(scale=float(np.float32(peak / steps)), zero_point=0, bits=step.output_bits)


# --- comparing --------------------------------------------------------------------------------------------------


def assert_equal_networks(actual, expected):
    """Equal plans, integers, scales, biases and grids, dtypes included."""
    assert actual.plan == expected.plan
    assert (actual.input.dtype, actual.input.grid) == (expected.input.dtype, expected.input.grid)
    _assert_same_array(actual.input.mean, expected.input.mean)
    _assert_same_array(actual.input.deviation, expected.input.deviation)
    assert len(actual.steps) == len(expected.steps)
    for one, other in zip(actual.steps, expected.steps, strict=True):
        assert (one.step, one.output_grid) == (other.step, other.output_grid)
        for name in ("weight", "weight_scale", "bias"):
            _assert_same_array(getattr(one, name), getattr(other, name))


def _assert_same_array(one, other):
    if one is None or other is None:
        assert one is other
        return
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)
