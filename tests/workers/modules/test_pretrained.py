"""Networks that begin with the weights of a trained one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gasearch_workers.data.dataset import Pretrained
from gasearch_workers.messages import Blueprint, network_to_json
from gasearch_workers.modules.build import build
from gasearch_workers.modules.pretrained import begin_with, transform_of
from gasearch_workers.modules.tracing import trace
from gasearch_workers.network.plan import PlanError, plan

from tests.workers.trained_modules import Residual, dense, settled


def pretrained_of(module, mean=0.0, deviation=16.0, shape=(1, 8, 8)):
    traced = trace(module, shape)
    blueprint = Blueprint(family="bits", input_shape=shape, layers=traced.layers, trained="ab12")
    numbers = (np.array([mean], dtype=np.float32), np.array([deviation], dtype=np.float32))
    found = Pretrained(
        network=network_to_json(blueprint),
        mean=numbers[0],
        deviation=numbers[1],
        weights=traced.weights,
        biases=traced.biases,
    )
    return blueprint, found


def built(blueprint, found, x):
    steps = plan(blueprint)
    network = build(steps, transform_of(found, steps, x), seed=0)
    begin_with(network, found)
    return network.eval()


@pytest.mark.parametrize("make", [Residual, dense])
@torch.no_grad()
def test_at_full_precision_it_answers_as_the_module_does(make) -> None:
    module = settled(make())
    blueprint, found = pretrained_of(module, mean=3.5)
    x = torch.randint(0, 17, (20, 1, 8, 8), dtype=torch.uint8)
    ours = built(blueprint, found, x.numpy())(x)
    theirs = module((x.float() - 3.5) / 16)
    torch.testing.assert_close(
        ours.log_softmax(1) if make is Residual else ours, theirs, atol=1e-3 * float(theirs.abs().max()), rtol=0
    )


@torch.no_grad()
def test_a_mean_between_two_bytes_is_made_up_for_by_the_first_biases() -> None:
    module = settled(dense())
    blueprint, found = pretrained_of(module, mean=3.5)
    head, *rest = blueprint.layers[::-1]
    blueprint = replace(blueprint, layers=(*rest[::-1], replace(head, weight_bits=8)))  # not float throughout
    x = torch.randint(0, 17, (20, 1, 8, 8), dtype=torch.uint8)
    network = built(blueprint, found, x.numpy())
    assert network.input.grid().zero_point == 4
    theirs = module((x.float() - 3.5) / 16)
    torch.testing.assert_close(network(x), theirs, atol=0.02 * float(theirs.abs().max()), rtol=0)


def test_the_grid_of_a_table_holds_all_its_values() -> None:
    blueprint, found = pretrained_of(settled(torch.nn.Sequential(torch.nn.Linear(1, 2))), 1.0, 2.0, (1,))
    blueprint = replace(blueprint, layers=(replace(blueprint.layers[0], weight_bits=8),))
    grid = transform_of(found, plan(blueprint), np.array([[-9.0], [3.0]], dtype=np.float32)).grid
    assert grid is not None
    assert grid.scale * 127 == pytest.approx(5.0)


def test_weights_of_other_layers_are_refused() -> None:
    _, found = pretrained_of(settled(dense()))
    blueprint, other = pretrained_of(settled(Residual()))
    network = build(blueprint, transform_of(other, plan(blueprint), np.zeros((1, 1, 8, 8), dtype=np.uint8)), seed=0)
    with pytest.raises(PlanError, match="has other layers"):
        begin_with(network, found)
