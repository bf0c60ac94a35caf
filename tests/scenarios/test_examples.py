"""The examples: each is a valid spec, and workable on the data that it is for."""

from pathlib import Path

import pytest
from gasearch_workers.data import is_named

from gasearch.jobs.spec_check import report
from gasearch.space.build import build_space
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec
from tests.real_data import real

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

#: The data of each example, and how its report begins.
ON_FILES = [
    ("mnist", "mnist/mnist.npz", "classification of mnist by cnn (50,000 training samples of 1 x 28 x 28, 10 classes)"),
    ("cifar10", "cifar10_small/cifar10_small.npz", "(8,000 training samples of 3 x 32 x 32, 10 classes)"),
    ("sentiment", "sst2", "classification of sst2 by text (6,920 training samples of 40 tokens"),
    ("sentiment-transformer", "sst2", "classification of sst2 by transformer (6,920 training samples of 40 tokens"),
    ("emotion", "tweeteval_emotion", "of tweeteval_emotion by text (3,257 training samples of 40 tokens"),
    ("entities", "wnut17", "tagging of wnut17 by tagger (3,394 training samples of 64 tokens"),
    ("adult", "adult/adult.csv.gz", "training samples of 14 columns, 8 of them categories, 2 classes)"),
    ("movielens", "movielens_small/ratings.csv.gz", "training samples of 610 users and 9,724 items)"),
]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_a_valid_spec_under_its_own_name(path):
    spec = load_spec(path)
    assert spec.name == path.stem or path.stem == "custom"
    assert len(spec.objectives) > 1


@pytest.mark.data
@pytest.mark.parametrize(("name", "data", "line"), ON_FILES, ids=[name for name, _, _ in ON_FILES])
def test_an_example_is_workable_on_its_data(name, data, line):
    target = ["task.target=income-per-year"] if name == "adult" else []
    text = report(load_spec(EXAMPLES / f"{name}.yaml", [f"task.dataset={real(data)}", *target]))
    assert line in text
    assert " evaluations" in text


@pytest.mark.parametrize("name", [name for name, _, _ in ON_FILES])
def test_an_example_on_public_data_says_where_they_are_and_what_brings_them(name):
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"gasearch data examples/{name}.yaml" in text
    assert f"gasearch run examples/{name}.yaml --set task.dataset=PATH" in text
    assert is_named(load_spec(EXAMPLES / f"{name}.yaml").task.dataset)


def test_the_digits_example_is_workable():
    assert "space     about 8.4e10 networks" in report(load_spec(EXAMPLES / "digits.yaml"))


def test_the_diabetes_example_is_workable():
    text = report(load_spec(EXAMPLES / "diabetes.yaml"))
    assert text.startswith("diabetes: regression of diabetes by mlp (283 training samples of 10 columns)")


def test_the_custom_example_is_workable_and_its_evaluator_answers(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    spec = load_spec(EXAMPLES / "custom.yaml")
    assert "space     420 networks" in report(spec)
    import lookup_table

    space = build_space(spec)
    for genes in ([0] * 5, [len(decision.options) - 1 for decision in space.decisions]):
        choices = decode(make_genome(genes, space), space).as_dict()
        metrics = lookup_table.evaluate(choices, None, None)
        assert set(spec.wanted_metrics()) <= set(metrics)
    assert metrics["error"] < 0.001  # the largest table is exact to 12 bits
