"""Known networks as genomes."""

import pytest
from gasearch_workers.messages import Choices, network_from_json, network_to_json
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.space.decisions import DataShape
from gasearch.space.decode import decode
from gasearch.space.encode import encode, encode_network
from gasearch.space.genome import make_genome
from tests.gasearch.space.space_samples import custom_sections, genes_of, layered_spaces, space_of

TOKENS = DataShape(input_shape=(6,), outputs=3, categories=(50,))
TABLE = DataShape(input_shape=(30,), outputs=2)
IMAGES = DataShape(input_shape=(1, 8, 8), outputs=10)
CNN = {
    "family": "cnn",
    "layers": [1, 3],
    "width": [8, 16, 24],
    "kernel": [3, 5],
    "kind": ["conv", "separable"],
    "weight_bits": [4, 8],
    "activation_bits": 8,
}
TEXT = {"family": "text", "layers": [0, 2], "width": [8, 16], "kernel": [3, 5], "vocabulary": [10, 20], "embedding": 16}
MLP = {"family": "mlp", "layers": [0, 2], "width": [8, 64]}
SPACES = st.one_of(layered_spaces(), custom_sections().map(space_of))
CUSTOM = {
    "family": "custom",
    "decisions": {
        "op": {"choices": ["none", "conv", "pool"]},
        "width": {"choices": [8, 16, 32], "when": {"op": ["conv"]}},
        "bias": {"choices": [True, False]},
    },
}
GOOD = {"layers": [{"kind": "conv", "width": 16, "kernel": 3, "weight_bits": 4}], "head": {"weight_bits": 8}}


def layer(**changes):
    """A design whose one layer is changed; None leaves a key out."""
    content = {key: value for key, value in (GOOD["layers"][0] | changes).items() if value is not None}
    return GOOD | {"layers": [content]}


def layers_of(design, section, data):
    space = space_of(section, data)
    return decode(encode(design, space), space).layers


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_network_of_any_genome_has_that_genome(data):
    space = data.draw(SPACES)
    genome = make_genome(data.draw(genes_of(space)), space)
    assert encode_network(decode(genome, space), space) == genome


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_stored_network_has_the_genome_that_it_had(data):
    space = data.draw(SPACES)
    genome = make_genome(data.draw(genes_of(space)), space)
    assert encode_network(network_from_json(network_to_json(decode(genome, space))), space) == genome


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_network_of_another_space_is_found_exactly_where_the_space_has_it(data):
    space, other = data.draw(SPACES), data.draw(SPACES)
    network = decode(make_genome(data.draw(genes_of(other)), other), other)
    found = encode_network(network, space)
    assert found is None or found.key == make_genome(found.genes, space).key
    if found is not None and space.simplifier is None and not isinstance(network, Choices):
        assert decode(found, space) == network


def test_a_network_whose_compression_makes_no_difference_is_the_one_without():
    searched = space_of(MLP | {"layers": 1, "width": 64, "rank": [0.9, 0.99, 1.0]}, TABLE)
    asked = space_of(MLP | {"layers": 1, "width": 64, "rank": 0.99}, TABLE)
    network = decode(make_genome([0] * len(asked.decisions), asked), asked)
    assert network.layers[0].rank == 0.99
    assert decode(encode_network(network, searched), searched).layers[0].rank == 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 4},
        {"width": [8, 16]},
        {"weight_bits": 8},
        {"kind": "separable"},
        {"sparsity": 0.5},
        {"family": "mlp"},
    ],
    ids=str,
)
def test_a_network_that_the_space_does_not_have_has_no_genome(changes):
    wide = space_of(CNN | {"layers": 1, "width": 24, "weight_bits": 4, "kind": "conv"}, IMAGES)
    network = decode(make_genome([0] * len(wide.decisions), wide), wide)
    section = {key: value for key, value in (CNN | changes).items() if key in MLP or changes.get("family") != "mlp"}
    assert encode_network(network, space_of(CNN, IMAGES)) is not None
    assert encode_network(network, space_of(section, IMAGES)) is None


