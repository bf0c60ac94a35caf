"""Networks trained from scratch with fresh seeds: what is stored, what is left out, what goes on after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.packed import unpack
from gasearch_workers.messages import network_from_json
from gasearch_workers.network.plan import plan
from gasearch_workers.training.resident import target_of

import gasearch
from gasearch.deploy.finalize import final_seed, finalize
from gasearch.errors import BadInput, GasearchError, Interrupted, UnknownSearch
from gasearch.search.problem import training_seed
from gasearch.search.progress import Silent
from gasearch.storage.records import TuningTrial
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import TRAINED
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.listening import Listening
from tests.workers.graph_checks import graph_scores

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with the database of a finished search for digits."""
    folder = tmp_path_factory.mktemp("searched")
    path = folder / "small.yaml"
    path.write_text(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 4"))
    gasearch.run(path, db=f"sqlite:///{folder}/store.db")
    return folder


@pytest.fixture
def url(searched, tmp_path):
    """A copy of it."""
    shutil.copy(searched / "store.db", tmp_path / "store.db")
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def keys(url):
    return [one.key for one in gasearch.open("small", db=url).evaluations()][:2]


def finals_in(url):
    with closing(open_reader(url)) as reader:
        return reader.finals(reader.search("small").id)


def network_of(url, final):
    with closing(open_reader(url)) as reader:
        return reader.final_network(reader.search("small").id, final.id)


def what_repeats(url):
    """Of each training what the same seed gives again."""
    timed = {"train_seconds", "efficiency"}
    return sorted(
        (one.key, one.number, one.seed, [pair for pair in one.metrics if pair[0] not in timed], one.test,
         network_of(url, one))
        for one in finals_in(url)
    )  # fmt: skip


def test_every_network_is_trained_with_each_of_its_seeds_and_kept(url, keys):
    observer = Listening()
    finalize("small", [keys[0][:6], keys[1]], seeds=2, epochs=3, db_url=url, observer=observer)
    stored = finals_in(url)
    assert sorted((one.key, one.number) for one in stored) == sorted((key, n) for key in keys for n in range(2))
    assert len({one.seed for one in stored}) == 4
    assert {one.epochs for one in stored} == {json.loads(one.recipe_json)["epochs"] for one in stored} == {3}
    assert observer.notices[0] == "2 networks x 2 seeds = 4 trainings of 3 epochs"
    assert [notice.partition(":")[0] for notice in observer.notices[1:]] == [f"{n} of 4" for n in range(1, 5)]
    data = load_dataset("digits")
    blueprints = {one.key: network_from_json(one.network_json) for one in gasearch.open("small", db=url).evaluations()}
    for one in stored:
        network = unpack(network_of(url, one))
        assert network.plan == plan(blueprints[one.key])
        assert one.size_bytes == dict(one.metrics)["model_bytes"]
        graph = to_onnx(network).SerializeToString()
        assert dict(one.metrics)["accuracy"] == pytest.approx(
            graph_scores(graph, data.validation, target_of(data))["accuracy"], abs=0.01
        )
        assert dict(one.test)["accuracy"] == pytest.approx(
            graph_scores(graph, data.test, target_of(data))["accuracy"], abs=0.01
        )
        assert one.failure is None
        assert one.seconds > 0


def test_a_second_call_trains_only_what_is_missing(url, keys):
    finalize("small", keys[:1], seeds=1, epochs=1, db_url=url, observer=Silent())
    before, observer = finals_in(url), Listening()
    finalize("small", keys, seeds=2, epochs=1, db_url=url, observer=observer)
    assert observer.notices[0] == "2 networks x 2 seeds = 4 trainings of 1 epoch; 1 of them are done already"
    assert len(observer.notices) == 4
    assert finals_in(url)[:1] == before
    observer = Listening()
    finalize("small", keys, seeds=2, epochs=1, db_url=url, observer=observer)
    assert observer.notices == ["2 networks x 2 seeds = 4 trainings of 1 epoch; all of them are done already"]


def test_a_finalize_that_is_killed_goes_on_and_ends_as_an_undisturbed_one(url, keys, tmp_path):
    shutil.copy(tmp_path / "store.db", tmp_path / "other.db")
    other = f"sqlite:///{tmp_path}/other.db"
    options = ["--seeds", "3", "--epochs", "2", "--workers", "0", "--db", other]
    process = subprocess.Popen(
        [sys.executable, "-m", "gasearch", "finalize", "small", *keys, *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    for line in process.stderr:
        if line.startswith("2 of 6"):
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    half = finals_in(other)
    assert 2 <= len(half) < 6
    finalize("small", keys, seeds=3, epochs=2, db_url=other, observer=Silent())
    assert finals_in(other)[: len(half)] == half
    finalize("small", keys, seeds=3, epochs=2, db_url=url, observer=Silent())
    assert what_repeats(other) == what_repeats(url)


def test_an_interrupt_names_the_command_that_goes_on(url, keys):
    class Pressing(Listening):
        def on_notice(self, message):
            super().on_notice(message)
            if message.startswith("1 of 3"):
                os.kill(os.getpid(), signal.SIGINT)

    command = f"gasearch finalize small {keys[0]} --seeds 3 --epochs 1 --workers 0"
    with pytest.raises(Interrupted, match=rf"go on with: {command}$"):
        finalize("small", keys[:1], seeds=3, epochs=1, workers=0, db_url=url, observer=Pressing())
    assert 1 <= len(finals_in(url)) < 3


def test_a_training_that_diverges_is_a_typed_failure_beside_those_that_succeed(url, keys):
    with closing(open_archive(url, notice=print)) as archive:
        search_id, recipe = archive.search("small").id, {"epochs": 1, "learning_rate": 1e30, "optimizer": "sgd"}
        for key, value in ((keys[0], 0.9), (keys[1], None)):
            trial = TuningTrial(
                key=key, study="recipe", number=0, recipe_json=json.dumps(recipe), value=value, message=""
            )
            archive.add_trial(search_id, trial)
    with pytest.raises(BadInput, match=rf"no recipe was tuned for network {keys[1]}; find one with: gasearch tune s"):
        finalize("small", keys, is_tuned=True, db_url=url, observer=Silent())
    text = rf"2 of 2 trainings failed: {keys[0]} with seed 0: diverged: .*; the others are stored, see: gasearch front"
    for _ in range(2):  # one that would end so again is not trained again
        observer = Listening()
        with pytest.raises(GasearchError, match=text):
            finalize("small", keys[:1], seeds=2, is_tuned=True, db_url=url, observer=observer)
    assert observer.notices == ["1 network x 2 seeds = 2 trainings of 1 epoch; all of them are done already"]
    stored = finals_in(url)
    assert [(one.failure, one.metrics, one.test, one.size_bytes) for one in stored] == [("diverged", (), (), 0)] * 2


@pytest.mark.parametrize("kind", ["worker_lost", "user_error"])  # the second of a measuring command that is mended
def test_what_failed_and_may_end_differently_is_trained_again(url, keys, kind):
    finalize("small", keys[:1], seeds=1, epochs=1, db_url=url, observer=Silent())
    with closing(open_archive(url, notice=print)) as archive:
        search_id = archive.search("small").id
        [done] = archive.finals(search_id)
        lost = replace(done, number=1, seed=7, failure=kind, message="gone", metrics=(), test=())
        archive.add_final(search_id, lost)
    observer = Listening()
    finalize("small", keys[:1], seeds=2, epochs=1, db_url=url, observer=observer)
    assert observer.notices[0].endswith("1 of them are done already")
    assert [one.failure for one in finals_in(url)] == [None, None]


def test_nothing_is_stored_with_another_search_that_took_the_name_and_number_of_a_deleted_one(url, keys, searched):
    class Replacing(Listening):
        """Deletes the search after its first training, and runs one of the same name."""

        def on_notice(self, message):
            super().on_notice(message)
            if message.startswith("1 of 2"):
                gasearch.open("small", db=url).delete()
                gasearch.run(searched / "small.yaml", db=url)

    with pytest.raises(UnknownSearch, match=r"small was deleted meanwhile, and another search has its name"):
        finalize("small", keys[:1], seeds=2, epochs=1, workers=0, db_url=url, observer=Replacing())
    assert finals_in(url) == []


@pytest.mark.parametrize("key", ["0a", "3f2a9c01d4e5"])
def test_no_final_seed_is_one_of_a_search_s_own(key):
    seeds = {final_seed(5, key, number) for number in range(50)}
    assert len(seeds) == 50
    assert not seeds & {training_seed(5, key, replicate) for replicate in range(50)}
    assert min(seeds) >= 2**31 > max(training_seed(5, key, replicate) for replicate in range(50))
    assert max(seeds) < 2**32


def test_bad_input_is_refused_before_any_training(url, keys, tmp_path, monkeypatch):
    def refused(error, text, *arguments, **options):
        observer = Listening()
        with pytest.raises(error, match=text):
            finalize(*arguments, db_url=options.pop("db_url", url), observer=observer, **options)
        assert observer.notices == []

    refused(BadInput, r"there is no network to finalize: name some by their keys", "small", [])
    refused(BadInput, r"seeds must be from 1 to 100; got 0", "small", keys, seeds=0)
    refused(UnknownSearch, r"there is no search named 'smal'; did you mean 'small'", "smal", keys)
    refused(UnknownSearch, r"no network of this search has a key that begins with 'xyz'", "small", ["xyz"])
    own = f"sqlite:///{tmp_path}/own.db"
    key = gasearch.run(CUSTOM_SPEC, db=own).best("cost").key
    refused(BadInput, "finalize needs a network that gasearch trains itself", "small", [key], db_url=own)
    assert finals_in(url) == []
