"""Optimizers, and the learning rate over a training."""

import math
from itertools import pairwise

import pytest
import torch
from gasearch_workers.messages import Recipe
from gasearch_workers.training.optimizer import make_optimizer, rate_of, set_rate
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adafactor")


def rates(recipe, updates):
    return [rate_of(recipe, update=update, updates=updates) for update in range(updates)]


def test_a_cosine_falls_from_the_rate_towards_zero():
    found = rates(Recipe(learning_rate=2.0), 4)
    assert found == pytest.approx([1 + math.cos(math.pi * update / 4) for update in range(4)])


def test_a_constant_rate_stays_once_it_is_warm():
    assert rates(Recipe(learning_rate=1.0, schedule="constant", warmup=0.5), 8) == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    )


@given(st.floats(0, 0.99), st.integers(1, 200), st.sampled_from(["cosine", "constant"]))
def test_a_rate_rises_to_its_peak_and_never_again(warmup, updates, schedule):
    found = rates(Recipe(learning_rate=0.5, warmup=warmup, schedule=schedule), updates)
    peak = found.index(max(found))
    assert all(0 < rate <= 0.5 for rate in found)
    assert all(before <= after for before, after in pairwise(found[: peak + 1]))
    assert all(before >= after for before, after in pairwise(found[peak:]))
    assert peak <= warmup * updates + 1


def test_every_group_gets_the_rate():
    optimizer = make_optimizer(nn.Linear(2, 2), Recipe(weight_decay=0.1))
    set_rate(optimizer, Recipe(learning_rate=0.4), update=1, updates=2)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_comes_down_a_bowl(name):
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    recipe = Recipe(optimizer=name, learning_rate=0.3 if name == "adafactor" else 0.05, schedule="constant")
    optimizer = make_optimizer(layer, recipe)

    def loss():
        return layer.weight.square().sum() + layer.bias.square().sum()

    before = loss().item()
    for update in range(40):
        set_rate(optimizer, recipe, update=update, updates=40)
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.1 * before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_matrices_decay(name):
    layer = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    optimizer = make_optimizer(layer, Recipe(optimizer=name, weight_decay=0.1))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    expected = {"0.weight": 0.1, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0}
    assert {key: decays[id(p)] for key, p in layer.named_parameters()} == expected


def test_without_decay_all_parameters_are_one_group():
    assert len(make_optimizer(nn.Linear(2, 2), Recipe()).param_groups) == 1
