"""A search as a study in a storage of Optuna's, which its dashboard and its samplers read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gasearch_workers.messages import FailureKind

from gasearch.errors import BadInput
from gasearch.jobs.studies import storage_faults
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.space.build import build_space
from gasearch.space.decisions import DataShape, Space
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.passwords import hidden
from gasearch.storage.records import EvaluatedNetwork

if TYPE_CHECKING:  # Optuna takes most of a second to import
    import optuna

_URL = re.compile(r"[\w+]+:///?\S.*")


def export_study(
    reader: ArchiveReader,
    name: str,
    url: str,
    *,
    own_url: str,
    study_name: str | None = None,
    notice: Callable[[str], None] = lambda message: None,
) -> int:
    """Write every network with an outcome as a finished trial of a new study; returns how many.

    A trial's parameters are the decisions that express, its values the objectives in the study's directions (of
    several trainings the means). What failed is a failed trial, what was stopped early a pruned one, and limits are
    constraints. All metrics, the key and the blueprint are attributes. A study that can't be written whole is deleted.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        url: Of the storage, as Optuna takes it; it is made where there is none.
        own_url: Of gasearch's database, in which no study may lie.
        study_name: Of the study; None: as the search is called.
        notice: Takes a sentence before a long time of writing.

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: for what is no such URL, gasearch's own database, or a study that is there already.
        GasearchError: if the storage can't be used.
    """
    if not _URL.fullmatch(url):
        raise BadInput(f"a storage of Optuna is named by a URL such as sqlite:///study.db; got {hidden(url)!r}")
    if _place(url) == _place(own_url):
        raise BadInput("this is gasearch's own database: name another one, such as sqlite:///study.db")
    record = reader.search(name)
    spec, data = SearchSpec.from_json(record.spec_json), json.loads(record.data_json)
    space = build_space(spec, None if spec.is_custom else DataShape.of(data))
    objectives, limits = objectives_of(record), constraints_of(record)
    with storage_faults(url):
        trials = [_trial(network, space, objectives, limits) for network in reader.networks(record.id)]
        notice(f"writing {len(trials)} trials")
        with _new_study(url, study_name or name, objectives) as study:
            origin = {"search": name, "version": record.version, "spec": json.loads(record.spec_json)}
            study.set_metric_names([objective.metric for objective in objectives])
            study.set_user_attr("gasearch", origin)
            study.add_trials(trials)
    return len(trials)


@contextmanager
def _new_study(url: str, name: str, objectives: Sequence[Objective]) -> Iterator[optuna.Study]:
    """A study that is gone again where it couldn't be filled."""
    import optuna

    storage = optuna.storages.RDBStorage(url)
    directions = ["maximize" if objective.is_maximized else "minimize" for objective in objectives]
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except optuna.exceptions.DuplicatedStudyError as error:
        raise BadInput(f"there is a study {name!r} in {hidden(url)}: give another name by --study") from error
    try:
        yield study
    except BaseException:
        with suppress(Exception):
            optuna.delete_study(study_name=name, storage=storage)
        raise
    finally:
        storage.remove_session()


def _trial(
    network: EvaluatedNetwork, space: Space, objectives: Sequence[Objective], limits: Sequence[Limit]
) -> optuna.trial.FrozenTrial:
    """The network as Optuna knows trials."""
    import optuna

    marked = space.marked(network.genes)
    chosen = [
        (decision, decision.options[gene]) for decision, gene in zip(space.decisions, marked, strict=True) if gene >= 0
    ]
    is_whole = all(objective.metric in network.metrics for objective in objectives)
    known = [limit for limit in limits if limit.value_in(network.metrics) is not None]
    state = optuna.trial.TrialState.COMPLETE if is_whole else optuna.trial.TrialState.FAIL
    if network.failure == FailureKind.STOPPED:
        state = optuna.trial.TrialState.PRUNED
    return optuna.trial.create_trial(
        state=state,
        values=[network.metrics[objective.metric] for objective in objectives] if is_whole else None,
        params={decision.name: option for decision, option in chosen},
        distributions={
            decision.name: optuna.distributions.CategoricalDistribution(decision.options) for decision, _ in chosen
        },
        constraints={str(limit): _excess(limit, network) for limit in known} if is_whole else None,
        user_attrs=_attributes(network),
    )


def _excess(limit: Limit, network: EvaluatedNetwork) -> float:
    """How far a limit is missed, as Optuna has it: at most 0 where it is kept."""
    value = limit.value_in(network.metrics)
    assert value is not None, "limits that aren't known are left out"
    return limit.violation(value)


def _attributes(network: EvaluatedNetwork) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "key": network.key,
        "number": network.number,
        "operator": network.operator,
        "metrics": network.metrics,
        "network": json.loads(network.network_json),
    }
    if network.failure is not None:
        attributes |= {"failure": str(network.failure), "message": network.failure_message or ""}
    return attributes


# --- its storage ------------------------------------------------------------------------------------------------


def _place(url: str) -> str:
    """What a URL names, as far as text can tell: without its driver, user and parameters."""
    scheme, _, rest = url.partition(":")
    place = rest.partition("?")[0]
    if scheme.startswith("sqlite"):
        return f"sqlite:{Path(place.removeprefix('///')).absolute().resolve()}"
    return f"{scheme.partition('+')[0]}:{place.rpartition('@')[2].removeprefix('//')}"
