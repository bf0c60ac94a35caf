"""An evaluation of a search made again, and how far what comes out agrees with what is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, Literal

from gasearch_workers.messages import (
    EvaluationRequest,
    EvaluationResult,
    Failure,
    Fidelity,
    network_from_json,
)

from gasearch.deploy.stored import measured_network
from gasearch.deploy.trainings import run_trainings
from gasearch.deploy.versions import OtherVersion, other_versions
from gasearch.errors import BadInput
from gasearch.jobs.anchors import with_recipe_found
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.resume import compiler_at_start, versions_at_start
from gasearch.jobs.setup import Setup, require_same_data, set_up
from gasearch.objectives.metrics import METRICS, TIMED, spread_of
from gasearch.search.progress import Observer
from gasearch.search.replication import DOUBT, TRAININGS, deviation_between_trainings
from gasearch.spec.changes import changed
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork, EvaluationRecord, SearchRecord
from gasearch.storage.sql import open_reader

Verdict = Literal["equal", "within tolerance", "different"]

#: Of data, as `Dataset.describe` gives them: what a network is made for.
_SHAPE: Final = ("kind", "input_kind", "input_shape", "categories", "outputs")
#: The metrics that a clock measures; an energy that is an estimate is none of them.
_CLOCKED: Final = TIMED | {"train_seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """A metric as it is stored, and as it came out again."""

    name: str
    before: float
    now: float | None  #: None: it wasn't measured.
    tolerance: float | None  #: None: the search knows none.

    @property
    def difference(self) -> float | None:
        """Now minus before."""
        return None if self.now is None else self.now - self.before

    @property
    def is_equal(self) -> bool:
        """Bit for bit."""
        return self.now == self.before

    @property
    def is_within(self) -> bool:
        """Equal, or nearer than a tolerance that is known."""
        found = self.difference
        return self.is_equal or (found is not None and self.tolerance is not None and abs(found) <= self.tolerance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What came of an evaluation that was made again."""

    key: str
    verdict: Verdict
    metrics: tuple[ComparedMetric, ...]
    versions: tuple[OtherVersion, ...]  #: Those that differ.
    notes: tuple[str, ...]  #: What was not repeated, and what the tolerances are.


@left_as_found()
def reproduce_network(name: str, key: str, *, db_url: str, observer: Observer) -> Reproduction:
    """Make a network's first evaluation again as the search made it: by its seed, recipe and fidelity, on its device.

    Args:
        name: Of the search.
        key: Of the network, or a beginning of it.
        db_url: Where the search is stored.
        observer: Watches.

    Raises:
        UnknownSearch: if there is no such search or network.
        BadInput: for a network without a measurement, or one that began with inherited weights.
        WrongState: if the data of today have another shape.
        Interrupted: if the user stopped it.
        GasearchError: if it can't be made here.
    """
    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        network = measured_network(reader, record, key)
        made = reader.trainings(record.id, [network.number])
        first = next(one for one in made if one.replicate == 0)
        began = versions_at_start(reader, record)
        deviations = _deviations(reader, record)
        stored = SearchSpec.from_json(record.spec_json)
        spec = changed(stored, None, _workers_as(first, stored))
        begun = set_up(spec, observer.on_notice, compiler_at_start(reader, record))
        setup = with_recipe_found(begun, reader, record.id)
    _require_same_shape(record, setup)
    _require_from_scratch(network, first, setup)
    done: list[EvaluationResult] = []
    observer.on_notice(f"making the evaluation of {network.key} again")
    run_trainings(
        setup,
        [_request(setup, network, first)],
        again=f"gasearch reproduce {name} {network.key}",
        observer=observer,
        on_result=lambda request, result: done.append(result),
    )
    [result] = done
    metrics = tuple(_compared(first, result, deviations, left_out=_measured_apart(setup, first)))
    return Reproduction(
        key=network.key,
        verdict=_verdict(metrics),
        metrics=metrics,
        versions=tuple(other_versions(record, setup, began, first.result, result)),
        notes=tuple(_notes(network, first, result, metrics)),
    )


# --- as the search made it ----------------------------------------------------------------------------------------


def _workers_as(first: EvaluationRecord, spec: SearchSpec) -> list[str]:
    """The overrides by which it runs where it ran; ours in this process, a custom evaluator as the spec says."""
    if spec.is_custom:
        return [] if spec.workers.count == 0 else ["workers.count=1"]
    from gasearch_workers.evaluation.evaluate import has_gpu

    gpus = 1 if first.result.device.startswith("cuda") and has_gpu() else 0
    return ["workers.count=0", f"workers.gpus={gpus}"]


def _request(setup: Setup, network: EvaluatedNetwork, first: EvaluationRecord) -> EvaluationRequest:
    return EvaluationRequest(
        key=network.key,
        attempt=1,
        network=network_from_json(network.network_json),
        recipe=replace(setup.problem.recipe, is_inheriting=False),
        task=setup.problem.task,
        seed=first.seed,
        fidelity=Fidelity(epochs=first.epochs, data_share=first.data_share),
        measures=setup.problem.measures - TIMED,
        cpu=setup.problem.cpu,
        toolchain=setup.problem.compiler,
    )


