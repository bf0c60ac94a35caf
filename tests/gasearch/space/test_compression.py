"""Equal networks have equal genes, however they are compressed."""

import random

from gasearch_workers.network.plan import plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gasearch.evolution.engine import Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.partial_genomes import sample
from gasearch.objectives.fitness import Fitness
from gasearch.space.decisions import DataShape
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome, space_size
from tests.gasearch.evolution.evolution_spaces import child, mutant
from tests.gasearch.space.space_samples import genes_of, layered_sections, layered_spaces, space_of

unhurried = settings(deadline=None, max_examples=30)
MLP = {"family": "mlp", "layers": 1, "width": [4, 16], "sparsity": [0.0, 0.1, 0.5], "rank": [0.25, 0.5, 0.75, 1.0]}
TABLE = DataShape(input_shape=(8,), outputs=2)


def plans(genes, space):
    network = decode(make_genome(genes, space), space)
    return plan(network), plan(network, is_pruned=False)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_keys_are_equal_exactly_where_the_plans_with_and_without_pruning_are(data):
    space = data.draw(layered_spaces())
    one = data.draw(genes_of(space))
    other = list(one)  # a relative: two genomes at random are hardly ever alike
    for index in data.draw(st.lists(st.integers(0, len(one) - 1), min_size=1, max_size=4)):
        other[index] = data.draw(st.integers(0, space.sizes[index] - 1))
    keys = [make_genome(genes, space).key for genes in (one, other)]
    assert (keys[0] == keys[1]) is (plans(one, space) == plans(other, space))


@unhurried
@given(st.data())
def test_all_plans_of_a_small_space_differ(data):
    space = data.draw(layered_spaces(layered_sections(most_options=2)))
    assume(space_size(space).count <= 300)
    genomes = list(every_genome(space))
    assert len({plans(genes, space) for genes in genomes}) == len(genomes)
    assert space_size(space).count == len(genomes)


def test_a_rank_that_saves_nothing_is_the_full_one():
    space = space_of(MLP, TABLE)
    names = [decision.name for decision in space.decisions]
    rank = names.index("layer0.rank")
    canonical = [space.canonical([0, 1, 0, 0, 0, 0, gene, 0])[rank] for gene in range(4)]
    assert canonical == [0, 1, 3, 3]  # of 16 x 8 weights 2 x 24 and 4 x 24 are fewer, 6 x 24 are not


def test_a_sparsity_that_keeps_all_units_is_none_and_leaves_pruning_open():
    space = space_of(MLP | {"pruning": ["structured", "unstructured"]}, TABLE)
    pruned = [make_genome([0, 0, 0, 0, gene, 0, 3, 0], space).genes[4] for gene in range(3)]
    assert pruned == [0, 0, 2]  # of 4 units 3.6 are 4


def test_a_layer_that_does_not_halve_the_image_decides_no_downsampling():
    space = space_of({"family": "cnn", "layers": 3, "width": [8], "downsample": ["stride", "max_pool"]})
    marked = space.marked([0] * len(space.decisions))
    expressing = [d.name for d, gene in zip(space.decisions, marked, strict=True) if gene >= 0]
    assert [name for name in expressing if name.endswith("downsample")] == ["layer1.downsample"]  # 8, 8, 4, 4


def test_a_space_without_compression_has_no_rules_and_the_same_keys_as_one_that_has():
    plain, compressed = (space_of(MLP | {"sparsity": sparsity, "rank": 1.0}, TABLE) for sparsity in ([0.0], [0.0, 0.5]))
    assert plain.simplifier is None
    assert compressed.simplifier is not None
    assert make_genome([0, 1, 0, 0, 0], plain).key == make_genome([0, 1, 0, 0, 0, 0, 0], compressed).key


@unhurried
@given(st.data(), st.integers(0, 10**6))
def test_operators_give_canonical_genes_that_differ_from_their_parents(data, seed):
    space, rng = data.draw(layered_spaces()), random.Random(seed)
    first, second = sample(space, rng).genes, sample(space, rng).genes
    for genes in (first, second, child(first, second, space, rng).genes, mutant(first, space, rng).genes):
        assert space.canonical(genes) == genes
    if space_size(space).count <= 300:
        assert (mutant(first, space, rng).genes != first) is (len(list(every_genome(space))) > 1)


def test_evolution_proposes_every_network_of_a_compressed_space_once():
    space = space_of(MLP | {"layers": [0, 1], "pruning": ["structured", "unstructured"]}, TABLE)
    engine, keys = GenerationalEngine(space, seed=1, population=8), []
    while (candidate := engine.ask()) is not None:
        keys.append(candidate.genome.key)
        engine.tell(Scored(number=candidate.number, fitness=Fitness(values=(float(sum(candidate.genome.genes)),))))
    assert engine.is_exhausted
    assert len(keys) == len(set(keys)) == space_size(space).count
