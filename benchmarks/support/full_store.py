"""Stores with many evaluations, made fast: the archive's own statements, few commits, made-up outcomes."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gasearch_workers.messages import CurvePoint, EvaluationResult, Failure, FailureKind, Measurement, Outcome

from benchmarks.support.long_search import bulk_archive
from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import Objective, fitness_of
from gasearch.objectives.frontier import Frontier
from gasearch.storage.records import (
    CandidateRecord,
    EvaluationRecord,
    ExpectedMetric,
    NewSearch,
    SearchStatus,
)

BATCH = 1000  #: Candidates per statement.
FAILED_EVERY = 97  #: One outcome of so many is a failure.
FIRST = 100  #: Outcomes that fix the scaling of the hypervolume.
SECONDS_EACH = 1.5  #: What an evaluation took, on one of eight workers.


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the searches of a store are like."""

    objectives: tuple[tuple[str, bool], ...]
    spec: dict[str, Any]
    network: Callable[[random.Random], dict[str, Any]]
    outcome: Callable[[random.Random, float], Measurement]  #: Given how far the search is, 0..1.
    expects: tuple[str, ...] = ()  #: Metrics that a surrogate foresaw.


def _costs(rng: random.Random, progress: float) -> tuple[float, float]:
    """An error and a cost in conflict, both in 0..2; later ones are a little better."""
    share, excess = rng.random(), rng.expovariate(2.0 + 4.0 * progress)
    return (1.0 - share) ** 2 + excess, share**2 + excess


def _custom(rng: random.Random, progress: float) -> Measurement:
    error, cost = _costs(rng, progress)
    return Measurement(others=(("error", error), ("cost", cost), ("watts", rng.uniform(1.0, 9.0))))


def _spread(rng: random.Random, progress: float) -> Measurement:
    error, cost = _costs(rng, progress)
    spreads = (("error_spread", 0.001 * rng.random()), ("cost_spread", 0.001 * rng.random()))
    return Measurement(others=(("error", error), ("cost", cost), *spreads))


def _trained(rng: random.Random, progress: float) -> Measurement:
    error, cost = _costs(rng, progress)
    return Measurement(
        accuracy=1.0 / (1.0 + error),
        macro_f1=0.99 / (1.0 + error),
        params=int(9000 * cost) + 100,
        macs=int(9e5 * cost) + 1000,
        bops=int(9e7 * cost) + 1000,
        model_bytes=int(8000 * cost) + 100,
        peak_memory_bytes=int(5000 * cost) + 100,
        latency_ms=0.05 + cost,
        latency_spread_ms=0.002 * rng.random(),
        latency_device="cpu",
        train_seconds=1.0 + rng.random(),
        generalization_gap=0.01,
        curve=tuple(CurvePoint(epoch=one, train_loss=1 / one, accuracy=0.5 + one / 20) for one in range(1, 4)),
    )


def _choices(rng: random.Random) -> dict[str, Any]:
    return {"choices": {f"x{place}": rng.randrange(8) for place in range(12)}}


def _layers(rng: random.Random) -> dict[str, Any]:
    layer = {"kind": "conv", "width": 16, "kernel": 3, "stride": 1, "downsample": "stride", "heads": 1, "rows": 0}
    layer |= {"weight_bits": 4, "activation_bits": 8, "sparsity": 0.5, "pruning": "structured", "rank": 1.0}
    layers = [layer | {"width": rng.choice((8, 16, 24, 32))} for _ in range(4)]
    return {"family": "cnn", "input_shape": [1, 8, 8], "layers": layers, "categories": [], "is_regression": False}


KINDS = {
    "custom": Kind(
        objectives=(("error", False), ("cost", False)),
        spec={"space": {"family": "custom"}, "constraints": ["watts <= 8.5"]},
        network=_choices,
        outcome=_custom,
    ),
    "custom-spreads": Kind(
        objectives=(("error", False), ("cost", False)),
        spec={"space": {"family": "custom"}},
        network=_choices,
        outcome=_spread,
    ),
    "trained": Kind(
        objectives=(("accuracy", True), ("model_bytes", False), ("latency_ms", False)),
        spec={"space": {"family": "cnn"}, "constraints": ["model_bytes <= 64 KB"]},
        network=_layers,
        outcome=_trained,
        expects=("accuracy",),
    ),
}


