"""Seeded generators."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gasearch.evolution.rng import GLOBAL, derive, pick, seeded


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2:]


def test_in_a_block_the_global_generators_are_set_and_afterwards_they_stand_where_they_stood():
    before = states()
    with seeded(1, 2, "test") as rng:
        first = random.random(), np.random.random()
    assert rng is GLOBAL
    assert states() == before
    with seeded(1, 2, "test"):
        assert (random.random(), np.random.random()) == first
    with seeded(1, 3, "test"):
        assert random.random() != first[0]


def test_the_global_generator_draws_what_an_own_one_draws():
    own = derive(1, 2, "test")
    with seeded(1, 2, "test"):
        assert [random.random() for _ in range(3)] == [own.random() for _ in range(3)]


def test_a_function_can_be_decorated():
    @seeded(1, 2, "test")
    def draw() -> float:
        return random.random()

    assert draw() == derive(1, 2, "test").random()
    assert draw() == draw()


def test_they_are_restored_where_the_block_raises():
    before = states()

    @seeded(1, 2, "test")
    def fail() -> None:
        raise KeyError(random.random())

    with pytest.raises(KeyError):
        fail()
    assert states() == before


def test_a_derived_generator_depends_on_seed_number_and_purpose():
    draws = {derive(*triple).random() for triple in [(1, 2, "a"), (1, 2, "b"), (1, 3, "a"), (2, 2, "a"), (12, 3, "a")]}
    assert len(draws) == 5
    assert derive(1, 2, "a").random() == derive(1, 2, "a").random()


def test_a_derived_generator_is_the_same_on_every_machine():
    assert derive(7, 11, "breed").random() == pytest.approx(0.25300977638186417, abs=1e-15)


def test_pick_reaches_every_index_and_no_other():
    rng = random.Random(3)
    assert {pick(rng, 5) for _ in range(300)} == {0, 1, 2, 3, 4}
