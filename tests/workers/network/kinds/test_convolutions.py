"""Convolutional blocks."""

import pytest
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.kinds.convolutions import CONV, RESIDUAL, SEPARABLE
from gasearch_workers.network.plan import plan

from tests.workers.network.kinds.effects import require_same_effects


@pytest.mark.parametrize("kind", [CONV, SEPARABLE, RESIDUAL], ids=lambda kind: kind.name)
def test_compression_does_what_the_steps_say(kind):
    require_same_effects(kind)


@pytest.mark.parametrize("kind", [CONV, SEPARABLE, RESIDUAL], ids=lambda kind: kind.name)
@pytest.mark.parametrize(("downsample", "ops"), [("stride", 0), ("max_pool", 1)])
def test_a_block_halves_its_image_by_a_stride_or_by_pooling(kind, downsample, ops):
    layer = Layer(kind=kind.name, width=4, kernel=3, stride=2, downsample=downsample)
    steps = plan(Blueprint(family="cnn", input_shape=(3, 9, 7), layers=(layer, Layer(kind="linear", width=2)))).steps
    assert [step.op for step in steps].count("max_pool") == ops
    assert steps[-3].output_shape == (4, 5, 4)


def test_a_residual_block_needs_no_skip_convolution_where_the_shape_stays():
    layers = (Layer(kind="residual", width=3, kernel=3), Layer(kind="linear", width=2))
    names = [step.name for step in plan(Blueprint(family="cnn", input_shape=(3, 8, 8), layers=layers)).steps]
    assert "layer0.skip" not in names
