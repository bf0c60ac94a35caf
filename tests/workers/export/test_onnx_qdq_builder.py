"""How grids are held as integers of the file, and where a float has to be clipped to stay on one."""

import numpy as np
import pytest
from gasearch_workers.export.onnx_qdq_builder import QdqBuilder, hold
from gasearch_workers.network.integer import Grid

from tests.workers.export.two_layers import network_of


def test_a_grid_is_held_as_it_is():
    held = hold(Grid(scale=0.5, zero_point=3, bits=4), is_symmetric=False)
    assert (held.scale, held.zero_point, held.dtype) == (0.5, 3, np.uint8)
    assert (held.low, held.high) == (-1.5, 6.0)


@pytest.mark.parametrize(
    ("zero_point", "bits", "steps"),
    [
        (0, 2, 0),
        (0, 7, 0),
        (64, 7, 0),
        (128, 8, 0),  # -128 to 127
        (0, 8, 128),  # 0 to 255
        (33, 8, 95),  # an image: -33 to 222
        (255, 8, -127),
    ],
)
def test_with_zero_point_0_a_grid_keeps_its_scale_and_gets_an_offset_where_int8_does_not_hold_it(
    zero_point, bits, steps
):
    grid = Grid(scale=0.25, zero_point=zero_point, bits=bits)
    held = hold(grid, is_symmetric=True)
    assert (held.zero_point, held.dtype, held.scale) == (0, np.int8, 0.25)
    assert held.offset == steps * 0.25
    assert (held.low - held.offset) / held.scale >= -128
    assert (held.high - held.offset) / held.scale <= 127


@pytest.mark.parametrize(
    ("zero_point", "bits", "has_relu", "is_symmetric", "operator"),
    [
        (0, 8, True, False, "Relu"),
        (0, 8, False, False, ""),  # uint8 saturates at 0
        (0, 8, False, True, ""),  # int8 does so at -128, which stands for it
        (0, 8, True, True, ""),
        (100, 8, True, True, "Clip"),
        (128, 8, False, False, ""),
        (128, 8, False, True, ""),
        (100, 8, True, False, "Relu"),
        (0, 4, True, False, "Clip"),
        (8, 4, False, False, "Clip"),
        (8, 4, False, True, "Clip"),
    ],
)
def test_an_output_is_clipped_where_its_integer_type_goes_on_beyond_its_grid(
    zero_point, bits, has_relu, is_symmetric, operator
):
    network = network_of("linear", np.random.default_rng(0))
    step = next(item.step for item in network.steps if item.step.has_relu == has_relu)
    grids = {step.name: Grid(scale=0.1, zero_point=zero_point, bits=bits)}
    builder = QdqBuilder(network.plan, grids, is_symmetric=is_symmetric)
    builder.clamp(step, "real", offset=builder.offset(step.name))
    assert "".join(node.op_type for node in builder.nodes) == operator
