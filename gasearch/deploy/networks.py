"""What is done with one network of a search: export it to files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gasearch_workers.messages import Blueprint, Fidelity, network_from_json
from gasearch_workers.network.plan import plan
from gasearch_workers.network.registry import UnknownName

from gasearch.deploy.custom_export import export_custom
from gasearch.deploy.exported import record_export
from gasearch.deploy.finals import best_of, newest_by_key
from gasearch.deploy.provenance import provenance
from gasearch.deploy.stored import layered_setup, measured_network, primary_metric, request_from_scratch
from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.setup import with_teacher_outputs
from gasearch.search.progress import Observer
from gasearch.search.recipe_trials import best_recipe, recipe_from_text
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork, FinalRecord, SearchRecord
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
    """Write one network as an artifact: every file that its user needs.

    Of one that was finalized that is the network of the best of its final trainings, by the validation split. Any other
    is trained again as it was evaluated. A search may screen its networks on a share of the data or with inherited
    weights; what is exported is trained from scratch on all of the training split.

    With `is_tuned`, train it by the best recipe that `tune_networks` has found instead of the search's.

    A custom evaluator's module writes its networks itself: see `custom_export`.

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
        BadInput: for a network without a measurement, a custom evaluator that exports none, a tuned recipe where none
            was found, a form that nothing writes or that can't hold the network, or a folder that holds something else
            or can't be written.
        GasearchError: if it can't be trained here.
    """
    from gasearch_workers.evaluation.evaluate import Evaluator
    from gasearch_workers.evaluation.export import export
    from gasearch_workers.export.artifact import ArtifactError, require_free

    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        network = measured_network(reader, record, key)
        spec = SearchSpec.from_json(record.spec_json)
        if spec.is_custom:
            if is_tuned or formats is not None or is_symmetric:
                text = "recipes and forms are of networks that gasearch trains itself"
                raise BadInput(f"{text}; {name} has a custom evaluator")
            return export_custom(record, spec, network, Path(directory), notice=observer.on_notice)
        found = best_recipe(reader.trials(record.id, network.key), primary_metric(record)) if is_tuned else None
        if is_tuned and found is None:
            raise BadInput(f"no recipe was tuned for network {network.key}; find one with: gasearch tune {name} {key}")
        _require_forms(network, formats, observer)
        final = None if is_tuned else _best_final(reader, record, network.key)
        setup = layered_setup(reader, record, "export", observer)
    if final is None:
        setup = with_teacher_outputs(setup, device="cpu", notice=observer.on_notice)
    assert setup.data is not None
    request, origin = request_from_scratch(setup, network), provenance(record, setup.spec)
    if found is not None:
        request = replace(request, recipe=found[0], fidelity=Fidelity(epochs=found[0].epochs))
    if final is not None:
        recipe = recipe_from_text(final.chosen.recipe_json)
        request = replace(request, recipe=recipe, fidelity=Fidelity(epochs=recipe.epochs), seed=final.chosen.seed)
        origin = {**origin, "final": final.story}
    try:
        require_free(directory)
        if final is None:
            observer.on_notice(f"training {network.key} again with its seed")
        else:
            observer.on_notice(f"taking {network.key} from its final training with seed {final.chosen.number}")
        written = export(
            request,
            Path(directory),
            evaluator=Evaluator(setup.data),
            data=setup.data,
            claimed=network.metrics if final is None else dict(final.chosen.metrics),
            formats=formats,
            provenance=origin,
            is_symmetric=is_symmetric,
            packed=None if final is None else final.packed,
        )
        record_export(written, record, network.key, db_url=db_url, notice=observer.on_notice)
        return written
    except (ArtifactError, UnknownName) as error:
        raise BadInput(str(error)) from error
    except OSError as error:
        raise BadInput(f"{directory} can't be written: {error.strerror}; name another folder with -o") from error
    except (ArithmeticError, MemoryError) as error:
        raise GasearchError(f"network {network.key} can't be trained on this machine: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Final:
    """The network of a final training, which needs no other one."""

    chosen: FinalRecord
    packed: bytes
    story: dict[str, Any]  #: JSON values that say which it is, and of which it is the best.


def _best_final(reader: ArchiveReader, record: SearchRecord, key: str) -> _Final | None:
    """That of the best validation score among a network's final trainings by its newest recipe; None without any."""
    trainings = newest_by_key(reader.finals(record.id, key)).get(key, [])
    metric = primary_metric(record)
    chosen = best_of(trainings, metric)
    if chosen is None or chosen.id is None:
        return None
    succeeded = [one for one in trainings if one.failure is None]
    story = {
        "seed_number": chosen.number,
        "epochs": chosen.epochs,
        "versions": chosen.versions,
        "test": dict(chosen.test),
        "chosen_by": f"validation {metric}",
        "seeds": [one.seed for one in succeeded],
        f"validation_{metric}": [dict(one.metrics)[metric] for one in succeeded],
        f"test_{metric}": [dict(one.test)[metric] for one in succeeded],
    }
    return _Final(chosen=chosen, packed=reader.final_network(record.id, chosen.id), story=story)


def _require_forms(network: EvaluatedNetwork, formats: Sequence[str] | None, observer: Observer) -> None:
    """Refuse forms that nothing writes, or that can't hold the network, before anything is trained, a teacher too.

    Where all are wanted, say which can't hold it.
    """
    from gasearch_workers.export.artifact import ArtifactError
    from gasearch_workers.export.forms import chosen_forms, left_out_forms

    found = network_from_json(network.network_json)
    if isinstance(found, Blueprint):
        try:
            chosen_forms(formats, plan(found))
            for name, reason in left_out_forms(formats, plan(found)).items():
                observer.on_notice(f"the form {name} is left out: it can't hold {reason}")
        except (ArtifactError, UnknownName) as error:
            raise BadInput(str(error)) from error
