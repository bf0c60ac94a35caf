"""Random specs of small spaces, as hypothesis strategies, and all the genomes of a space."""

import itertools

from hypothesis import strategies as st

from gasearch.space.build import build_space
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec

WIDTHS = st.lists(st.sampled_from([1, 2, 3, 8, 16]), min_size=1, max_size=2, unique=True)
BITS = st.sampled_from([[8], [2, 8], [32], [4, 32], [3, 8, 32]])
LAYERS = st.sampled_from([1, 2, [1, 2], [1, 3]])
IMAGES = st.sampled_from([(1, 8, 8), (3, 20, 3), (8, 4, 4), (2, 17, 17)])


@st.composite
def layered_sections(draw):
    """The `space` section of an mlp or a cnn."""
    section = {
        "family": draw(st.sampled_from(["mlp", "cnn", "cnn"])),
        "layers": draw(LAYERS),
        "width": draw(WIDTHS),
        "weight_bits": draw(BITS),
        "activation_bits": draw(st.sampled_from([[8], [4, 32], [32]])),
    }
    if section["family"] == "cnn":
        kinds = st.sampled_from(["conv", "separable", "residual"])
        section["kind"] = draw(st.lists(kinds, min_size=1, max_size=3, unique=True))
        section["kernel"] = draw(st.sampled_from([[1], [3], [1, 3]]))
    return section


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


def space_of(section):
    """The space that a `space` section spans."""
    custom = section["family"] == "custom"
    spec = {
        "name": "sample",
        "space": section,
        "objectives": {"error": "min"} if custom else {"accuracy": "max"},
    } | ({"task": {"evaluator": "package.module:evaluate"}} if custom else {})
    return build_space(load_spec(spec))


def all_genomes(space, limit=4000):
    """Every genome of a space, found by trying all genes; None where there are more genes than the limit."""
    sizes = [len(decision.options) for decision in space.decisions]
    genes = list(itertools.islice(itertools.product(*map(range, sizes)), limit + 1))
    return None if len(genes) > limit else {make_genome(item, space).genes: make_genome(item, space) for item in genes}


@st.composite
def genes_of(draw, space):
    """Any genes, canonical or not."""
    return tuple(draw(st.integers(0, len(decision.options) - 1)) for decision in space.decisions)
