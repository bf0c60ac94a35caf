"""Which decisions mattered."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from gasearch.objectives.fitness import Objective
from gasearch.report.importance import FEWEST_NETWORKS, importances
from gasearch.space.decisions import Condition, Decision, Space
from tests.doubles.archived import failed, network

SPACE = Space(
    family="custom",
    decisions=(
        Decision(name="width", options=(1, 2, 4, 8)),
        Decision(name="lookup", options=("nearest", "linear")),
        Decision(name="slope", options=(4, 6, 8), when=(Condition(decision=1, options=frozenset({1})),)),
        Decision(name="colour", options=("red", "green", "blue")),
        Decision(name="fixed", options=(1, 2)),
    ),
)
OBJECTIVES = (Objective(metric="error", is_maximized=False), Objective(metric="bytes", is_maximized=False))


def measured(count, error_of, bytes_of):
    draw = random.Random(1)
    networks = []
    for number in range(count):
        genes = (draw.randrange(4), draw.randrange(2), draw.randrange(3), draw.randrange(3), 0)
        metrics = {"error": error_of(genes), "bytes": bytes_of(genes)}
        networks.append(replace(network(number, **metrics), genes=SPACE.canonical(genes)))
    return networks


def test_the_decisions_that_an_objective_follows_from_come_first():
    networks = measured(120, lambda genes: 2.0 ** -genes[0], lambda genes: 10.0 + 5 * genes[1] * genes[2])
    error, size = importances(networks, SPACE, OBJECTIVES)
    assert (error.metric, error.networks) == ("error", 120)
    assert error.explained > 0.9
    assert error.decisions[0][0] == "width"
    assert error.decisions[0][1] > 0.5
    assert all(abs(share) < 0.1 for _, share in error.decisions[1:])
    assert size.decisions[0][0] == "slope"  # which carries what `lookup` decides
    assert {name for name, _ in size.decisions} == {"width", "lookup", "slope", "colour"}  # `fixed` never varied


def test_of_too_few_networks_or_equal_values_nothing_is_said():
    few = importances(measured(FEWEST_NETWORKS - 1, lambda genes: genes[0], lambda genes: 1.0), SPACE, OBJECTIVES)
    assert [(one.explained, one.decisions) for one in few] == [(None, ())] * 2
    [_, equal] = importances(measured(60, lambda genes: genes[0], lambda genes: 1.0), SPACE, OBJECTIVES)
    assert equal.explained is None


def test_of_noise_nothing_is_said():
    noise = random.Random(2)
    [found, _] = importances(measured(80, lambda genes: noise.random(), lambda genes: 1.0), SPACE, OBJECTIVES)
    assert found.explained < 0.2
    assert found.decisions == ()


def test_what_failed_is_left_out():
    networks = [*measured(40, lambda genes: genes[0], lambda genes: genes[1] + 1), replace(failed(99), genes=(0,) * 5)]
    assert [one.networks for one in importances(networks, SPACE, OBJECTIVES)] == [40, 40]


def test_the_same_networks_give_the_same_importances():
    networks = measured(40, lambda genes: genes[0] + genes[3], lambda genes: genes[1] + 1)
    assert importances(networks, SPACE, OBJECTIVES) == pytest.approx(importances(networks, SPACE, OBJECTIVES))
