"""Several finalized networks as one: members chosen by the validation split, what they score and cost together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from gasearch.deploy.stored import layered_setup, primary_metric
from gasearch.errors import BadInput
from gasearch.jobs.caller import left_as_found
from gasearch.objectives.constraints import Limit
from gasearch.search.progress import Observer
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import FinalRecord, SearchRecord
from gasearch.storage.sql import open_reader

MOST_MEMBERS = 20
COSTS = ("model_bytes", "macs", "latency_ms")  #: What an ensemble takes is the sum of what its members take.


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A final training in an ensemble."""

    key: str
    number: int  #: Of its seed, from 0.
    epochs: int
    weight: float  #: 0..1; those of all members sum to 1.
    validation: dict[str, float]  #: Its own scores on the validation split.
    costs: dict[str, float]  #: Those of `COSTS` that were measured.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Final trainings whose mean probabilities, or predictions, are one network's; beside the best of them alone."""

    metric: str  #: The primary score of the task, by which the members were chosen on the validation split.
    candidates: int  #: Final trainings to choose from.
    members: tuple[Member, ...]  #: The greatest weight first.
    validation: dict[str, float]
    test: dict[str, float]
    costs: dict[str, float]  #: Sums over the members, of what was measured of all; they run one after the other.
    single: Member  #: The best final training by the validation split; its weight is 1.
    single_test: dict[str, float]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each member, one for the ensemble, one for the best single network."""
        return [
            *(_row("member", one, one.validation) for one in self.members),
            {"what": "ensemble", "weight": 1.0, **_scores(self.validation, self.test), **self.costs},
            _row("best single", self.single, _scores(self.single.validation, self.single_test)),
        ]


@left_as_found()
def choose_ensemble(
    name: str, *, members: int = 3, limits: Sequence[Limit] = (), db_url: str, observer: Observer
) -> Ensemble:
    """Choose among the final trainings of a search by the validation split; then read the test split, for two scores.

    Args:
        name: Of the search.
        members: The most different final trainings.
        limits: That each must keep, beside the search's own constraints.
        db_url: Where the search is stored.
        observer: Takes notices.

    Raises:
        UnknownSearch: if there is no such search.
        BadInput: for a number of members out of range, a custom space, data that have changed, or where no final
            training is left to choose from.
    """
    if not 1 <= members <= MOST_MEMBERS:
        raise BadInput(f"members must be from 1 to {MOST_MEMBERS}; got {members}")
    with closing(open_reader(db_url)) as reader:
        record = reader.search(name)
        found = _candidates(reader, record, limits)
        setup = layered_setup(reader, record, "ensemble", observer)
        assert setup.data is not None
        packed = [reader.final_network(record.id, one.id) for one in found if one.id is not None]
    from gasearch_workers.evaluation.ensemble import score_ensemble

    scored = score_ensemble(packed, setup.data, members=members)
    names = list(scored.validation)
    chosen = [_member(found[at], weight, names) for at, weight in scored.weights.items()]
    return Ensemble(
        metric=primary_metric(record),
        candidates=len(found),
        members=tuple(sorted(chosen, key=lambda one: -one.weight)),
        validation=scored.validation,
        test=scored.test,
        costs=_sums(chosen),
        single=_member(found[scored.single], 1.0, names, scored.single_validation),
        single_test=scored.single_test,
    )


def _candidates(reader: ArchiveReader, record: SearchRecord, limits: Sequence[Limit]) -> list[FinalRecord]:
    """The final trainings that succeeded and keep the limits, the smallest network first."""
    spec, stored = SearchSpec.from_json(record.spec_json), reader.finals(record.id)
    if spec.is_custom:
        return []  # there are none: whoever sets the search up says why
    done = [one for one in stored if one.failure is None]
    if not done:
        failed = f"all {len(stored)} failed" if stored else "no network was finalized yet"
        raise BadInput(
            f"an ensemble is made of final trainings, and {failed} in {record.name!r}; make some with: "
            f"gasearch finalize {record.name} --top 3"
        )
    known = {metric for one in done for metric, _ in one.metrics}
    for limit in limits:
        if limit.metric not in known:
            raise BadInput(
                f"no final training of {record.name!r} has {limit.metric!r}; there are {', '.join(sorted(known))}"
            )
    kept = [one for one in done if all(limit.is_kept_by(dict(one.metrics)) for limit in (*spec.limits(), *limits))]
    if not kept:
        raise BadInput(
            f"none of the {len(done)} final trainings of {record.name!r} keeps the limits and the search's constraints"
        )
    return sorted(kept, key=lambda one: (dict(one.metrics)["model_bytes"], one.key, one.number, one.recipe_json))


def _member(one: FinalRecord, weight: float, names: Sequence[str], scores: dict[str, float] | None = None) -> Member:
    metrics = dict(one.metrics)
    return Member(
        key=one.key,
        number=one.number,
        epochs=one.epochs,
        weight=weight,
        validation=scores or {name: metrics[name] for name in names if name in metrics},
        costs={name: metrics[name] for name in COSTS if name in metrics},
    )


def _sums(members: Sequence[Member]) -> dict[str, float]:
    return {
        name: sum(one.costs[name] for one in members) for name in COSTS if all(name in one.costs for one in members)
    }


def _row(what: str, one: Member, scores: dict[str, float]) -> dict[str, Any]:
    named = {"what": what, "key": one.key, "number": one.number, "epochs": one.epochs, "weight": one.weight}
    return named | scores | one.costs


def _scores(validation: dict[str, float], test: dict[str, float]) -> dict[str, float]:
    return validation | {f"test_{name}": value for name, value in test.items()}
