"""Random blueprints, and random integer networks whose activation grids fit what flows through them."""

import math

import numpy as np
from threadpoolctl import threadpool_limits

from workers.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from workers.messages import FULL_PRECISION, Blueprint, Layer
from workers.plan import plan
from workers.reference import run_reference

threadpool_limits(1, user_api="blas")  # on a busy machine a second thread made these tests three times slower

BITS = (2, 3, 4, 5, 6, 7, 8, FULL_PRECISION)


def random_blueprint(rng, *, family=None, bits=BITS, side=(5, 12), widths=(1, 3, 4, 8, 13, 16), layers=(0, 3)):
    """A small `mlp` (on a table or an image) or `cnn` with a kind, a width and two precisions per layer."""
    family = family or str(rng.choice(["mlp", "cnn"]))
    if family == "mlp" and rng.random() < 0.5:
        input_shape = (int(rng.integers(1, 30)),)
    else:
        input_shape = (int(rng.choice([1, 3])), *(int(s) for s in rng.integers(*side, size=2)))
    kinds = ["linear"] if family == "mlp" else ["conv", "separable", "residual"]
    hidden = tuple(_random_layer(rng, kinds, bits, widths) for _ in range(rng.integers(layers[0], layers[1] + 1)))
    head = Layer(kind="linear", width=int(rng.integers(2, 11)), weight_bits=int(rng.choice(bits)))
    return Blueprint(family=family, input_shape=input_shape, layers=(*hidden, head))


def _random_layer(rng, kinds, bits, widths):
    kind = str(rng.choice(kinds))
    is_linear = kind == "linear"
    return Layer(
        kind=kind,
        width=int(rng.choice(widths)),
        kernel=1 if is_linear else int(rng.choice([1, 3, 5])),
        stride=1 if is_linear else int(rng.choice([1, 2])),
        weight_bits=int(rng.choice(bits)),
        activation_bits=int(rng.choice(bits)),
    )


def random_samples(rng, network_input, input_shape, count):
    """Raw samples as a file would hold them: (count, *input_shape)."""
    if network_input.dtype == "uint8":
        return rng.integers(0, 256, size=(count, *input_shape), dtype=np.uint8)
    noise = rng.normal(size=(count, *input_shape))
    return (noise * network_input.deviation + network_input.mean).astype(np.float32)


def random_network(blueprint, rng, *, samples=40):
    """An integer network with random weights; each grid spans the values that random samples give that tensor."""
    layout = plan(blueprint)
    transform = _random_transform(layout, rng)
    x = random_samples(rng, transform, layout.input_shape, samples)
    grids = {"input": transform.grid}
    steps = []
    for step in layout.steps:
        item = _random_step(step, rng)
        if step.op == "flatten":
            grid = grids[step.inputs[0]]
        elif step.output_bits == FULL_PRECISION:
            grid = None
        else:
            # The step's real output: the network so far, the step's own output left in float.
            so_far = IntegerNetwork(plan=layout, input=transform, steps=(*steps, item))
            grid = _fitting_grid(run_reference(so_far, x), step)
        grids[step.name] = grid
        steps.append(_with_grid(item, grid))
    return IntegerNetwork(plan=layout, input=transform, steps=tuple(steps))


def _random_transform(layout, rng):
    features = layout.input_shape[0] if len(layout.input_shape) == 1 else 1
    is_image = len(layout.input_shape) == 3
    if is_image:
        mean = rng.uniform(20, 120, size=1).astype(np.float32)
        deviation = rng.uniform(40, 90, size=1).astype(np.float32)
        grid = Grid(scale=float(np.float32(1) / deviation[0]), zero_point=round(float(mean[0])), bits=8)
    else:
        mean = rng.normal(size=features).astype(np.float32)
        deviation = rng.uniform(0.5, 2, size=features).astype(np.float32)
        grid = Grid(scale=8 / 255, zero_point=128, bits=8)
    return InputTransform(
        dtype="uint8" if is_image else "float32",
        mean=mean,
        deviation=deviation,
        grid=None if layout.input_bits == FULL_PRECISION else grid,
    )


def _random_step(step, rng):
    if not step.has_weights:
        return IntegerStep(step=step)
    out, fan_in = step.output_shape[0], math.prod(step.weight_shape[1:])
    bias = rng.normal(scale=0.3, size=out).astype(np.float32)
    if step.weight_bits == FULL_PRECISION:
        weight = (rng.normal(size=step.weight_shape) * math.sqrt(2 / fan_in)).astype(np.float32)
        return IntegerStep(step=step, weight=weight, bias=bias)
    half = 2 ** (step.weight_bits - 1)
    weight = rng.integers(-half, half, size=step.weight_shape).astype(np.int8)
    scale = (rng.uniform(0.3, 1.5, size=out) * math.sqrt(6 / fan_in) / half).astype(np.float32)
    return IntegerStep(step=step, weight=weight, weight_scale=scale, bias=bias)


def _fitting_grid(values, step):
    steps = 2**step.output_bits - 1
    peak = float(np.quantile(np.abs(values), 0.999)) or 1.0
    if step.is_output_signed:
        return Grid(
            scale=float(np.float32(2 * peak / steps)), zero_point=2 ** (step.output_bits - 1), bits=step.output_bits
        )
    return Grid(scale=float(np.float32(peak / steps)), zero_point=0, bits=step.output_bits)


def _with_grid(item, grid):
    return IntegerStep(
        step=item.step, weight=item.weight, weight_scale=item.weight_scale, bias=item.bias, output_grid=grid
    )


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
