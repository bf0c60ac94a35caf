"""The space's fast paths say what the plain definitions say."""

from __future__ import annotations

import hashlib
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution.partial_genomes import sample
from gasearch.space.genome import expressed_choices, make_genome
from tests.gasearch.evolution.evolution_spaces import any_space, layered


def expressed_by_definition(space, genes) -> list[bool]:
    flags: list[bool] = []
    for decision in space.decisions:
        flags.append(all(flags[need.decision] and genes[need.decision] in need.options for need in decision.when))
    return flags


@settings(deadline=None)
@given(any_space, st.randoms(use_true_random=False))
def test_genes_express_as_the_conditions_say(space, rng):
    genes = [rng.randrange(len(decision.options)) for decision in space.decisions]
    flags = expressed_by_definition(space, genes)
    assert [gene >= 0 for gene in space.marked(genes)] == flags
    assert space.canonical(genes) == tuple(gene if flag else 0 for gene, flag in zip(genes, flags, strict=True))


@settings(deadline=None)
@given(any_space, st.integers(0, 1000))
def test_a_key_is_the_hash_of_the_family_and_the_expressed_choices_as_json(space, seed):
    genes = sample(space, random.Random(seed)).genes
    text = json.dumps([space.family, expressed_choices(genes, space)], separators=(",", ":"))
    assert make_genome(genes, space).key == hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def test_genes_that_do_not_express_do_not_change_the_key():
    space = layered((1, 2))
    assert make_genome((0, 1, 1, 2, 2, 1), space) == make_genome((0, 1, 1, 0, 0, 1), space)
