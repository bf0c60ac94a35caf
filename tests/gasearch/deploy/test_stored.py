"""What is stored of a search, made ready to train again."""

import json
from contextlib import closing
from dataclasses import replace

import pytest
from gasearch_workers.messages import Failure, FailureKind, Fidelity, network_to_json

import gasearch
from gasearch.deploy.stored import (
    layered_setup,
    measured_network,
    primary_metric,
    request_from_scratch,
    require_same_search,
)
from gasearch.errors import BadInput, UnknownSearch, WrongState
from gasearch.objectives.fitness import FrontChange
from gasearch.search.progress import Silent
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.records import candidate, key_of, new_search, outcome_of

SPEC = {
    "name": "digits",
    "seed": 3,
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 1], "width": [4, 8], "weight_bits": [4]},
    "objectives": {"accuracy": "max"},
    "recipe": {"epochs": 2, "data_share": 0.5, "inherit": True, "learning_rate": 0.02},
    "evolution": {"population": 4},
    "budget": {"evaluations": 4},
    "workers": {"count": 0},
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('stored')}/store.db"
    gasearch.run(SPEC, db=url)
    return url


@pytest.fixture
def reader(url):
    with closing(open_reader(url)) as opened:
        yield opened


def test_a_network_is_asked_for_from_scratch_on_all_data(reader):
    record = reader.search("digits")
    network = next(iter(reader.networks(record.id)))
    setup = layered_setup(reader, record, "export", Silent())
    request = request_from_scratch(setup, measured_network(reader, record, network.key[:8]))
    assert (request.key, request.seed) == (network.key, network.seed)
    assert network_to_json(request.network) == network.network_json
    assert request.fidelity == Fidelity(epochs=2)
    assert (request.recipe.learning_rate, request.recipe.is_inheriting) == (0.02, False)
    assert request.parents == ()
    assert primary_metric(record) == "accuracy"


def test_other_data_and_custom_spaces_are_refused(reader, tmp_path):
    record = reader.search("digits")
    other = replace(record, data_json=json.dumps(json.loads(record.data_json) | {"fingerprint": "f00d"}))
    with pytest.raises(WrongState, match="began with data of fingerprint f00d"):
        layered_setup(reader, other, "export", Silent())
    custom = gasearch.run(CUSTOM_SPEC, db=tmp_path / "custom.db")
    text = "tune needs a network that gasearch trains itself; small has a custom evaluator"
    with closing(open_reader(f"sqlite:///{tmp_path}/custom.db")) as others, pytest.raises(BadInput, match=text):
        layered_setup(others, others.search(custom.name), "tune", Silent())


def test_a_network_without_a_measurement_is_refused_with_the_reason(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        lease = archive.create_search(new_search("small"), owner="alice", ttl_s=60)
        archive.add_candidates(lease, [candidate(number) for number in range(3)])
        for number, kind in enumerate((FailureKind.STOPPED, FailureKind.DIVERGED)):
            failed = Failure(kind=kind, message="stopped at 1 with accuracy 0.2")
            archive.add_evaluations(lease, [(outcome_of(number, failed), FrontChange())])
        record = archive.search("small")
        for number, text in enumerate(
            [
                r"its training was stopped at 1 with accuracy 0.2$",
                r"it failed \(diverged: stopped at 1 with accuracy 0.2\)$",
                "not evaluated yet$",
            ]
        ):
            message = f"network {key_of(number)} of small has no measurement: {text}"
            with pytest.raises(BadInput, match=message):
                measured_network(archive, record, key_of(number))
        with pytest.raises(UnknownSearch):
            measured_network(archive, record, "zzz")


def test_a_search_that_took_the_place_of_a_deleted_one_is_another_one(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    with closing(open_archive(url, notice=print)) as archive:
        for _ in range(2):
            lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
            archive.release(lease, state=SearchStatus.STOPPED, reason="")
            record = archive.search("digits")
            require_same_search(archive, record)
            archive.delete_search("digits")
        with pytest.raises(UnknownSearch, match="there is no search named 'digits'"):
            require_same_search(archive, record)
        archive.create_search(new_search(), owner="alice", ttl_s=600.0)
        assert archive.search("digits").id == record.id  # as SQLite gives numbers
        with pytest.raises(UnknownSearch, match="digits was deleted meanwhile, and another search has its name"):
            require_same_search(archive, record)