def test_a_network_for_other_data_has_no_genome():
    space, other = (space_of(MLP, DataShape(input_shape=(30,), outputs=outputs)) for outputs in (2, 3))
    assert encode_network(decode(make_genome([0] * len(other.decisions), other), other), space) is None


def test_stored_choices_are_found_whatever_their_order_and_true_is_not_one():
    space = space_of(CUSTOM)
    found = encode_network(Choices(values=(("bias", True), ("width", 16), ("op", "conv"))), space)
    assert found == make_genome((1, 1, 0), space)
    assert encode_network(Choices(values=(("bias", 1), ("op", "none"))), space) is None
    assert encode_network(Choices(values=(("bias", True), ("op", "none"), ("width", 8))), space) is None


def test_a_design_of_layers_is_the_network_that_it_describes():
    layers = layers_of(
        GOOD | {"layers": [*GOOD["layers"], {"kind": "separable", "width": 24, "kernel": 5, "weight_bits": 8}]},
        CNN,
        IMAGES,
    )
    assert [(item.kind, item.width, item.kernel, item.stride, item.weight_bits) for item in layers] == [
        ("conv", 16, 3, 1, 4),
        ("separable", 24, 5, 2, 8),
        ("linear", 10, 1, 1, 8),
    ]


def test_a_design_of_a_text_names_its_encoder_or_the_kind_of_its_layers():
    hidden = {"width": 8, "weight_bits": 8}
    by_name = {"layers": [hidden], "encoder": "gru", "vocabulary": 20}
    by_kind = {"layers": [hidden | {"kind": "gru"}], "vocabulary": 20, "embedding": {"width": 16}}
    assert layers_of(by_name, TEXT, TOKENS) == layers_of(by_kind, TEXT, TOKENS)
    assert [item.kind for item in layers_of(by_name, TEXT, TOKENS)] == ["embedding", "gru", "linear"]


def test_a_vocabulary_beyond_the_words_of_the_data_is_all_of_them():
    section = TEXT | {"layers": 0, "vocabulary": [10, 5000]}
    assert layers_of({"vocabulary": 5000}, section, TOKENS)[0].rows == 50


def test_compression_that_a_design_leaves_out_is_none():
    section = MLP | {"sparsity": [0.0, 0.5], "rank": [0.5, 1.0]}
    dense, sparse = ({"layers": [{"width": 64} | more]} for more in ({}, {"sparsity": 0.5}))
    assert [(item.sparsity, item.rank) for item in layers_of(dense, section, TABLE)[:1]] == [(0.0, 1.0)]
    assert [(item.sparsity, item.rank) for item in layers_of(sparse, section, TABLE)[:1]] == [(0.5, 1.0)]


def test_the_keys_of_compression_may_stand_where_a_space_has_none():
    assert encode(layer(sparsity=0, rank=1.0, downsample="stride"), space_of(CNN)) == encode(GOOD, space_of(CNN))


def test_a_custom_design_may_leave_out_what_does_not_express():
    space = space_of(CUSTOM)
    assert encode({"op": "pool", "bias": False}, space) == make_genome((2, 0, 1), space)
    assert encode({"op": "pool", "bias": False, "width": 16}, space) == make_genome((2, 0, 1), space)


