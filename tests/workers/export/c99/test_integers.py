"""The integer rule against real numbers: each step within one integer, and outputs that agree on the largest."""

import numpy as np
import pytest
from gasearch_workers.export.c99.files import refusal
from gasearch_workers.export.c99.integers import quantize, run_integers, trace
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.integer import Grid, InputTransform
from gasearch_workers.network.steps import CODES, INPUT

from tests.workers import trained_networks
from tests.workers.export.c99.compiled import random_networks
from tests.workers.export.reference import compute, run_reference


def test_each_step_is_within_one_integer_of_its_real_value():
    differing = total = 0
    for network, x in random_networks(48, seed=7):
        tensors, grids = trace(network, x), network.grids
        real = {
            name: tensors[name] if name == CODES else (tensors[name] - grids[name].zero_point) * grids[name].scale
            for name in tensors
            if name == CODES or grids[name] is not None
        }
        for item in network.steps[:-1]:
            grid = grids[item.step.name]
            expected = np.rint(compute(item, [real[name] for name in item.step.inputs]) / grid.scale) + grid.zero_point
            distance = np.abs(np.clip(expected, 0, 2**grid.bits - 1) - tensors[item.step.name])
            assert distance.max() <= 1, item.step
            differing, total = differing + int((distance > 0).sum()), total + distance.size
    assert differing / total < 1e-3  # halves


def test_random_networks_agree_on_the_largest_output():
    agreeing = [
        (run_integers(network, x).argmax(-1) == run_reference(network, x).argmax(-1)).mean()
        for network, x in random_networks(30, seed=50)
    ]
    assert np.mean(agreeing) >= 0.99


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("name", trained_networks.NETWORKS)
def test_trained_networks_agree_with_their_real_numbers(name, bits):
    x = trained_networks.samples(name)
    module = trained_networks.make(trained_networks.blueprint(name, bits=bits), x).train()
    network = lower(trained_networks.train_a_little(module, x, updates=8).eval())
    assert refusal(network.plan) == ""
    expected, found = run_reference(network, x.numpy()), run_integers(network, x.numpy())
    assert (found.argmax(-1) == expected.argmax(-1)).mean() >= 0.99
    # A value that is rounded the other way moves an output by a whole step, which at 2 bits is much.
    assert np.abs(found - expected).mean() <= 0.005 * np.abs(expected).max()


def test_numbers_beyond_the_grid_and_no_numbers_become_its_ends():
    one = np.ones(1, np.float32)
    transform = InputTransform(dtype="float32", mean=one, deviation=one, grid=Grid(scale=0.5, zero_point=128, bits=8))
    x = np.array([[1], [2.25], [2.75], [1e30], [-np.inf], [np.nan]], np.float32)
    assert quantize(x, transform).ravel().tolist() == [128, 130, 132, 255, 0, 0]


def test_a_code_without_a_row_is_refused():
    network, x = random_networks(1, ("recommender",))[0]
    assert INPUT not in trace(network, x)
    with pytest.raises(ValueError, match="codes must lie below"):
        run_integers(network, np.full_like(x, 10_000))
