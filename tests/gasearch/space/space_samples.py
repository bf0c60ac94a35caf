"""Random specs of small spaces, as hypothesis strategies, and all the genomes of a space."""

import itertools

from hypothesis import strategies as st

from gasearch.space.build import build_space
from gasearch.space.decisions import DataShape
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec

WIDTHS = st.lists(st.sampled_from([1, 2, 3, 8, 16]), min_size=1, max_size=2, unique=True)
BITS = st.sampled_from([[8], [2, 8], [32], [4, 32], [1, 3, 8, 32]])
LAYERS = st.sampled_from([1, 2, [1, 2], [1, 3]])
SIDES = [(1, 8, 8), (3, 20, 3), (8, 4, 4), (2, 17, 17), (3, 1, 1)]
IMAGES = st.sampled_from([DataShape(input_shape=shape, outputs=3) for shape in SIDES])
TABLES = st.sampled_from(
    [
        DataShape(input_shape=(13,), outputs=3),
        DataShape(input_shape=(5,), outputs=1, categories=(3, 40), is_regression=True),
        DataShape(input_shape=(2,), outputs=2, categories=(3, 40)),
    ]
)
SENTENCES = st.sampled_from(
    [
        DataShape(input_shape=(6,), outputs=4, categories=(50,)),
        DataShape(input_shape=(6, 2), outputs=5, categories=(50, 7)),
    ]
)
RATINGS = st.just(DataShape(input_shape=(2,), outputs=1, categories=(20, 30), is_regression=True))
CNN = {
    "family": "cnn",
    "layers": [1, 3],
    "width": [8, 16],
    "kernel": [3, 5],
    "kind": ["conv", "residual"],
    "weight_bits": [2, 8],
    "activation_bits": 8,
}
DIGITS = DataShape(input_shape=(1, 8, 8), outputs=10)


def data_for(family):
    """Shapes of data that a family takes."""
    match family:
        case "cnn":
            return IMAGES
        case "mlp":
            return st.one_of(IMAGES, TABLES)
        case "recommender":
            return RATINGS
        case _:
            return SENTENCES


def some(*options, most=3):
    """One or a few of the options."""
    return st.lists(st.sampled_from(options), min_size=1, max_size=most, unique=True)


@st.composite
def plain_sections(draw, families=("mlp", "cnn", "cnn")):
    """The `space` section of an mlp or a cnn without compression."""
    section = {
        "family": draw(st.sampled_from(families)),
        "layers": draw(LAYERS),
        "width": draw(WIDTHS),
        "weight_bits": draw(BITS),
        "activation_bits": draw(st.sampled_from([[8], [4, 32], [32]])),
    }
    if section["family"] == "cnn":
        section["kind"] = draw(some("conv", "separable", "residual"))
        section["kernel"] = draw(st.sampled_from([[1], [3], [1, 3]]))
        section["downsample"] = draw(some("stride", "max_pool"))
    return section


@st.composite
def layered_sections(draw, most_options=3):
    """The `space` section of any family made of layers."""
    section = draw(plain_sections(("mlp", "cnn", "cnn", "text", "transformer", "tagger", "recommender")))
    family = section["family"]
    if family != "cnn":
        section["layers"] = draw(st.sampled_from([0, 1, [0, 1], [0, 2], [1, 3]]))
    if family != "cnn" and draw(st.booleans()):
        section["embedding"] = draw(some(1, 3, 8, most=2))
    if family in ("text", "transformer", "tagger"):
        section["vocabulary"] = draw(some(10, 30, 50, 100, most=2))
    if family == "text":
        section["kernel"] = draw(some(1, 3, most=2))
        section["encoder"] = draw(some("pool", "conv", "gru"))
    if family == "tagger":
        section["encoder"] = draw(some("gru", "transformer"))
    if family in ("transformer", "tagger"):
        section["heads"] = draw(some(1, 2, 3, 8, most=2))
    section["sparsity"] = draw(some(0.0, 0.1, 0.3, 0.5, 0.75, 0.9, most=most_options))
    section["pruning"] = draw(some("structured", "unstructured", most=most_options))
    section["rank"] = draw(some(1.0, 0.75, 0.5, 0.3, 0.1, most=most_options))
    return section


@st.composite
def layered_spaces(draw, sections=layered_sections()):  # noqa: B008
    """The space of any such section, on data that fit."""
    section = draw(sections)
    return space_of(section, draw(data_for(section["family"])))


@st.composite
def custom_sections(draw):
    """The `space` section of a custom space whose conditions name any earlier decisions."""
    decisions = {}
    for number in range(draw(st.integers(1, 6))):
        choices = list(range(draw(st.integers(1, 3))))
        needed = draw(st.lists(st.sampled_from(sorted(decisions)), max_size=2, unique=True)) if decisions else []
        when = {
            name: draw(st.lists(st.sampled_from(decisions[name]["choices"]), min_size=1, unique=True))
            for name in needed
        }
        decisions[f"d{number}"] = {"choices": choices, "when": when}
    return {"family": "custom", "decisions": decisions}


def space_of(section, data=DIGITS):
    """The space that a `space` section spans on data."""
    custom = section["family"] == "custom"
    spec = {
        "name": "sample",
        "task": {"evaluator": "package.module:evaluate"} if custom else {"dataset": "data.csv"},
        "space": section,
        "objectives": {"error" if custom else "params": "min"},
    }
    return build_space(load_spec(spec), data)


any_space = st.one_of(layered_spaces(), custom_sections().map(space_of))


def all_genomes(space, limit=4000):
    """Every genome of a space, found by trying all genes; None where there are more genes than the limit."""
    sizes = [len(decision.options) for decision in space.decisions]
    genes = list(itertools.islice(itertools.product(*map(range, sizes)), limit + 1))
    return None if len(genes) > limit else {make_genome(item, space).genes: make_genome(item, space) for item in genes}


@st.composite
def genes_of(draw, space):
    """Any genes, canonical or not."""
    return tuple(draw(st.integers(0, len(decision.options) - 1)) for decision in space.decisions)
