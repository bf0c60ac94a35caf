"""What genomes mean: blueprints and choices."""

from gasearch_workers.messages import Blueprint, Choices, Layer
from gasearch_workers.network.plan import plan
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.space.decisions import DataShape
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from tests.gasearch.space.space_samples import custom_sections, genes_of, layered_spaces, space_of

CNN = {"family": "cnn", "layers": [1, 5], "width": [8, 16], "kernel": [3, 5], "weight_bits": [4, 8]}
TABLE = DataShape(input_shape=(30,), outputs=2)
TOKENS = DataShape(input_shape=(6,), outputs=3, categories=(50,))


def test_a_genome_decodes_to_its_layers_and_the_head():
    space = space_of(CNN | {"layers": [1, 2]}, DataShape(input_shape=(3, 16, 16), outputs=7))
    genome = make_genome((1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1), space)
    assert decode(genome, space) == Blueprint(
        family="cnn",
        input_shape=(3, 16, 16),
        layers=(
            Layer(kind="conv", width=16, kernel=5, stride=2, weight_bits=4, activation_bits=8),
            Layer(kind="conv", width=8, kernel=3, stride=2, weight_bits=8, activation_bits=8),
            Layer(kind="linear", width=7, weight_bits=8),
        ),
    )


def test_an_mlp_decodes_to_linear_layers():
    space = space_of({"family": "mlp", "layers": 2, "width": [8, 16], "weight_bits": 3}, TABLE)
    network = decode(make_genome((0, 0, 0, 0, 1, 0, 0, 0), space), space)
    assert [(layer.kind, layer.width, layer.stride, layer.weight_bits) for layer in network.layers] == [
        ("linear", 8, 1, 3),
        ("linear", 16, 1, 3),
        ("linear", 2, 1, 3),
    ]


def test_a_custom_genome_decodes_to_the_choices_that_express():
    decisions = {"op": {"choices": ["a", "b"]}, "n": {"choices": [1, 2], "when": {"op": "b"}}}
    space = space_of({"family": "custom", "decisions": decisions})
    assert decode(make_genome((0, 1), space), space) == Choices(values=(("op", "a"),))
    assert decode(make_genome((1, 1), space), space) == Choices(values=(("op", "b"), ("n", 2)))


def first_and_last(section, data):
    space = space_of(section, data)
    last = [size - 1 for size in space.sizes]
    return [decode(make_genome(genes, space), space) for genes in ([0] * len(last), last)]


def test_a_table_with_categories_begins_with_their_vectors():
    data = DataShape(input_shape=(5,), outputs=1, categories=(3, 40), is_regression=True)
    small, large = first_and_last({"family": "mlp", "layers": [0, 1], "width": 8, "weight_bits": [4, 8]}, data)
    assert small == Blueprint(
        family="mlp",
        input_shape=(5,),
        layers=(Layer(kind="embedding", width=4, weight_bits=4), Layer(kind="linear", width=1, weight_bits=4)),
        categories=(3, 40),
        is_regression=True,
    )
    assert large.layers[:2] == (
        Layer(kind="embedding", width=8, weight_bits=8),
        Layer(kind="linear", width=8, weight_bits=8, activation_bits=8),
    )


def test_the_encoder_of_a_text_is_the_kind_of_all_its_layers_and_only_convolutions_have_kernels():
    section = {"family": "text", "layers": 2, "width": 8, "kernel": [3, 5], "vocabulary": [30], "embedding": 16}
    for encoder, kind, kernel in (("pool", "linear", 1), ("conv", "conv1d", 5), ("gru", "gru", 1)):
        network = first_and_last(section | {"encoder": encoder}, TOKENS)[1]
        assert [(layer.kind, layer.width, layer.rows, layer.kernel) for layer in network.layers] == [
            ("embedding", 16, 30, 1),
            (kind, 8, 0, kernel),
            (kind, 8, 0, kernel),
            ("linear", 3, 0, 1),
        ]


def test_the_encoder_of_a_text_without_layers_decides_nothing():
    space = space_of({"family": "text", "layers": 0, "width": 8, "vocabulary": 30}, TOKENS)
    assert len({make_genome(genes, space).key for genes in ([0, 0, 0, 0, encoder, 0] for encoder in range(3))}) == 1


def test_only_transformers_have_heads():
    section = {"family": "tagger", "layers": 1, "width": 8, "heads": [2, 4]}
    recurrent, attentive = first_and_last(section, TOKENS)
    assert (recurrent.layers[1].kind, recurrent.layers[1].heads) == ("gru", 1)
    assert (attentive.layers[1].kind, attentive.layers[1].heads) == ("transformer", 4)
    assert plan(attentive).steps[-1].output_shape == (6, 3)
    only = first_and_last({"family": "transformer", "layers": 1, "width": 8, "heads": 4}, TOKENS)[0]
    assert (only.layers[1].kind, only.layers[1].heads) == ("transformer", 4)


def test_a_recommender_without_layers_is_a_matrix_factorization():
    data = DataShape(input_shape=(2,), outputs=1, categories=(20, 30), is_regression=True)
    network = first_and_last({"family": "recommender", "layers": [0, 2], "width": 8}, data)[0]
    assert [layer.kind for layer in network.layers] == ["embedding", "linear"]
    assert plan(network).steps[-1].input_shape == (24,)  # the user's 8 numbers, the item's 8, their 8 products


def test_compression_is_what_the_genes_say():
    section = {"family": "mlp", "layers": 1, "width": 64, "sparsity": [0.0, 0.5], "rank": [0.25, 1.0]}
    dense, _ = first_and_last(section | {"pruning": "unstructured"}, TABLE)
    assert (dense.layers[0].sparsity, dense.layers[0].pruning, dense.layers[0].rank) == (0.0, "structured", 0.25)
    sparse = first_and_last(section | {"pruning": "unstructured", "rank": 1.0}, TABLE)[1]
    assert (sparse.layers[0].sparsity, sparse.layers[0].pruning, sparse.layers[0].rank) == (0.5, "unstructured", 1.0)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_every_genome_decodes_to_a_network_that_can_be_planned(data):
    space = data.draw(layered_spaces())
    steps = plan(decode(make_genome(data.draw(genes_of(space)), space), space))
    assert steps.outputs == space.data.outputs


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_networks_are_equal_exactly_when_their_keys_are(data):
    space = data.draw(st.one_of(layered_spaces(), custom_sections().map(space_of)))
    one, other = (make_genome(data.draw(genes_of(space)), space) for _ in range(2))
    networks = [decode(genome, space) for genome in (one, other)]
    assert (networks[0] == networks[1]) is (one.key == other.key) is (one.genes == other.genes)
