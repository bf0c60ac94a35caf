"""An ensemble of a real search's final trainings: what it is made of, what it scores and costs, what is refused."""

import shutil
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.packed import unpack

import gasearch
from gasearch.deploy.ensemble import choose_ensemble
from gasearch.errors import BadInput, UnknownSearch
from gasearch.objectives.constraints import parse_limit
from gasearch.search.progress import Silent
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import TRAINED
from tests.doubles.custom_search import CUSTOM_SPEC


@pytest.fixture(scope="module")
def finalized(tmp_path_factory):
    """The database of a search for digits, two networks of which are finalized, before and after that."""
    folder = tmp_path_factory.mktemp("ensemble")
    path = folder / "small.yaml"
    path.write_text(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 4"))
    search = gasearch.run(path, db=f"sqlite:///{folder}/store.db")
    shutil.copy(folder / "store.db", folder / "before.db")
    search.finalize(*[one.key for one in search.evaluations()][:2], seeds=2, epochs=3, workers=0)
    return folder


@pytest.fixture
def url(finalized):
    return f"sqlite:///{finalized}/store.db"


def choose(url, members=3, *limits):
    limits = [parse_limit(text) for text in limits]
    return choose_ensemble("small", members=members, limits=limits, db_url=url, observer=Silent())


def trainings(url):
    with closing(open_reader(url)) as reader:
        return {(one.key, one.number): one for one in reader.finals(reader.search("small").id)}


def test_the_members_are_final_trainings_with_weights_and_the_costs_are_their_sums(url):
    found, stored = choose(url), trainings(url)
    assert (found.metric, found.candidates) == ("accuracy", 4)
    assert 1 <= len(found.members) <= 3
    assert sum(one.weight for one in found.members) == pytest.approx(1)
    assert [one.weight for one in found.members] == sorted((one.weight for one in found.members), reverse=True)
    for one in found.members:
        metrics = dict(stored[one.key, one.number].metrics)
        assert one.validation["accuracy"] == metrics["accuracy"]
        assert one.costs == {name: metrics[name] for name in ("model_bytes", "macs")}
    for cost in ("model_bytes", "macs"):
        assert found.costs[cost] == sum(one.costs[cost] for one in found.members)
    assert "latency_ms" not in found.costs  # this search measures none


def test_the_single_one_is_the_best_by_validation_with_the_scores_that_are_stored(url):
    found, stored = choose(url), trainings(url)
    best = max(dict(one.metrics)["accuracy"] for one in stored.values())
    single = stored[found.single.key, found.single.number]
    assert found.single.validation["accuracy"] == dict(single.metrics)["accuracy"] == best
    assert found.single_test == dict(single.test)
    assert found.validation["accuracy"] >= best


def test_the_ensemble_scores_what_its_members_give_in_onnx_runtime(url):
    found, data, mean = choose(url), load_dataset("digits"), 0.0
    with closing(open_reader(url)) as reader:
        for one in found.members:
            training = trainings(url)[one.key, one.number]
            packed = reader.final_network(reader.search("small").id, training.id)
            logits = run_onnx(to_onnx(unpack(packed)).SerializeToString(), data.test.x).astype(float)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            mean = mean + one.weight * odds / odds.sum(axis=1, keepdims=True)
    assert found.test["accuracy"] == pytest.approx(float((mean.argmax(axis=1) == data.test.y).mean()), abs=0.01)


def test_limits_hold_for_each_member(url):
    sizes = sorted({dict(one.metrics)["model_bytes"] for one in trainings(url).values()})
    assert len(sizes) == 2
    found = choose(url, 3, f"model_bytes <= {sizes[0]}")
    assert found.candidates == 2
    assert {one.costs["model_bytes"] for one in (*found.members, found.single)} == {sizes[0]}
    assert choose(url, 1).members == (choose(url, 1).single,)


def test_the_answer_is_a_row_for_each_member_one_for_all_and_one_for_the_best(url):
    *members, together, single = choose(url).rows()
    assert {row["what"] for row in members} == {"member"}
    assert (together["what"], single["what"]) == ("ensemble", "best single")
    assert {"weight", "accuracy", "test_accuracy", "macro_f1", "model_bytes", "macs"} <= set(together)
    assert not any(name.startswith("test_") for row in members for name in row)


def test_the_same_is_asked_from_python(url):
    found = gasearch.open("small", db=url).ensemble(members=2, where="model_bytes <= 1 MB")
    assert found == choose(url, 2)


def test_what_failed_is_no_candidate(url, finalized, tmp_path):
    shutil.copy(finalized / "before.db", tmp_path / "store.db")
    other = f"sqlite:///{tmp_path}/store.db"
    failed = replace(
        next(iter(trainings(url).values())), id=None, failure="diverged", metrics=(), test=(), size_bytes=0
    )
    with closing(open_archive(other, notice=print)) as archive:
        archive.add_final(archive.search("small").id, failed)
    with pytest.raises(BadInput, match=r"and all 1 failed in 'small'; make some with: gasearch finalize small --top 3"):
        choose(other)


def test_bad_input_says_what_to_do(url, finalized, tmp_path):
    before = f"sqlite:///{finalized}/before.db"
    with pytest.raises(BadInput, match=r"no network was finalized yet in 'small'; make some with: gasearch finalize s"):
        choose(before)
    with pytest.raises(BadInput, match="members must be from 1 to 20; got 0"):
        choose(url, 0)
    with pytest.raises(BadInput, match="no final training of 'small' has 'speed'; there are accuracy"):
        choose(url, 2, "speed <= 1")
    with pytest.raises(BadInput, match="none of the 4 final trainings of 'small' keeps the limits"):
        choose(url, 2, "model_bytes <= 1")
    with pytest.raises(UnknownSearch, match="there is no search named 'smal'"):
        choose_ensemble("smal", db_url=url, observer=Silent())
    own = f"sqlite:///{tmp_path}/own.db"
    name = gasearch.run(CUSTOM_SPEC, db=own).name
    with pytest.raises(BadInput, match="ensemble needs a network that gasearch trains itself"):
        choose_ensemble(name, db_url=own, observer=Silent())