def _require_same_shape(record: SearchRecord, setup: Setup) -> None:
    """Refuse data on which the network can't be trained; other values are a difference to be reported."""
    if setup.data is not None:
        before, now = json.loads(record.data_json), json.loads(json.dumps(setup.data.describe()))
        if any(before.get(name) != now.get(name) for name in _SHAPE):
            require_same_data(record, setup.data)


def _require_from_scratch(network: EvaluatedNetwork, first: EvaluationRecord, setup: Setup) -> None:
    """Refuse what began with weights of its parents: it was shown more samples than its own training shows."""
    if setup.data is None or not setup.problem.recipe.is_inheriting or not network.parents:
        return
    most = first.epochs * math.ceil(first.data_share * len(setup.data.train))
    seen = network.metrics.get("images_seen")
    if seen is None or seen > most:
        raise BadInput(
            f"network {network.key} began with the weights of a parent, which had been trained further by then: that "
            f"can't be repeated; gasearch tune and gasearch export train it from scratch"
        )


# --- what came of it ----------------------------------------------------------------------------------------------


def _deviations(reader: ArchiveReader, record: SearchRecord) -> dict[str, float]:
    """Of each metric whose spread the search has measured: the deviation between trainings with different seeds."""
    measured = [network.metrics for network in reader.networks(record.id) if TRAININGS in network.metrics]
    names = {name for metrics in measured for name in metrics}
    found = {name: deviation_between_trainings(measured, name) for name in names}
    return {name: value for name, value in found.items() if value}


def _measured_apart(setup: Setup, first: EvaluationRecord) -> frozenset[str]:
    """The metrics that no training decides: by a clock, or by the user's command; an evaluator of theirs gives all."""
    if setup.data is None:
        return frozenset()
    given = () if setup.problem.command is None else setup.problem.command.metrics
    found = _CLOCKED | {*given, *map(spread_of, given)}
    return found - {"energy_j"} if _is_estimate(first.result) else found


def _compared(
    first: EvaluationRecord, result: EvaluationResult, deviations: Mapping[str, float], *, left_out: frozenset[str]
) -> Iterator[ComparedMetric]:
    """The metrics that a training decides."""
    before, now = _metrics(first.result), _metrics(result)
    for name, value in before.items():
        if name in left_out:
            continue
        deviation = deviations.get(name)
        tolerance = None if deviation is None else DOUBT * math.sqrt(2) * deviation
        yield ComparedMetric(name=name, before=value, now=now.get(name), tolerance=tolerance)


def _metrics(result: EvaluationResult) -> dict[str, float]:
    return {} if isinstance(result.outcome, Failure) else result.outcome.metrics()


def _is_estimate(result: EvaluationResult) -> bool:
    return not isinstance(result.outcome, Failure) and result.outcome.energy_source == "estimate"


def _verdict(metrics: Sequence[ComparedMetric]) -> Verdict:
    """Equal: all metrics. Within tolerance: all whose tolerance is known, at least one, and what arithmetic counts."""
    if metrics and all(one.is_equal for one in metrics):
        return "equal"
    judged = [one for one in metrics if one.tolerance is not None or one.now is None or _is_arithmetic(one.name)]
    is_any_known = any(one.tolerance is not None for one in judged)
    return "within tolerance" if is_any_known and all(one.is_within for one in judged) else "different"


def _is_arithmetic(name: str) -> bool:
    return name in METRICS and METRICS[name].is_arithmetic


def _notes(
    network: EvaluatedNetwork,
    first: EvaluationRecord,
    result: EvaluationResult,
    metrics: Sequence[ComparedMetric],
) -> Iterator[str]:
    if isinstance(result.outcome, Failure):
        yield f"it failed this time ({result.outcome.kind}): {result.outcome.message}"
    trainings = int(network.metrics.get(TRAININGS, 1))
    if trainings > 1:
        yield (
            f"the search's numbers are means over {trainings} trainings with different seeds: what was made again, and "
            "is compared, is the first of them; a mean can't be repeated by one training"
        )
    compared = {one.name for one in metrics}
    left_out = [name for name in _metrics(first.result) if name not in compared]
    if left_out:
        yield f"not compared, as no training decides it: {', '.join(left_out)}"
    differing = [one.name for one in metrics if not one.is_equal]
    known = [one.name for one in metrics if one.tolerance is not None]
    if differing and known:
        yield (
            f"tolerance: {DOUBT:g} standard errors of the difference between two trainings with different seeds, as "
            f"the search's further trainings show it ({', '.join(known)})"
        )
    elif differing and not isinstance(result.outcome, Failure):
        yield "the search has trained no network twice, so no tolerance is known"
    unknown = [name for name in differing if name not in known and not _is_arithmetic(name)]
    if known and unknown:
        yield f"no tolerance is known of {', '.join(unknown)}: the verdict doesn't count them"
