"""What a network begins with, and the data that it refuses."""

import pytest
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.plan import PlanError, plan

HEAD = Layer(kind="linear", width=2)
EMBEDDING = Layer(kind="embedding", width=4)


def names(family, shape, categories):
    layers = (EMBEDDING, HEAD) if categories else (HEAD,)
    blueprint = Blueprint(family=family, input_shape=shape, layers=layers, categories=categories)
    return [step.name for step in plan(blueprint).steps]


def test_each_family_takes_its_codes_in():
    assert names("mlp", (5,), ()) == ["head"]
    assert names("mlp", (5,), (3, 4)) == ["embedding0", "embedding1", "features", "head"]
    assert names("text", (9, 3), (30, 4, 5)) == [
        "embedding0", "embedding1", "tokens", "embedding2", "tokens2", "pool", "head"
    ]  # fmt: skip
    assert names("recommender", (2,), (30, 4)) == ["embedding1", "embedding0", "interaction", "features", "head"]


@pytest.mark.parametrize(
    ("family", "shape", "categories", "text"),
    [
        ("text", (9,), (), "family text needs the number of codes per column; got no categories"),
        ("text", (9,), (30, 4), r"2 codes per token don't fit an input of \(9,\)"),
        ("recommender", (3,), (3, 4, 5), r"needs two columns of codes; got an input of \(3,\)"),
    ],
)
def test_data_that_do_not_fit_are_refused(family, shape, categories, text):
    with pytest.raises(PlanError, match=text):
        names(family, shape, categories)
