"""What is stored of a search, made ready to train its networks again."""

from __future__ import annotations

import json
from dataclasses import replace

from gasearch_workers.messages import PRIMARY, EvaluationRequest, FailureKind, Fidelity, network_from_json

from gasearch.errors import BadInput, UnknownSearch
from gasearch.jobs.anchors import with_recipe_found
from gasearch.jobs.resume import compiler_at_start
from gasearch.jobs.setup import Setup, require_same_data, set_up
from gasearch.search.progress import Observer
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork, SearchRecord


def measured_network(reader: ArchiveReader, record: SearchRecord, key: str) -> EvaluatedNetwork:
    """A network that the search has measured.

    Args:
        reader: Of the store.
        record: Of the search.
        key: Of the network, or a beginning of it.

    Raises:
        UnknownSearch: if not exactly one key begins so.
        BadInput: if it has no measurement, saying why.
    """
    network = reader.network(record.id, key)
    match network.failure:
        case None if network.metrics:
            return network
        case None:
            state = "not evaluated yet"
        case FailureKind.STOPPED:
            state = f"its training was {network.failure_message}"  # "stopped at 1 with ..."
        case kind:
            state = f"it failed ({kind}: {network.failure_message})"
    raise BadInput(f"network {network.key} of {record.name} has no measurement: {state}")


def require_same_search(reader: ArchiveReader, record: SearchRecord) -> None:
    """Refuse to store anything for a search that was deleted: SQLite may have given its number to another one.

    Args:
        reader: Of the store.
        record: Of the search, as the work for it began.

    Raises:
        UnknownSearch: if it is gone, or another one has its name.
    """
    found = reader.search(record.name)
    if (found.id, found.created_at) != (record.id, record.created_at):
        raise UnknownSearch(f"{record.name} was deleted meanwhile, and another search has its name: nothing was stored")


def layered_setup(reader: ArchiveReader, record: SearchRecord, command: str, observer: Observer) -> Setup:
    """The setup of a search whose networks gasearch trains itself, with the recipe that was tuned for it.

    Args:
        reader: Of the store.
        record: Of the search.
        command: What wants it, for the error.
        observer: Takes notices.

    Raises:
        BadInput: for a custom space, or data that have changed.
    """
    spec = SearchSpec.from_json(record.spec_json)
    if spec.is_custom:
        raise BadInput(f"{command} needs a network that gasearch trains itself; {record.name} has a custom evaluator")
    setup = set_up(spec, observer.on_notice, compiler_at_start(reader, record))
    require_same_data(record, setup.data)
    return with_recipe_found(setup, reader, record.id)


def request_from_scratch(setup: Setup, network: EvaluatedNetwork) -> EvaluationRequest:
    """The evaluation as the search made it, save that it begins from scratch and sees the whole training split."""
    assert network.seed is not None
    recipe = replace(setup.problem.recipe, is_inheriting=False)
    return EvaluationRequest(
        key=network.key,
        attempt=1,
        network=network_from_json(network.network_json),
        recipe=recipe,
        task=setup.problem.task,
        seed=network.seed,
        fidelity=Fidelity(epochs=recipe.epochs),
        time_limit_s=None,
    )


def primary_metric(record: SearchRecord) -> str:
    """The primary score of the search's task, by which its recipes are tuned; of a custom space any will do."""
    kind = json.loads(record.data_json).get("kind", "classification")
    return PRIMARY[kind]
