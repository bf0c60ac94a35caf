"""Breeding: new, admissible, and to the end of the space."""

from __future__ import annotations

from gasearch.evolution.breeder import KNOWN, Breeder
from gasearch.evolution.mutation import mutation_kinds
from gasearch.evolution.seeded_toolbox import SeededToolbox
from gasearch.evolution.toolbox import make_toolbox
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import layered

SPACE = layered((1, 2, 3, 4), widths=range(1, 12), bits=range(1, 9))
KNOWN_GENES = ([0] * 10, [0, 1] + [0] * 8, [0, 2] + [0] * 8)


def make_breeder(space=SPACE, violation=lambda genome: 0.0, known=()) -> Breeder:
    return Breeder(space, SeededToolbox(make_toolbox(space), space, seed=1), seed=1, violation=violation, known=known)


def test_variants_are_new_mutants_of_their_origins_named_by_both():
    breeder = make_breeder()
    [origin, taken] = breeder.brood(7, (), 2)
    breeder.take(taken.genome)
    found = breeder.variants(7, [origin, taken], 30, step=0)
    assert len({one.genome.key for one in found}) == len(found) == 30
    assert taken.genome.key not in {one.genome.key for one in found}
    kinds = set(mutation_kinds(SPACE))
    assert all(one.operator.partition("+")[2] in kinds and one.parents == () for one in found)
    assert {one.operator.partition("+")[0] for one in found} == {origin.operator}
    assert found == breeder.variants(7, [origin, taken], 30, step=0) != breeder.variants(7, [origin, taken], 30, step=1)


def test_known_networks_come_in_their_order_without_those_that_repeat_or_break_a_limit():
    first, second, third = (make_genome(genes, SPACE) for genes in KNOWN_GENES)
    breeder = make_breeder(
        violation=lambda genome: float(genome.key == second.key), known=(first, second, first, third)
    )
    found = []
    while (offspring := breeder.next_known()) is not None:
        assert offspring.operator == KNOWN
        found.append(offspring.genome)
        breeder.take(offspring.genome, KNOWN)
    assert found == [first, third]


def test_a_known_network_that_was_stored_leaves_those_behind_it():
    first, second, third = (make_genome(genes, SPACE) for genes in KNOWN_GENES)
    breeder = make_breeder(known=(first, second, third))
    breeder.take(second, KNOWN)
    assert breeder.next_known().genome == third


def test_tight_limits_are_met_step_by_step():
    def violation(genome) -> float:
        return max(0.0, sum(genome.genes) - 2.0)

    children = [make_breeder(violation=violation).breed(number, ()) for number in range(5)]
    assert all(violation(child.genome) == 0.0 for child in children)
    assert any(child.operator == "sample+walk" for child in children)


def test_a_small_space_is_bred_to_its_end():
    space = layered((1,), (8, 16), (4, 8))
    breeder, found = make_breeder(space), set()
    while (offspring := breeder.breed(len(found), ())) is not None:
        breeder.take(offspring.genome)
        found.add(offspring.genome.genes)
    assert found == set(every_genome(space))
