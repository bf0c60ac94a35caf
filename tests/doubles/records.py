"""Records for tests of the store."""

import hashlib
import math
from array import array
from datetime import UTC, datetime

from gasearch_workers.messages import CurvePoint, EvaluationResult, Failure, FailureKind, Measurement

from gasearch.objectives.fitness import FrontChange
from gasearch.storage.access import NewToken, Role
from gasearch.storage.columns import OutcomeColumns
from gasearch.storage.queue import NewSubmission
from gasearch.storage.records import (
    REUSED,
    CandidateRecord,
    EvaluationRecord,
    ExpectedMetric,
    ExportRecord,
    FinalRecord,
    GenerationRecord,
    NewSearch,
    Verdict,
    VerificationRecord,
)

UNCHANGED = FrontChange()
PREDICTED = (
    ExpectedMetric(metric="accuracy", mean=0.1 + 0.2, deviation=1 / 3),
    ExpectedMetric(metric="model_bytes", mean=1024.0, deviation=0.0),
)


def new_search(name="digits", **changes):
    return NewSearch(
        **{
            "name": name,
            "spec_json": '{"name":"digits"}',
            "spec_hash": "5bec",
            "objectives": (("accuracy", True), ("model_bytes", False)),
            "space_fingerprint": "f00d",
            "space_size": 1.5e12,
            "data_json": '{"rows":1797}',
            "version": "0.1.0",
        }
        | changes
    )


def key_of(number):
    return f"{number * 7919:012x}"


def candidate(number, **changes):
    return CandidateRecord(
        **{
            "number": number,
            "key": key_of(number),
            "genes": (0, number, 2),
            "parents": () if number < 2 else (number - 2, number - 1),
            "operator": "sample",
            "generation": number // 10,
            "completed": number,
            "network_json": f'{{"choices":{{"x":{number}}}}}',
        }
        | changes
    )


def outcome_of(
    number, outcome, *, arrival=None, attempt=1, replicate=0, gain=None, worker="edge-3/4711", seconds=None,
    hypervolume=None,
):  # fmt: skip
    """The record of an outcome of a candidate, told at its own number unless said otherwise."""
    return EvaluationRecord(
        candidate=number,
        replicate=replicate,
        gain=gain,
        hypervolume=hypervolume,
        arrival=number if arrival is None else arrival,
        result=EvaluationResult(
            key=key_of(number),
            attempt=attempt,
            worker=worker,
            device="cpu",
            started_at=1_790_000_000.123456,
            finished_at=1_790_000_001.654321,
            seconds=seconds,
            outcome=outcome,
            versions="torch 2.13.0; 1 thread",
        ),
        seed=2**62 + number,
        epochs=3,
        data_share=0.5,
    )


def measured(number, *, arrival=None, attempt=1, **metrics):
    return outcome_of(number, Measurement(**metrics), arrival=arrival, attempt=attempt)


def trained_again(number, *, arrival, replicate=1, attempt=2, gain=None, **metrics):
    """The outcome of a further training of a candidate."""
    outcome = Measurement(**metrics)
    return outcome_of(number, outcome, arrival=arrival, attempt=attempt, replicate=replicate, gain=gain)


def failed(number, kind=FailureKind.DIVERGED, *, arrival=None, attempt=1, replicate=0):
    failure = Failure(kind=kind, message=f"{kind} at step 3")
    return outcome_of(number, failure, arrival=arrival, attempt=attempt, replicate=replicate)


def full_measurement():
    """A measurement with every field set, floats that need all their digits, and large whole numbers."""
    return Measurement(
        accuracy=0.1 + 0.2,
        params=1_234,
        macs=2**53 - 1,
        bops=2**60 + 1,
        model_bytes=65_536,
        peak_memory_bytes=2**40,
        latency_ms=1 / 3,
        latency_spread_ms=5e-324,
        latency_device="A CPU of 2026",
        train_seconds=1.7976931348623157e308,
        energy_j=2.5,
        energy_source="rapl",
        generalization_gap=-0.0125,
        macro_f1=1.0,
        entity_f1=0.0,
        auc=0.5,
        rmse=1e-300,
        images_seen=180_000,
        others=(("área", 2 / 3), ("steps", 7)),
        curve=(
            CurvePoint(epoch=1, train_loss=2.302585092994046, accuracy=None),
            CurvePoint(epoch=2, train_loss=None, accuracy=0.9),
        ),
    )


def columns_of(records, metrics):
    """Told outcomes as the columns that `ArchiveReader.outcomes` gives."""
    records = sorted(records, key=lambda record: record.arrival)
    results = [record.result for record in records]
    known = [one.outcome.metrics() if isinstance(one.outcome, Measurement) else {} for one in results]
    is_measured = [isinstance(one.outcome, Measurement) for one in results]
    answering = {}
    for place, record in enumerate(records):
        if is_measured[place] or not record.replicate:
            answering[record.candidate] = place
    return OutcomeColumns(
        candidates=array("q", [record.candidate for record in records]),
        is_replicate=array("b", [record.replicate > 0 for record in records]),
        is_newest=array("b", [answering[record.candidate] == place for place, record in enumerate(records)]),
        is_measured=array("b", is_measured),
        is_reused=array("b", [one.worker == REUSED for one in results]),
        finished_at=array("d", [one.finished_at for one in results]),
        seconds=array("d", [one.duration_s for one in results]),
        metrics={name: array("d", [found.get(name, math.nan) for found in known]) for name in metrics},
    )


def generation(number, *, evaluations=10):
    return GenerationRecord(
        number=number,
        evaluations=evaluations,
        failures=1,
        front_size=4,
        hypervolume=2 / 3,
        best=(0.97, 1024.0),
        finished_at=datetime(2026, 10, 5, 12, 30, 15, 123457, tzinfo=UTC),
    )


def final(number, *, of=0, **changes):
    """A final training of a candidate with its seed of that number."""
    return FinalRecord(
        **{
            "key": key_of(of),
            "number": number,
            "seed": 2**62 + number,
            "epochs": 30,
            "recipe_json": '{"epochs": 30}',
            "metrics": (("accuracy", 0.1 + 0.2), ("model_bytes", 4.0)),
            "test": (("accuracy", 1 / 3),),
            "worker": "edge-3/4711",
            "device": "cpu",
            "versions": "torch 2.13.0; 1 thread",
            "seconds": 1.5,
        }
        | changes
    )


def export(*, of=0, **changes):
    """An artifact of a candidate as it was written."""
    return ExportRecord(
        **{
            "key": key_of(of),
            "digest": "d1",
            "files": (("model.onnx", "a" * 64), ("model.gap", "b" * 64)),
            "claimed": (("test_accuracy", 0.1 + 0.2),),
        }
        | changes
    )


def verification(*, of=0, verdict=Verdict.PASSED, **changes):
    """What came of running a file of a candidate's artifact."""
    return VerificationRecord(
        **{
            "key": key_of(of),
            "digest": "d1",
            "format": "qdq",
            "runtime": "openvino",
            "claimed": (("accuracy", 0.9),),
            "measured": (("accuracy", 0.1 + 0.2),),
            "verdict": verdict,
            "device": "A CPU of 2026",
        }
        | changes
    )


def new_token(name="ci", *, secret="s", role=Role.READER, **changes):
    """A token of that secret."""
    return NewToken(name=name, digest=hashlib.sha256(secret.encode()).hexdigest(), role=role, **changes)


def new_submission(name="digits", **changes):
    """A new search that waits."""
    return NewSubmission(**{"name": name, "spec_json": "{}"} | changes)
