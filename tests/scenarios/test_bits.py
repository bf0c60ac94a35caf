"""The bits of a trained network, from a spec to verified files: the example of docs/bits.md, trained shortly."""

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

import gasearch
from gasearch.deploy.networks import export_network
from gasearch.errors import BadInput, SpecError, WrongState
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec

ROOT = Path(__file__).parents[2]
QUICK = ["recipe.epochs=0", "workers.count=0", "budget.evaluations=8", "evolution.population=4"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The example's files with weights of a short training."""
    made = tmp_path_factory.mktemp("bits")
    for name in ("bits.yaml", "digits_net.py"):
        shutil.copy(ROOT / "examples" / name, made)
    sys.path.insert(0, str(made))
    net = importlib.import_module("digits_net")
    save_file(net.train(epochs=8).state_dict(), made / "digits_net.safetensors")
    yield made
    sys.path.remove(str(made))
    del sys.modules["digits_net"]


@pytest.fixture(scope="module")
def url(folder):
    url = f"sqlite:///{folder}/store.db"
    gasearch.run(load_spec(folder / "bits.yaml", QUICK), db=url)
    return url


def test_the_front_trades_bytes_for_accuracy_without_any_training(url) -> None:
    search = gasearch.open("bits", db=url)
    found = search.evaluations()
    assert [network.failure for network in found] == [None] * 8
    eight = next(network for network in found if network.metrics["bops"] == max(n.metrics["bops"] for n in found))
    assert eight.metrics["accuracy"] > 0.9
    assert min(network.metrics["model_bytes"] for network in found) < eight.metrics["model_bytes"] / 2
    assert {network.metrics["images_seen"] for network in found} == {0}


def test_a_point_of_the_front_is_exported_in_every_form_and_keeps_its_claims(url, tmp_path) -> None:
    best = gasearch.open("bits", db=url).front(by="accuracy")[0]
    forms = ["gap", "safetensors", "qdq", "c"]
    folder = export_network("bits", best.key, tmp_path / "model", db_url=url, observer=Silent(), formats=forms)
    assert {"model.onnx", "model.qdq.onnx", "model.gap", "model.safetensors", "model.c"} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / "model.gap").stat().st_size == best.metrics["model_bytes"]
    content = json.loads((folder / "model.json").read_text())
    assert content["blueprint"]["trained"]
    assert content["description"]["measured"]["validation_accuracy"] == pytest.approx(
        best.metrics["accuracy"], abs=0.01
    )
    module = gasearch.load(folder)
    assert module is not None


def test_without_epochs_there_is_nothing_to_tune(url) -> None:
    search = gasearch.open("bits", db=url)
    with pytest.raises(BadInput, match="bits trains for no epoch"):
        search.tune(search.front()[0].key, trials=2)


def test_a_resume_with_other_weights_is_refused(url, folder, tmp_path) -> None:
    path = folder / "digits_net.safetensors"
    before = path.read_bytes()
    save_file(sys.modules["digits_net"].make().state_dict(), path)
    try:
        with pytest.raises(WrongState, match=r"began with the trained network .*: restore both, or run a new search"):
            gasearch.open("bits", db=url).resume(evaluations=12)
    finally:
        path.write_bytes(before)


def test_what_cannot_be_searched_is_refused_with_its_key(folder, tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    rows = [f"{number % 7},{'ab'[number % 2]},{'xyz'[number % 3]}" for number in range(60)]
    (folder / "rows.csv").write_text("\n".join(["size,letter,target", *rows]))
    for change, text in [
        ("space.module=digits_net:nothing", r"space\.module: the module 'digits_net' has no function 'nothing'"),
        ("space.weights=none.safetensors", r"space\.weights: none\.safetensors can't be read: No such file"),
        ("task.dataset=diabetes", r"objectives\.accuracy|space\.module"),
        (
            f"task.dataset={folder}/rows.csv",
            r"space\.family: bits takes tables of numbers alone; .* 1 columns of categories",
        ),
        ("recipe.inherit=true", r"recipe\.inherit: every network begins with the trained weights"),
        ("recipe.tune={trials: 4}", r"recipe\.tune: without epochs there is no training to tune"),
        ("space.deviation=0", r"space\.deviation: what is divided by is above 0; got \[0\.0\]"),
    ]:
        with pytest.raises(SpecError, match=text):
            gasearch.run(load_spec(folder / "bits.yaml", [*QUICK, change]), db=url)
