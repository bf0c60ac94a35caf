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
    ("zero_point", "bits", "factor"),
    [
        (0, 2, 1),
        (0, 7, 1),
        (64, 7, 1),
        (128, 8, 1),  # -128 to 127
        (0, 8, 255 / 127),  # 0 to 255
        (33, 8, 222 / 127),  # an image: -33 to 222
        (255, 8, 255 / 128),
    ],
)
def test_with_zero_point_0_a_grid_gets_the_smallest_scale_at_which_both_its_ends_fit_int8(zero_point, bits, factor):
    grid = Grid(scale=0.25, zero_point=zero_point, bits=bits)
    held = hold(grid, is_symmetric=True)
    assert (held.zero_point, held.dtype) == (0, np.int8)
    assert held.scale == pytest.approx(0.25 * factor)
    assert held.low / held.scale >= -128.001
    assert held.high / held.scale <= 127.001


@pytest.mark.parametrize(
    ("zero_point", "bits", "has_relu", "is_symmetric", "operator"),
    [
        (0, 8, True, False, "Relu"),
        (0, 8, False, False, ""),  # uint8 saturates at 0
        (0, 8, False, True, "Relu"),  # int8 doesn't
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
    builder.clamp(step, "real")
    assert "".join(node.op_type for node in builder.nodes) == operator
