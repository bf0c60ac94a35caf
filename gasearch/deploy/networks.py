"""What is done with one network of a search: export it to files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gasearch_workers.messages import Blueprint, Fidelity, network_from_json
from gasearch_workers.network.plan import plan
from gasearch_workers.network.registry import UnknownName

from gasearch.deploy.provenance import provenance
from gasearch.deploy.stored import layered_setup, measured_network, primary_metric, request_from_scratch
from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.setup import with_teacher_outputs
from gasearch.search.progress import Observer
from gasearch.search.recipe_trials import best_recipe
from gasearch.storage.records import EvaluatedNetwork
from gasearch.storage.sql import open_reader


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
    is_symmetric: bool = False,
) -> Path:
    """Train one network again as it was evaluated, and write it as an artifact: every file that its user needs.

    A search may screen its networks on a share of the data or with inherited weights; what is exported is trained from
    scratch on all of the training split.

    With `is_tuned`, train it by the best recipe that `tune_networks` has found instead of the search's.

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
        is_symmetric: Whether to write the form `qdq` with zero point 0 everywhere.

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
        network = measured_network(reader, record, key)
        found = best_recipe(reader.trials(record.id, network.key), primary_metric(record)) if is_tuned else None
        if is_tuned and found is None:
            raise BadInput(f"no recipe was tuned for network {network.key}; find one with: gasearch tune {name} {key}")
        _require_forms(network, formats)
        setup = layered_setup(reader, record, "export", observer)
    setup = with_teacher_outputs(setup, device="cpu", notice=observer.on_notice)
    assert setup.data is not None
    request = request_from_scratch(setup, network)
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
            is_symmetric=is_symmetric,
        )
    except (ArtifactError, UnknownName) as error:
        raise BadInput(str(error)) from error
    except OSError as error:
        raise BadInput(f"{directory} can't be written: {error.strerror}; name another folder with -o") from error
    except (ArithmeticError, MemoryError) as error:
        raise GasearchError(f"network {network.key} can't be trained on this machine: {error}") from error


def _require_forms(network: EvaluatedNetwork, formats: Sequence[str] | None) -> None:
    """Refuse forms that nothing writes, or that can't hold the network, before anything is trained, a teacher too."""
    from gasearch_workers.export.artifact import ArtifactError, chosen_forms

    found = network_from_json(network.network_json)
    if isinstance(found, Blueprint):
        try:
            chosen_forms(formats, plan(found))
        except (ArtifactError, UnknownName) as error:
            raise BadInput(str(error)) from error