def fill_store(kind: Kind, url: str, name: str, *, evaluations: int, seed: int = 0) -> None:
    """Write a stopped search of so many evaluations.

    Args:
        kind: What it is like.
        url: Of the database, created where there is none.
        name: Of the search.
        evaluations: How many.
        seed: Of its outcomes.
    """
    archive = bulk_archive(url)
    lease = archive.create_search(_new_search(kind, name, evaluations), owner="benchmark/0", ttl_s=24 * 3600)
    objectives = [Objective(metric=metric, is_maximized=is_maximized) for metric, is_maximized in kind.objectives]
    limits = [parse_limit(text) for text in kind.spec.get("constraints", ())]
    rng, frontier = random.Random(seed), Frontier()
    for start in range(0, evaluations, BATCH):
        numbers = range(start, min(start + BATCH, evaluations))
        proposals = [_candidate(kind, name, number, rng) for number in numbers]
        archive.add_candidates(lease, proposals)
        for proposal in proposals:
            outcome = _outcome(kind, proposal.number, rng, evaluations)
            fitness = fitness_of(outcome, objectives, limits)
            completed = proposal.number + 1
            change = frontier.note(proposal.number, fitness, completed=completed, is_replicate=False)
            record = replace(_record(proposal, outcome), hypervolume=frontier.hypervolume)
            archive.add_evaluations(lease, [(record, change)])
            scaling = frontier.fix(completed) if frontier.scaling is None and completed == FIRST else None
            if scaling is not None:
                archive.set_reference(lease, ideal=scaling.ideal, point=scaling.reference)
    archive.commit()
    archive.renew(lease, ttl_s=3600, active_s=SECONDS_EACH * evaluations / 8, worker_s=SECONDS_EACH * evaluations)
    archive.release(lease, state=SearchStatus.STOPPED, reason="the benchmark has what it needs")
    archive.commit()
    archive.close()


def _new_search(kind: Kind, name: str, evaluations: int) -> NewSearch:
    spec = {"name": name, "budget": {"evaluations": evaluations}, **kind.spec}
    return NewSearch(
        name=name,
        spec_json=json.dumps(spec),
        spec_hash="0",
        objectives=kind.objectives,
        space_fingerprint="0",
        space_size=1e12,
        data_json="{}",
        version="0",
    )


def _candidate(kind: Kind, name: str, number: int, rng: random.Random) -> CandidateRecord:
    return CandidateRecord(
        number=number,
        key=hashlib.blake2b(f"{name}/{number}".encode(), digest_size=6).hexdigest(),
        genes=tuple(rng.randrange(8) for _ in range(17)),
        parents=(rng.randrange(number),) if number else (),
        operator=rng.choice(("sample", "mutate", "crossover")) if number else "sample",
        generation=number // 100,
        completed=number,
        network_json=json.dumps(kind.network(rng)),
        predicted=tuple(ExpectedMetric(metric=one, mean=rng.random(), deviation=0.1) for one in kind.expects),
    )


def _outcome(kind: Kind, number: int, rng: random.Random, evaluations: int) -> Outcome:
    if number % FAILED_EVERY == FAILED_EVERY - 1:
        return Failure(kind=FailureKind.DIVERGED, message="the loss is not a number")
    return kind.outcome(rng, number / evaluations)


def _record(proposal: CandidateRecord, outcome: Outcome) -> EvaluationRecord:
    number = proposal.number
    started = 1.7e9 + SECONDS_EACH * (number // 8)
    result = EvaluationResult(
        key=proposal.key,
        attempt=1,
        worker=f"host/{number % 8}",
        device="cpu",
        started_at=started,
        finished_at=started + SECONDS_EACH,
        outcome=outcome,
        versions="torch 2.13.0",
    )
    return EvaluationRecord(candidate=number, arrival=number, result=result, seed=number, epochs=3, data_share=1.0)
