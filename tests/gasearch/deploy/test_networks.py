"""One network of a search, exported to files."""

import json
from contextlib import closing

import numpy as np
import pytest
import torch
from gasearch_workers.data import load_dataset
from gasearch_workers.export.artifact import read_artifact
from gasearch_workers.export.exporters import EXPORTERS, Exporter
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.messages import Failure, FailureKind

import gasearch
from gasearch.deploy.networks import export_network
from gasearch.deploy.tuning import tune_networks
from gasearch.errors import BadInput, GasearchError
from gasearch.objectives.fitness import FrontChange
from gasearch.search.progress import Silent
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import TRAINED
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.listening import Listening
from tests.doubles.records import candidate, key_of, new_search, outcome_of


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished search for digits: its database, and the key of its most accurate network."""
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "small.yaml"
    path.write_text(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 5"))
    search = gasearch.run(path, db=f"sqlite:///{folder}/store.db")
    return f"sqlite:///{folder}/store.db", search.best("accuracy").key


def test_an_exported_network_keeps_what_the_search_claims(trained, tmp_path):
    url, key = trained
    observer = Listening()
    folder = export_network("small", key[:6], tmp_path / "model", db_url=url, observer=observer)
    content = read_artifact(folder)
    described = content["description"]
    data = load_dataset("digits")
    claimed, measured = described["claimed"], described["measured"]
    logits = run_onnx((folder / "model.onnx").read_bytes(), data.validation.x)
    accuracy = float(np.mean(logits.argmax(axis=1) == data.validation.y))
    assert accuracy == measured["validation_accuracy"]
    assert accuracy == pytest.approx(claimed["accuracy"], abs=0.01)
    assert accuracy > 0.5
    assert measured["test_accuracy"] == pytest.approx(accuracy, abs=0.15)
    assert (folder / "model.gap").stat().st_size == claimed["model_bytes"]
    assert described["key"] == key
    assert observer.notices == [f"training {key} again with its seed"]


def test_an_artifact_says_where_it_comes_from_and_its_module_answers_as_claimed(trained, tmp_path):
    url, key = trained
    folder = export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())
    assert {"README.md", "predict.py", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    described = read_artifact(folder)["description"]
    assert described["provenance"]["search"]["name"] == "small"
    assert described["provenance"]["source"]["dataset"] == "digits"
    validation = load_dataset("digits").validation
    with torch.no_grad():
        logits = gasearch.load(folder)(torch.from_numpy(validation.x)).numpy()
    accuracy = float(np.mean(logits.argmax(axis=1) == validation.y))
    assert accuracy == described["claimed"]["accuracy"]  # the very network that the search has judged
    (folder / "model.gap").write_bytes(b"")
    with pytest.raises(BadInput, match=r"model.gap must have \d+ bytes; it has 0"):
        gasearch.load(folder)


def test_a_form_that_cannot_hold_the_network_is_refused_before_any_training(trained, tmp_path, monkeypatch):
    url, key = trained
    picky = Exporter(name="picky", files=("a.txt",), write=None, refusal=lambda plan: "dense layers")
    monkeypatch.setitem(EXPORTERS.own, "picky", picky)
    observer = Listening()
    for formats, text in (
        (["picky"], "picky can't hold dense layers; forms that can hold this network: onnx, gap, safetensors"),
        (["fortran"], "there is no exporter 'fortran'"),
    ):
        with pytest.raises(BadInput, match=text):
            export_network("small", key, tmp_path / "no", db_url=url, observer=observer, formats=formats)
    assert observer.notices == []
    assert not (tmp_path / "no").exists()


def test_a_network_is_not_exported_over_something_else(trained, tmp_path):
    url, key = trained
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("years of work")
    observer = Listening()
    with pytest.raises(BadInput, match=r"model is not empty and holds no artifact that could be replaced"):
        export_network("small", key, tmp_path / "model", db_url=url, observer=observer)
    assert observer.notices == []
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["thesis.tex"]


def test_a_folder_that_can_t_be_made_is_named(trained, tmp_path):
    url, key = trained
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file/model can't be written: Not a directory"):
        export_network("small", key, tmp_path / "file" / "model", db_url=url, observer=Silent())


def test_a_network_that_no_longer_fits_in_memory_is_named(trained, tmp_path, monkeypatch):
    url, key = trained
    monkeypatch.setattr("gasearch_workers.evaluation.evaluate.free_memory", lambda: 1000)
    with pytest.raises(
        GasearchError, match=rf"network {key} can't be trained on this machine: training needs at least"
    ):
        export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())


def test_a_custom_evaluator_s_network_is_not_ours_to_export_or_tune(url, tmp_path):
    key = gasearch.run(CUSTOM_SPEC, db=url).best("cost").key
    with pytest.raises(BadInput, match="export needs a network that gasearch trains itself; small has a custom evalua"):
        export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())
    with pytest.raises(BadInput, match="tune needs a network that gasearch trains itself"):
        tune_networks("small", [key], trials=1, db_url=url, observer=Silent())


def test_a_network_that_failed_has_nothing_to_export(url, tmp_path):
    with pytest.raises(GasearchError):
        gasearch.run(
            CUSTOM_SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}, "budget": {"evaluations": 30}},
            db=url,
        )
    key = gasearch.open("small", db=url).evaluations()[0].key
    with pytest.raises(BadInput, match=rf"network {key} of small has no measurement: it failed \(user_error: Runtime"):
        export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())


def test_a_network_that_was_stopped_early_has_not_failed_but_has_nothing_to_export_either(url, tmp_path):
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        lease = archive.create_search(new_search("small"), owner="alice", ttl_s=60)
        archive.add_candidates(lease, [candidate(0)])
        stopped = Failure(kind=FailureKind.STOPPED, message="stopped at 1 with accuracy 0.2")
        archive.add_evaluations(lease, [(outcome_of(0, stopped), FrontChange())])
    text = rf"network {key_of(0)} of small has no measurement: its training was stopped at 1 with accuracy 0.2$"
    with pytest.raises(BadInput, match=text):
        export_network("small", key_of(0), tmp_path / "model", db_url=url, observer=Silent())


def test_a_tuned_export_trains_by_the_best_recipe_that_was_found(trained, tmp_path):
    url, key = trained
    observer = Silent()
    [tuned] = tune_networks("small", [key], trials=2, db_url=url, observer=observer)
    best = tuned.best
    folder = export_network("small", key, tmp_path / "tuned", db_url=url, observer=observer, is_tuned=True)
    story = json.loads((folder / "model.json").read_text())["description"]
    assert story["recipe"] == json.loads(best.recipe_json)
    assert story["measured"]["validation_accuracy"] == pytest.approx(best.value, abs=0.01)


def test_a_finalist_is_exported_as_its_best_final_training_left_it_without_another_one(trained, tmp_path):
    url, key = trained
    search = gasearch.open("small", db=url)
    search.finalize(key, seeds=3, epochs=2)
    best = max(search.final_trainings(key), key=lambda one: (one.metrics["accuracy"], -one.number))
    observer = Listening()
    folder = export_network("small", key, tmp_path / "final", db_url=url, observer=observer)
    assert observer.notices == [f"taking {key} from its final training with seed {best.number}"]
    with closing(open_reader(url)) as reader:
        search_id = reader.search("small").id
        [stored] = [one for one in reader.finals(search_id, key) if one.number == best.number]
        assert (folder / "model.gap").read_bytes() == reader.final_network(search_id, stored.id)
    story = json.loads((folder / "model.json").read_text())["description"]
    assert (story["seed"], story["recipe"]["epochs"], story["claimed"]) == (best.seed, 2, best.metrics)
    assert story["measured"]["validation_accuracy"] == pytest.approx(best.metrics["accuracy"], abs=0.01)
    told = story["provenance"]["final"]
    assert (told["test"], len(told["seeds"]), told["chosen_by"]) == (best.test, 3, "validation accuracy")


def test_a_tuned_export_without_a_tuned_recipe_names_the_command_that_finds_one(trained, tmp_path):
    url, tuned = trained
    untuned = next(one.key for one in gasearch.open("small", db=url).evaluations() if one.key != tuned)
    with pytest.raises(
        BadInput, match=f"no recipe was tuned for network {untuned}; find one with: gasearch tune small"
    ):
        export_network("small", untuned, tmp_path / "no", db_url=url, observer=Silent(), is_tuned=True)
