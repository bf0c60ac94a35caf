"""A genome's canonical genes and key."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.space.genome import make_genome
from tests.gasearch.space.space_samples import any_space, genes_of, space_of

DECISIONS = {"op": {"choices": ["a", "b"]}, "n": {"choices": [1, 2], "when": {"op": "b"}}}


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_genomes_have_equal_keys_exactly_where_they_have_equal_genes(data):
    space = data.draw(any_space)
    one, other = (make_genome(data.draw(genes_of(space)), space) for _ in range(2))
    assert (one.key == other.key) is (one.genes == other.genes)
    assert make_genome(one.genes, space) == one


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_key_is_the_hash_of_the_family_and_the_expressed_choices_as_json(data):
    space = data.draw(any_space)
    genes = data.draw(genes_of(space))
    expressing = [(d, gene) for d, gene in zip(space.decisions, space.marked(genes), strict=True) if gene >= 0]
    choices = {d.name: d.options[gene] for d, gene in expressing if d.options[gene] != d.neutral}
    text = json.dumps([space.family, choices], separators=(",", ":"))
    assert make_genome(genes, space).key == hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def test_a_gene_that_does_not_express_counts_for_nothing():
    space = space_of({"family": "custom", "decisions": DECISIONS})
    assert make_genome((0, 1), space) == make_genome((0, 0), space)
    assert make_genome((1, 1), space) != make_genome((1, 0), space)


@pytest.mark.parametrize(("genes", "key"), [((0, 0), "26a2fda76b65"), ((1, 1), "eabd6e6147b8")])
def test_keys_are_those_of_stored_databases(genes, key):
    assert make_genome(genes, space_of({"family": "custom", "decisions": DECISIONS})).key == key
