"""What is done with one network of a search: export it to files, tune its recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gasearch_workers.messages import PRIMARY, Blueprint, EvaluationRequest, FailureKind, Fidelity, network_from_json
from gasearch_workers.network.plan import plan
from gasearch_workers.network.registry import UnknownName

from gasearch.deploy.provenance import provenance
from gasearch.deploy.tuning import best_recipe, tune
from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.setup import Setup, require_same_data, set_up, with_teacher_outputs
from gasearch.search.progress import Observer
from gasearch.settings import database_patience_s
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import (
    EvaluatedNetwork,
    SearchRecord,
    TuningTrial,
)
from gasearch.storage.sql import open_archive, open_reader


@left_as_found()
def export_network(
    name: str,
    key: str,
    directory: Path | str,
    *,
    db_url: str,
    observer: Observer,
    is_tuned: bool = False,
    formats: Sequence[str] | None = None,
) -> Path:
    """Train one network again as it was evaluated, and write it as an artifact: every file that its user needs.

    A search may screen its networks on a share of the data or with inherited weights; what is exported is trained from
    scratch on all of the training split.

    With `is_tuned`, train it by the best recipe that `tune_network` has found instead of the search's.

    The scores in `model.json` are those of the written graph, run by ONNX Runtime, on the validation split and on the
    test split, which no search uses.

    Args:
        name: Of the search.
        key: Of the network, or a beginning of it.
        directory: To be filled.
        db_url: Where the search is stored.
        observer: Watches.
        is_tuned: Whether the best recipe that was tuned takes the place of the search's.
        formats: Names of exporters to write besides, "all" for those that can hold the network; None: the usual ones.

    Raises:
        UnknownSearch: if there is no such search or network.
        BadInput: for a network without a measurement, a custom space, a tuned recipe where none was found, a form that
            nothing writes or that can't hold the network, or a folder that holds something else or can't be written.
        GasearchError: if it can't be trained here.
    """
    from gasearch_workers.evaluation.evaluate import Evaluator
    from gasearch_workers.evaluation.export import export
    from gasearch_workers.export.artifact import ArtifactError, require_free

    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        network = _measured(reader, record, key)
        found = best_recipe(reader.trials(record.id, network.key), _metric(record)) if is_tuned else None
    if is_tuned and found is None:
        raise BadInput(f"no recipe was tuned for network {network.key}; find one with: gasearch tune {name} {key}")
    _require_forms(network, formats)
    setup = _layered_setup(record, "export", observer)
    assert setup.data is not None
    request = _request(setup, network)
    if found is not None:
        request = replace(request, recipe=found[0], fidelity=Fidelity(epochs=found[0].epochs))
    try:
        require_free(directory)
        observer.on_notice(f"training {network.key} again with its seed")
        return export(
            request,
            Path(directory),
            evaluator=Evaluator(setup.data),
            data=setup.data,
            claimed=network.metrics,
            formats=formats,
            provenance=provenance(record, setup.spec),
        )
    except (ArtifactError, UnknownName) as error:
        raise BadInput(str(error)) from error
    except OSError as error:
        raise BadInput(f"{directory} can't be written: {error.strerror}; name another folder with -o") from error
    except (ArithmeticError, MemoryError) as error:
        raise GasearchError(f"network {network.key} can't be trained on this machine: {error}") from error


@left_as_found()
def tune_network(name: str, key: str, *, trials: int, db_url: str, observer: Observer) -> list[TuningTrial]:
    """Try recipes for one network, and store each; returns all trials of that network, earlier ones too.

    Args:
        name: Of the search.
        key: Of the network, or a beginning of it.
        trials: How many further recipes to try.
        db_url: Where the search is stored.
        observer: Watches.

    Raises:
        UnknownSearch: if there is no such search or network.
        BadInput: for a network without a measurement, or a custom space.
    """
    from gasearch_workers.evaluation.evaluate import Evaluator

    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        network = _measured(reader, record, key)
    setup = _layered_setup(record, "tune", observer)
    assert setup.data is not None
    evaluator, metric = Evaluator(setup.data), PRIMARY[setup.data.kind]
    with closing(open_archive(db_url, notice=observer.on_notice)) as archive:
        archive.be_patient(database_patience_s(), notice=observer.on_notice)
        earlier = archive.trials(record.id, network.key)

        def store(trial: TuningTrial) -> None:
            archive.add_trial(record.id, trial)
            value = trial.message if trial.value is None else f"{metric} {trial.value:.4f}"
            observer.on_notice(f"trial {trial.number}: {value}")

        tune(
            _request(setup, network),
            earlier=earlier,
            trials=trials,
            seed=setup.spec.seed,
            metric=metric,
            evaluate=evaluator.evaluate,
            store=store,
        )
        return archive.trials(record.id, network.key)


def _require_forms(network: EvaluatedNetwork, formats: Sequence[str] | None) -> None:
    """Refuse forms that nothing writes, or that can't hold the network, before anything is trained, a teacher too."""
    from gasearch_workers.export.artifact import ArtifactError, chosen_forms

    found = network_from_json(network.network_json)
    if isinstance(found, Blueprint):
        try:
            chosen_forms(formats, plan(found))
        except (ArtifactError, UnknownName) as error:
            raise BadInput(str(error)) from error


def _metric(record: SearchRecord) -> str:
    """The primary score of the search's task, by which its recipes are tuned; of a custom space any will do."""
    kind = json.loads(record.data_json).get("kind", "classification")
    return PRIMARY[kind]


def _measured(reader: ArchiveReader, record: SearchRecord, key: str) -> EvaluatedNetwork:
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


def _layered_setup(record: SearchRecord, command: str, observer: Observer) -> Setup:
    spec = SearchSpec.from_json(record.spec_json)
    if spec.is_custom:
        raise BadInput(f"{command} needs a network that gasearch trains itself; {record.name} has a custom evaluator")
    setup = set_up(spec, observer.on_notice)
    require_same_data(record, setup.data)
    return with_teacher_outputs(setup, device="cpu", notice=observer.on_notice)


def _request(setup: Setup, network: EvaluatedNetwork) -> EvaluationRequest:
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
