"""Mutations that move several decisions alike."""

from __future__ import annotations

import random
from itertools import pairwise

from gasearch.evolution.mutation import (
    change_bits,
    change_block,
    change_group,
    copy_choice,
    copy_layer,
    has_groups,
    swap_choices,
)
from gasearch.evolution.partial_genomes import PartialGenome, settle
from gasearch.space.decisions import Condition, Decision, Space
from tests.gasearch.evolution.evolution_spaces import layered

WIDTHS = range(1, 9)


def grouped(options=("a", "b", "c")) -> Space:
    """Four decisions with the same options, the last one hidden behind a switch, and one with others."""
    is_on = Condition(decision=0, options=frozenset({1}))
    return Space(
        family="custom",
        decisions=(
            Decision(name="switch", options=("off", "on")),
            *(Decision(name=f"op{index}", options=options) for index in range(3)),
            Decision(name="op3", options=options, when=(is_on,)),
        ),
    )


def outcomes(edit, genes, space, tries=200) -> set[tuple[int, ...]]:
    """What the edit makes of the genes under many seeds, where it makes something."""
    found = set()
    for seed in range(tries):
        partial = PartialGenome(space.marked(genes), space, random.Random(seed))
        if edit(partial):
            found.add(partial.settled())
    return found


def test_bits_move_by_one_option_and_nothing_else_moves():
    space = layered((2,), WIDTHS)
    genes = (0, 3, 1, 4, 0, 2)
    found = outcomes(change_bits, genes, space)
    assert all(abs(a - b) <= 1 for mutant in found for a, b in zip(mutant, genes, strict=True))
    assert {(mutant[0], mutant[1], mutant[3]) for mutant in found} == {(0, 3, 4)}
    assert len(found) > 5
    assert outcomes(change_bits, (0, 3, 0, 4, 0, 0), layered((2,), WIDTHS, bits=(8,))) == set()


def test_a_block_moves_one_decision_of_a_run_of_layers_by_one_option():
    space = layered((4,), WIDTHS)
    widths = [1, 3, 5, 6]
    genes = (0, widths[0], 1, widths[1], 1, widths[2], 1, widths[3], 1, 1)
    moved = [[b - a for a, b in zip(genes, mutant, strict=True)] for mutant in outcomes(change_block, genes, space)]
    assert [0, 1, 0, 1, 0, 1, 0, 1, 0, 0] in moved  # all widths by one
    assert [0, 0, -1, 0, -1, 0, -1, 0, -1, 0] in moved  # all bits
    assert [0, 0, 0, 1, 0, 1, 0, 0, 0, 0] in moved  # the widths of a run
    for change in moved:
        assert set(change) in ({0, 1}, {0, -1})
        assert not any(change[1::2][:4]) or not any(change[2::2])


def test_a_block_with_layers_at_the_end_of_their_options_moves_the_others():
    space = layered((2,), (8, 16))
    assert (0, 1, 0, 1, 0, 0) in outcomes(change_block, (0, 1, 0, 0, 0, 0), space)


def test_a_block_without_order_takes_one_option():
    space = layered((3,), with_kind=True)
    genes = settle([0, 0, -1, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0], space, random.Random(0))
    kinds = {tuple(mutant[index] for index in (1, 5, 9)) for mutant in outcomes(change_block, genes, space)}
    assert (1, 1, 1) in kinds


def test_a_layer_is_copied_over_those_that_follow():
    space = layered((4,), WIDTHS)
    genes = (0, 1, 0, 2, 1, 3, 2, 4, 0, 1)
    layers = [(1, 0), (2, 1), (3, 2), (4, 0)]
    for mutant in outcomes(copy_layer, genes, space):
        copied = [(mutant[1 + 2 * layer], mutant[2 + 2 * layer]) for layer in range(4)]
        kept = [ours == theirs for ours, theirs in zip(copied, layers, strict=True)]
        assert all(is_kept or b == a for (a, b), is_kept in zip(pairwise(copied), kept[1:], strict=True))
        assert not all(kept)
    assert len(outcomes(copy_layer, genes, space)) == 6
    assert outcomes(copy_layer, (0, 1, 0, 1, 0, 1, 0, 1, 0, 1), space) == set()


def test_a_network_of_one_layer_has_no_block():
    space = layered((1,), WIDTHS)
    genes = (0, 3, 1, 1)
    assert outcomes(change_block, genes, space) == outcomes(copy_layer, genes, space) == set()


def test_choices_are_exchanged_between_decisions_with_the_same_options_that_express():
    space = grouped()
    assert outcomes(swap_choices, (0, 0, 1, 2, 0), space) == {(0, 1, 0, 2, 0), (0, 2, 1, 0, 0), (0, 0, 2, 1, 0)}
    assert (1, 1, 1, 1, 2) in outcomes(swap_choices, (1, 1, 1, 2, 1), space)
    assert outcomes(swap_choices, (0, 1, 1, 1, 0), space) == set()


def test_a_choice_is_copied_to_another_decision_with_the_same_options():
    space = grouped()
    assert outcomes(copy_choice, (0, 0, 0, 2, 0), space) == {
        (0, 2, 0, 2, 0),
        (0, 0, 2, 2, 0),
        (0, 2, 0, 2, 0),
        (0, 0, 0, 0, 0),
    }


def test_a_group_moves_together():
    space = grouped(options=(1, 2, 3))
    found = outcomes(change_group, (1, 1, 1, 1, 1), space)
    assert (1, 2, 2, 2, 2) in found
    assert (1, 0, 0, 0, 0) in found
    assert all(set(mutant) in ({1, 2}, {1, 0}) and mutant[0] == 1 for mutant in found)
    assert (0, 2, 2, 2, 0) in outcomes(change_group, (0, 0, 1, 2, 0), grouped())  # without order: the same option


def test_only_custom_spaces_with_decisions_alike_have_groups():
    assert has_groups(grouped())
    assert not has_groups(layered((2,)))
    single = Space(family="custom", decisions=(Decision(name="a", options=(1, 2)), Decision(name="b", options=(1, 3))))
    assert not has_groups(single)
