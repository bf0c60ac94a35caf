"""Each example searches its data for a few evaluations, and ends in an artifact that says what it measured."""

import json
from pathlib import Path

import pytest
from gasearch_workers.export.packed import unpack
from gasearch_workers.messages import network_from_json
from gasearch_workers.network.plan import plan

import gasearch
from gasearch.deploy.networks import export_network
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from tests.real_data import MARK, real

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(300)

SHORT = ["budget.evaluations=3", "evolution.population=4", "recipe.epochs=1", "workers.count=0"]

#: Each example: its data, what makes its evaluations cheap, the score that it is about.
EXAMPLES = {
    "digits": ("digits", [], "accuracy"),
    "mnist": (
        "mnist/mnist.npz",
        ["recipe.data_share=0.02", "space.layers=[1, 1]", "space.width=[2, 3, 4]", "recipe.batch_size=512"],
        "accuracy",
    ),
    "cifar10": (
        "cifar10_small/cifar10_small.npz",
        ["recipe.data_share=0.02", "space.layers=[3, 3]", "space.width=[4, 6, 8]"],
        "accuracy",
    ),
    "sentiment": ("sst2", ["recipe.data_share=0.1", "task.length=16"], "accuracy"),
    "sentiment-transformer": ("sst2", ["recipe.data_share=0.1", "task.length=16"], "accuracy"),
    "emotion": ("tweeteval_emotion", ["recipe.data_share=0.2", "task.length=16"], "macro_f1"),
    "entities": ("wnut17", ["recipe.data_share=0.1", "task.length=16"], "entity_f1"),
    "adult": ("adult/adult.csv.gz", ["task.target=income-per-year", "recipe.data_share=0.1"], "auc"),
    "diabetes": ("diabetes", [], "rmse"),
    "movielens": ("movielens_small/ratings.csv.gz", ["recipe.data_share=0.05"], "rmse"),
}

CARRIED = ("digits", "diabetes")  #: Their data come with scikit-learn; all others are real data from outside.


def test_every_example_that_trains_networks_is_searched_here():
    assert EXAMPLES.keys() == {path.stem for path in (ROOT / "examples").glob("*.yaml")} - {
        *("custom", "own-operators"),
        "bits",  # see test_bits.py
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A teacher is kept nowhere but here."""
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", [name if name in CARRIED else pytest.param(name, marks=MARK) for name in EXAMPLES])
def test_an_example_is_searched_and_its_best_network_exported(name, tmp_path):
    source, cheap, score = EXAMPLES[name]
    dataset = source if name in CARRIED else real(source)
    url = f"sqlite:///{tmp_path}/store.db"
    spec = load_spec(ROOT / f"examples/{name}.yaml", [*SHORT, f"task.dataset={dataset}", *cheap])
    search = gasearch.run(spec, db=url)

    found = search.evaluations()
    assert [network.failure_message for network in found if network.failure is not None] == []
    assert len(found) == 3
    for network in found:
        assert {score, *spec.wanted_metrics(), "peak_memory_bytes", "images_seen", "energy_j"} <= network.metrics.keys()
        assert network.metrics["images_seen"] > 0

    chosen = found[0]
    folder = export_network(name, chosen.key, tmp_path / "model", db_url=url, observer=Silent())
    described = json.loads((folder / "model.json").read_text())["description"]
    assert {f"validation_{score}", f"test_{score}"} <= described["measured"].keys()
    packed = (folder / "model.gap").read_bytes()
    assert len(packed) == chosen.metrics["model_bytes"]
    assert plan(network_from_json(chosen.network_json)) == unpack(packed).plan
