"""Quantization without a training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gasearch_workers.messages import Blueprint
from gasearch_workers.modules.build import build
from gasearch_workers.modules.pretrained import begin_with, transform_of
from gasearch_workers.modules.quantize import ActivationQuantizer
from gasearch_workers.network.plan import plan
from gasearch_workers.training.calibration import calibrate
from gasearch_workers.training.resident import ResidentSplit

from tests.workers.modules.test_pretrained import pretrained_of
from tests.workers.trained_modules import Residual, settled

X = torch.from_numpy(np.random.default_rng(0).integers(0, 17, (300, 1, 8, 8)).astype(np.uint8))
SPLIT = ResidentSplit(x=X, y=torch.zeros(300, dtype=torch.int64))


def with_bits(blueprint: Blueprint, weights: int, activations: int) -> Blueprint:
    def rounded(layer):
        op = dict(layer.extras).get("op", "head")
        return replace(
            layer,
            weight_bits=weights if op in ("conv", "linear", "head") else 32,
            activation_bits=activations if op in ("conv", "linear", "add") else 32,
        )

    return replace(blueprint, layers=tuple(map(rounded, blueprint.layers)))


def network_of(weights, activations):
    blueprint, found = pretrained_of(settled(Residual()))
    steps = plan(with_bits(blueprint, weights, activations))
    network = build(steps, transform_of(found, steps, X.numpy()), seed=0)
    begin_with(network, found)
    return network.eval()


@torch.no_grad()
def error_of(network):
    exact = network_of(32, 32)(X)
    return float((network(X) - exact).square().mean() / exact.square().mean())


@pytest.mark.parametrize(("weights", "activations", "most"), [(8, 8, 0.001), (4, 8, 0.1), (4, 4, 0.2)])
def test_a_calibrated_network_answers_nearly_as_without_rounding(weights, activations, most) -> None:
    network = network_of(weights, activations)
    before = error_of(network)
    calibrate(network, SPLIT)
    assert error_of(network) < min(most, before)


def test_it_needs_no_chance_and_leaves_float_networks_alone() -> None:
    one, other, exact = network_of(4, 4), network_of(4, 4), network_of(32, 32)
    for network in (one, other, exact):
        calibrate(network, SPLIT)
    assert torch.equal(one(X), other(X))
    torch.testing.assert_close(exact(X), network_of(32, 32)(X))


def test_grids_stay_as_they_are_fitted_until_a_training_moves_them() -> None:
    network = network_of(8, 3)
    calibrate(network, SPLIT)
    found = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    learned = [quantizer for quantizer in found if quantizer.bits == 3]
    before = [quantizer.scale().item() for quantizer in learned]
    network.train()(X[:8])
    assert len(before) == 6
    assert [quantizer.scale().item() for quantizer in learned] == before
