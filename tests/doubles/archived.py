"""An archive reader over scripted networks, and the small search that the tests of the face ask about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

from gasearch_workers.messages import STANDARD_METRICS, EvaluationResult, Failure, FailureKind, Measurement

from gasearch.errors import UnknownSearch
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import FrontChange, Objective, fitness_of
from gasearch.objectives.front import ParetoFront
from gasearch.storage.access import AuditRecord, TokenRecord
from gasearch.storage.columns import OutcomeColumns
from gasearch.storage.records import (
    REUSED,
    CandidateRecord,
    Counts,
    Effort,
    EvaluatedNetwork,
    EvaluationRecord,
    FailedAttempt,
    Fall,
    FinalRecord,
    GenerationRecord,
    NewSearch,
    OperatorCounts,
    SearchRecord,
    SearchStatus,
    VerificationRecord,
)
from tests.doubles.records import columns_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCALING = {"reference_ideal": (1.0, 0.0), "reference_point": (0.5, -10_000.0)}
OBJECTIVES = (("accuracy", True), ("model_bytes", False))


@dataclass
class ScriptedReader:
    """Holds one search; what else the protocol asks for, no question of `query` needs."""

    record: SearchRecord
    all_networks: tuple[EvaluatedNetwork, ...]
    all_generations: tuple[GenerationRecord, ...] = ()
    all_efforts: tuple[Effort, ...] | None = None  #: None: each outcome took a second.
    all_falls: tuple[Fall, ...] = ()
    newest_hypervolume: float | None = None
    retries: int = 0
    is_closed: bool = False

    def searches(self) -> list[SearchRecord]:
        return [self.record]

    def search(self, name: str) -> SearchRecord:
        if name != self.record.name:
            raise UnknownSearch(f"no search {name!r}; did you mean {self.record.name}?")
        return self.record

    def counts(self, search_id: int) -> Counts:
        completed = [network for network in self.all_networks if network.arrival >= 0]
        failures = dict(Counter(network.failure for network in completed if network.failure))
        stopped = failures.pop(FailureKind.STOPPED, 0)
        return Counts(
            candidates=len(self.all_networks),
            completed=len(completed),
            failures=failures,
            stopped=stopped,
            reused=sum(network.worker == REUSED for network in completed),
            replicates=0,
            retries=self.retries,
            front_size=len(self.front(search_id)),
            generation=max((network.generation for network in self.all_networks), default=-1),
            efforts=self.efforts(search_id),
        )

    def hypervolume(self, search_id: int) -> float | None:
        return self.newest_hypervolume

    def falls(self, search_id: int) -> list[Fall]:
        return list(self.all_falls)

    def finals(self, search_id: int, key: str | None = None) -> list[FinalRecord]:
        return []

    def verifications(self, search_id: int, key: str | None = None) -> list[VerificationRecord]:
        return []

    def efforts(self, search_id: int) -> tuple[Effort, ...]:
        if self.all_efforts is not None:
            return self.all_efforts
        completed = Counter(network.failure for network in self.networks(search_id) if network.worker != REUSED)
        return tuple(
            Effort(failure=failure, attempts=count, seconds=1.0 * count) for failure, count in completed.items()
        )

    def outcomes(self, search_id: int, metrics: Sequence[str]) -> OutcomeColumns:
        return columns_of(self.evaluations(search_id), metrics)

    def has_metric(self, search_id: int, metric: str) -> bool:
        return any(metric in network.metrics for network in self.all_networks)

    def newest(self, search_id: int, *, count: int) -> list[EvaluatedNetwork]:
        return sorted(self.networks(search_id), key=lambda network: -network.arrival)[:count]

    def numbered(self, search_id: int, numbers: Sequence[int]) -> list[EvaluatedNetwork]:
        return [network for network in self.all_networks if network.number in numbers]

    def operators(self, search_id: int) -> list[OperatorCounts]:
        children = Counter(network.operator for network in self.networks(search_id))
        return [
            OperatorCounts(operator=operator, children=count, measured=count, entered=0, gain=0.25)
            for operator, count in children.items()
        ]

    def evaluations(self, search_id: int, *, with_curves: bool = True) -> Iterator[EvaluationRecord]:
        yield from map(_evaluation, self.networks(search_id))

    def front(self, search_id: int) -> list[EvaluatedNetwork]:
        return [network for network in self.all_networks if network.is_on_front]

    def front_metrics(self, search_id: int) -> list[dict[str, float]]:
        return [network.metrics for network in self.front(search_id)]

    def best(
        self, search_id: int, *, metric: str, is_maximized: bool, limits: Sequence[Limit] = (), count: int = 1
    ) -> list[EvaluatedNetwork]:
        inside = [
            network
            for network in self.all_networks
            if metric in network.metrics and all(limit.is_kept_by(network.metrics) for limit in limits)
        ]
        sign = -1 if is_maximized else 1
        return sorted(inside, key=lambda network: (sign * network.metrics[metric], network.number))[:count]

    def network(self, search_id: int, key: str) -> EvaluatedNetwork:
        found = [network for network in self.all_networks if network.key.startswith(key)]
        if len(found) != 1:
            raise UnknownSearch(f"{len(found)} networks have a key that begins with {key!r}")
        return found[0]

    def failed(self, search_id: int, *, count: int) -> list[EvaluatedNetwork]:
        failed = [network for network in self.networks(search_id) if network.failure not in (None, FailureKind.STOPPED)]
        return sorted(failed, key=lambda network: -network.arrival)[:count]

    def newest_failures(self, search_id: int, kinds: Sequence[str]) -> list[FailedAttempt]:
        newest = {network.failure: network for network in sorted(self.networks(search_id), key=lambda one: one.arrival)}
        return [
            FailedAttempt(
                candidate=one.number,
                attempt=1,
                key=one.key,
                failure=kind,
                message=one.failure_message or "",
                is_retried=False,
            )
            for kind in kinds
            if (one := newest.get(kind)) is not None
        ]

    def networks(self, search_id: int) -> Iterator[EvaluatedNetwork]:
        yield from (network for network in self.all_networks if network.arrival >= 0)

    def attempts_of(self, search_id: int, number: int) -> list[EvaluationRecord]:
        return []

    def generations(self, search_id: int) -> list[GenerationRecord]:
        return list(self.all_generations)

    def tokens(self) -> list[TokenRecord]:
        return []

    def token(self, digest: str) -> TokenRecord | None:
        return None

    def audits(self, *, count: int, before: int | None = None) -> list[AuditRecord]:
        return []

    def require_current(self) -> None:
        """It is."""

    def close(self) -> None:
        self.is_closed = True


def search_record(name: str = "digits", **changes: object) -> SearchRecord:
    """A running search for accuracy and model_bytes with a budget of 40."""
    spec = {"name": name, "budget": {"evaluations": 40, "hours": 1.0}, "constraints": []}
    record = SearchRecord(
        name=name,
        spec_json=json.dumps(spec),
        spec_hash="5ec",
        objectives=OBJECTIVES,
        space_fingerprint="f00d",
        space_size=1e6,
        data_json='{"count": 1437}',
        version="0.1.0",
        id=1,
        state=SearchStatus.RUNNING,
        reason="",
        is_stop_requested=False,
        created_at=NOW,
        updated_at=NOW,
        active_seconds=75.0,
        worker_seconds=150.0,
        owner="host/4711",
        is_owned=True,
        reference_point=None,
        reference_ideal=None,
    )
    return replace(record, **changes)


def with_constraints(record: SearchRecord, *constraints: str) -> SearchRecord:
    """The record with these constraints in its spec."""
    return replace(record, spec_json=json.dumps(json.loads(record.spec_json) | {"constraints": constraints}))


def network(number: int, *, on_front: bool = False, width: int = 16, **metrics: float) -> EvaluatedNetwork:
    """A measured network of one convolution and a head; its key is the number, doubled, in hexadecimal."""
    layers = [
        {"kind": "conv", "width": width, "kernel": 3, "stride": 2, "weight_bits": 4, "activation_bits": 8,
         "sparsity": 0.0, "rank": 1.0},
        {"kind": "linear", "width": 10, "kernel": 1, "stride": 1, "weight_bits": 8, "activation_bits": 32,
         "sparsity": 0.5, "rank": 1.0},
    ]  # fmt: skip
    return EvaluatedNetwork(
        number=number,
        key=f"{number:04x}{number:04x}",
        genes=(number,),
        generation=number // 4,
        completed=4 * (number // 4),
        parents=(),
        operator="sample",
        network_json=json.dumps({"family": "cnn", "input_shape": [1, 8, 8], "layers": layers}),
        metrics=metrics,
        is_on_front=on_front,
        arrival=number,
    )


def failed(number: int, kind: str = "timed_out") -> EvaluatedNetwork:
    """A network without a measurement."""
    return replace(network(number), failure=kind, failure_message="took longer than 5 s")


#: Accuracy and bytes of eight networks; 1, 2, 3 and 6 are the front. 4 has the least latency of all.
NETWORKS = (
    network(0, accuracy=0.80, model_bytes=3000, latency_ms=0.30, latency_spread_ms=0.02, macs=900, params=300),
    network(1, on_front=True, accuracy=0.90, model_bytes=2500, latency_ms=0.25, latency_spread_ms=0.01, macs=800),
    network(2, on_front=True, accuracy=0.97, model_bytes=9000, latency_ms=0.90, latency_spread_ms=0.05, macs=5000),
    network(3, on_front=True, accuracy=0.60, model_bytes=1000, latency_ms=0.12, latency_spread_ms=0.01, macs=200),
    network(4, accuracy=0.55, model_bytes=1200, latency_ms=0.10, latency_spread_ms=0.01, macs=100),
    failed(5),
    network(6, on_front=True, accuracy=0.93, model_bytes=6000, latency_ms=0.50, latency_spread_ms=0.02, macs=3000),
    failed(7, "diverged"),
)
GENERATIONS = (
    GenerationRecord(
        number=0, evaluations=4, failures=0, front_size=3, hypervolume=0.5, best=(0.97, 1000.0), finished_at=NOW
    ),
    GenerationRecord(
        number=1, evaluations=8, failures=2, front_size=4, hypervolume=0.625, best=(0.97, 1000.0), finished_at=NOW
    ),
)


def scripted_reader(**changes: object) -> ScriptedReader:
    """A reader of the search above."""
    return ScriptedReader(
        record=search_record(**SCALING | changes), all_networks=NETWORKS, all_generations=GENERATIONS, retries=1
    )


def fill_database(url: str, record: SearchRecord | None = None, *, state: SearchStatus = SearchStatus.FINISHED) -> None:
    """Write the search above into a real database, and give it up in this state; RUNNING leaves it owned."""
    from gasearch.storage.sql import open_archive

    record = record or search_record(**SCALING)
    archive = open_archive(url, notice=lambda message: None)
    new = NewSearch(**{field.name: getattr(record, field.name) for field in fields(NewSearch)})
    lease = archive.create_search(new, owner="host/4711", ttl_s=3600)
    archive.add_candidates(lease, [_candidate(network) for network in NETWORKS])
    for network in NETWORKS:
        change = FrontChange(entered=(network.number,) if network.is_on_front else ())
        assert archive.add_evaluations(lease, [(_evaluation(network), change)])
    if record.reference_ideal is not None and record.reference_point is not None:
        archive.set_reference(lease, ideal=record.reference_ideal, point=record.reference_point)
    for generation in GENERATIONS:
        archive.add_generation(lease, generation)
    if state is not SearchStatus.RUNNING:
        archive.release(lease, state=state, reason="budget spent")
    archive.close()


def _candidate(network: EvaluatedNetwork) -> CandidateRecord:
    return CandidateRecord(
        number=network.number,
        key=network.key,
        genes=(network.number,),
        parents=network.parents,
        operator=network.operator,
        generation=network.generation,
        completed=4 * network.generation,
        network_json=network.network_json,
    )


def _evaluation(network: EvaluatedNetwork) -> EvaluationRecord:
    standard = {name: value for name, value in network.metrics.items() if name in STANDARD_METRICS}
    others = tuple((name, value) for name, value in network.metrics.items() if name not in STANDARD_METRICS)
    outcome = (
        Failure(kind=FailureKind(network.failure), message=network.failure_message or "")
        if network.failure
        else Measurement(**standard, others=others)
    )
    result = EvaluationResult(
        key=network.key, attempt=1, worker="host/4712", device="cpu", started_at=1.0, finished_at=2.0, outcome=outcome
    )
    return EvaluationRecord(
        candidate=network.number, arrival=network.arrival, result=result, seed=1, epochs=1, data_share=1.0
    )


def keys_of(points):
    """The numbers of answers, in their order."""
    return [point.number for point in points]


def reader_of(values):
    """A search that measured these, with the front that a running search keeps."""
    objectives = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))
    front = ParetoFront()
    for number, one in enumerate(values):
        outcome = Measurement(others=tuple(sorted(one.items())))
        front.add(number, fitness_of(outcome, objectives, ()))
    networks = tuple(network(n, on_front=n in front.numbers, **one) for n, one in enumerate(values))
    return ScriptedReader(record=search_record(), all_networks=networks), front
