"""Whole searches with a teacher, inherited weights and a share of the data."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.export.artifact import read_artifact

from gasearch.deploy.networks import export_network
from gasearch.deploy.tuning import tune_networks
from gasearch.errors import BadInput, SpecError, UnknownSearch
from gasearch.jobs.setup import set_up, with_teacher_outputs
from gasearch.jobs.start import go_on, launch
from gasearch.settings import cache_folder
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader
from tests.doubles.listening import Listening

SPEC = {
    "name": "small",
    "seed": 5,
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 2], "width": [4, 8, 16], "weight_bits": [4, 8], "sparsity": [0.0, 0.5]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
    "recipe": {"epochs": 1, "batch_size": 32, "data_share": 0.5},
    "evolution": {"population": 4, "replicates": 0},
    "early_stop": False,
    "budget": {"evaluations": 8},
    "workers": {"count": 0},
}
NOTICE = "training the teacher: the largest network of the space, once"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


def spec(**recipe):
    return SPEC | {"recipe": SPEC["recipe"] | recipe}


def run(spec, url, *, listening=None):

    return launch(load_spec(spec), db_url=url, observer=listening or Listening())


# --- the teacher ------------------------------------------------------------------------------------------------


def test_the_largest_network_teaches_a_search_and_is_trained_once(url, cache):
    distilled = spec(distillation={"teacher": "largest"})
    first, second = Listening(), Listening()
    run(distilled, url, listening=first)
    run(distilled | {"name": "again"}, url, listening=second)
    assert (NOTICE in first.notices, NOTICE in second.notices) == (True, False)
    [kept] = (cache / "teachers").iterdir()
    assert np.load(kept, allow_pickle=False).shape == (1150, 10)


def test_a_teacher_changes_what_its_students_learn(url):
    alone = run(spec(), url)
    heard = run(spec(distillation={"teacher": "largest"}) | {"name": "heard"}, url)
    with closing(open_reader(url)) as reader:
        curves = [[n.curve_json for n in reader.front(record.id)] for record in (alone, heard)]
    assert curves[0] != curves[1]


def test_the_teacher_is_the_largest_network_at_full_precision(monkeypatch, cache):
    from gasearch_workers.evaluation import teacher

    seen = []
    monkeypatch.setattr(teacher, "train_teacher", lambda network, *_, **__: seen.append(network) or np.zeros((1, 1)))
    with_teacher_outputs(set_up(load_spec(spec(distillation={"teacher": "largest"}))), device="cpu", notice=print)
    [network] = seen
    assert [layer.width for layer in network.layers] == [16, 16, 10]
    assert {(layer.weight_bits, layer.activation_bits, layer.sparsity, layer.rank) for layer in network.layers} == {
        (32, 32, 0.0, 1.0)
    }


def test_a_teacher_that_does_not_fit_is_refused_and_nothing_is_stored(url, tmp_path):
    with pytest.raises(SpecError, match=r"recipe\.distillation\.teacher: the teacher .*gone\.onnx can't be read"):
        run(spec(distillation={"teacher": str(tmp_path / "gone.onnx")}), url)
    with closing(open_reader(url)) as reader, pytest.raises(UnknownSearch):
        reader.search("small")


# --- inherited weights ------------------------------------------------------------------------------------------


def test_children_begin_with_the_weights_that_their_search_kept(url, cache):
    record = run(spec(inherit=True), url)
    with closing(open_reader(url)) as reader:
        networks = [reader.network(record.id, one.key) for one in reader.candidates(record.id)]
    [folder] = (cache / "weights").iterdir()
    assert {path.stem for path in folder.iterdir()} == {network.key for network in networks}
    seen = {network.metrics["images_seen"] for network in networks}
    assert min(seen) == 575
    assert max(seen) >= 1150


def test_a_resumed_search_goes_on_with_its_own_weights(url, cache):
    run(spec(inherit=True), url)
    go_on("small", db_url=url, observer=Listening(), evaluations=12)
    [folder] = (cache / "weights").iterdir()
    assert len(list(folder.iterdir())) == 12


def test_two_searches_do_not_share_weights(url, cache):
    run(spec(inherit=True), url)
    run(spec(inherit=True) | {"name": "again"}, url)
    assert len(list((cache / "weights").iterdir())) == 2


def test_weights_that_can_t_be_kept_are_refused_before_any_training(url, cache):
    cache.write_text("a file in the way")
    with pytest.raises(BadInput, match=r"inherited weights need a folder, and .* can't be made"):
        run(spec(inherit=True), url)


# --- finalists --------------------------------------------------------------------------------------------------


def test_a_finalist_is_trained_from_scratch_on_all_data(url, tmp_path, cache):
    record = run(spec(inherit=True, distillation={"teacher": "largest"}), url)
    with closing(open_reader(url)) as reader:
        key = reader.front(record.id)[0].key
    before = sorted((cache / "weights").rglob("*.npz"))
    listening = Listening()
    folder = export_network("small", key, tmp_path / "out", db_url=url, observer=listening)
    described = read_artifact(folder)["description"]
    assert described["recipe"]["is_inheriting"] is False
    assert described["measured"]["validation_accuracy"] > 0
    assert NOTICE not in listening.notices
    assert sorted((cache / "weights").rglob("*.npz")) == before


def test_tuning_tells_the_task_s_own_score(url):
    record = run(
        SPEC
        | {
            "task": {"dataset": "diabetes"},
            "objectives": {"rmse": "min", "model_bytes": "min"},
            "recipe": {"epochs": 1, "batch_size": 32},
        },
        url,
    )
    with closing(open_reader(url)) as reader:
        network = reader.front(record.id)[0]
    listening = Listening()
    [tuned] = tune_networks("small", [network.key], trials=2, db_url=url, observer=listening)
    assert tuned.trials[0].value == pytest.approx(network.metrics["rmse"])
    assert any(notice.startswith("trial 0: rmse ") for notice in listening.notices)


def test_tuning_a_taught_network_tunes_the_teacher_s_temperature_with_the_same_teacher(url):
    record = run(spec(distillation={"teacher": "largest"}, data_share=1.0), url)
    with closing(open_reader(url)) as reader:
        network = reader.front(record.id)[0]
    listening = Listening()
    [tuned] = tune_networks("small", [network.key], trials=4, db_url=url, observer=listening)
    assert tuned.trials[0].value == network.metrics["accuracy"]
    temperatures = [json.loads(trial.recipe_json)["temperature"] for trial in tuned.trials]
    assert (temperatures[0], len(set(temperatures))) == (2.0, 4)
    assert NOTICE not in listening.notices


# --- the cache --------------------------------------------------------------------------------------------------


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("GASEARCH_CACHE", "here")
    assert cache_folder() == Path.cwd() / "here"  # workers run elsewhere
    monkeypatch.delenv("GASEARCH_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "gasearch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "gasearch"