REFUSALS = [
    (CNN, layer(width=20), "d[1].layers[0].width: 20 is no option; it has 8, 16, 24"),
    (CNN, layer(kind="conf"), "d[1].layers[0].kind: 'conf' is no option; did you mean \"conv\"? It has 'conv', 'sep"),
    (CNN, layer(kernel=None), "d[1].layers[0].kernel: is required: one of 3, 5"),
    (CNN, layer(widht=8), 'd[1].layers[0].widht: unknown key; did you mean "width"? Known here: kind, width, kernel,'),
    (CNN, layer(sparsity=0.5), "d[1].layers[0].sparsity: 0.5 is no option; it has 0.0"),
    (CNN, layer(width=True), "d[1].layers[0].width: true is no option; it has 8, 16, 24"),
    (CNN, layer(width=[8]), "d[1].layers[0].width: [8] is no option; it has 8, 16, 24"),
    (CNN, GOOD | {"layers": GOOD["layers"] * 4}, "d[1].layers: has 4 layers; the space has 1 to 3"),
    (CNN, GOOD | {"layers": []}, "d[1].layers: has 0 layers; the space has 1 to 3"),
    (CNN, GOOD | {"layers": 3}, "d[1].layers: must be a list of 1 to 3 mappings, one per layer; got 3"),
    (CNN, GOOD | {"layers": [8]}, "d[1].layers[0]: must be a mapping with kind, width, kernel,"),
    (CNN, {"head": {"weight_bits": 8}}, "d[1].layers: is required: a list of 1 to 3 mappings, one per layer"),
    (CNN, {"layers": GOOD["layers"]}, "d[1].head.weight_bits: is required: one of 4, 8"),
    (CNN, GOOD | {"heads": 2}, 'd[1].heads: unknown key; did you mean "head"? Known here: layers, head'),
    (CNN, GOOD | {"head": 8}, "d[1].head: must be a mapping with weight_bits; got 8"),
    (CNN, [GOOD], "d[1]: must be a mapping with layers, head; got [a mapping"),
    (
        MLP,
        {"layers": [{"kind": "conv", "width": 8}]},
        "d[1].layers[0].kind: 'conv' is no option; family mlp has 'linea",
    ),
    (CUSTOM, {"op": "cnv", "bias": True}, "d[1].op: 'cnv' is no option; did you mean \"conv\"? It has 'none', 'conv',"),
    (CUSTOM, {"op": "conv", "bias": True}, "d[1].width: is required: one of 8, 16, 32"),
    (CUSTOM, {"op": "none", "bias": 1}, "d[1].bias: 1 is no option; it has true, false"),
    (CUSTOM, {"opp": "none"}, 'd[1].opp: unknown key; did you mean "op"? Known here: op, width, bias'),
]


@pytest.mark.parametrize(("section", "design", "sentence"), REFUSALS, ids=[text[:40] for _, _, text in REFUSALS])
def test_a_wrong_design_is_refused_with_its_path_what_came_and_what_there_is(section, design, sentence):
    with pytest.raises(SpecError) as caught:
        encode(design, space_of(section, TABLE if section is MLP else IMAGES), ("d", 1))
    assert str(caught.value).startswith(sentence)


def test_layers_of_different_encoders_are_refused():
    design = {"layers": [{"kind": "gru", "width": 8}, {"kind": "conv1d", "width": 8}], "vocabulary": 20}
    with pytest.raises(SpecError, match=r"^layers\[1\]\.kind: 'conv1d' is no option; encoder gru has 'gru'$"):
        encode(design, space_of(TEXT, TOKENS))


def test_all_that_is_wrong_with_the_values_of_a_design_is_said_at_once():
    with pytest.raises(SpecError) as caught:
        encode(layer(width=20, kernel=4), space_of(CNN))
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "layers[0].width",
        "layers[0].kernel",
    ]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_choices_of_any_custom_genome_are_a_design_of_it(data):
    space = space_of(data.draw(custom_sections()))
    genome = make_genome(data.draw(genes_of(space)), space)
    assert encode(decode(genome, space).as_dict(), space) == genome


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_layers_of_any_genome_are_a_design_of_it(data):
    space = data.draw(layered_spaces())
    genome = make_genome(data.draw(genes_of(space)), space)
    assert encode(as_design(genome, space), space) == genome


def as_design(genome, space):
    """What expresses in a genome, as a person would write it down."""
    design = {"layers": [{} for _ in range(space.layer_count(genome.genes))]}
    for gene, decision, (owner, name) in zip(
        space.marked(genome.genes), space.decisions, space.name_parts, strict=True
    ):
        if gene < 0 or name == "depth":
            continue
        place = design
        if owner.startswith("layer"):
            place = design["layers"][int(owner.removeprefix("layer"))]
        elif owner:
            place = design.setdefault(owner, {})
        place[name] = decision.options[gene]
    return design
