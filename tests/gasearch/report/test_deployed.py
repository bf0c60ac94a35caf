"""What a report says of finalists and of files that were run."""

from __future__ import annotations

from gasearch.objectives.fitness import Objective
from gasearch.query.finals import Finalist
from gasearch.report.deployed import finals_parts, verification_parts
from gasearch.storage.records import Verdict, VerificationRecord

ACCURACY = Objective(metric="accuracy", is_maximized=True)


def finalist(**options):
    metrics = {
        "searched_accuracy": 0.98, "accuracy": 0.97, "accuracy_deviation": 0.01, "test_accuracy": 0.96,
        "test_accuracy_drop": 0.02, "model_bytes": 3620.0,
    }  # fmt: skip
    options = {"seeds": 2, "failed": 0, "is_verified": None, "metrics": metrics} | options
    return Finalist(key="ab12", epochs=6, is_on_front=True, blueprint={}, **options)


def run(runtime, verdict=Verdict.PASSED, **options):
    options = {"key": "ab12", "digest": "d", "message": ""} | options
    claimed = (("test_accuracy", 0.95), ("agreement", 0.99), ("latency_ms", 0.5), ("latency_spread_ms", 0.1))
    measured = options.pop("measured", (("test_accuracy", 0.95), ("agreement", 1.0)))
    return VerificationRecord(
        format="qdq", runtime=runtime, claimed=claimed, measured=measured, verdict=verdict, device="cpu", **options
    )


def titles(table):
    return [column.title for column in table.columns]


def test_finalists_have_what_was_promised_and_what_came_of_it():
    _, picture, table = finals_parts([finalist(is_verified=True), finalist(failed=1)], ACCURACY)
    assert titles(table)[1:6] == [
        "accuracy in the search", "accuracy now", "accuracy on the test split", "lost since the search", "model_bytes"
    ]  # fmt: skip
    assert picture.name == "finalists"
    first, second = table.rows
    assert first == ("ab12", "0.9800", "0.9700 ± 0.01", "0.9600", "0.0200", "3.62 KB", "2", "6", "verified")
    assert second[-3:] == ("2, 1 failed", "6", "not verified")


def test_finalists_without_a_successful_training_are_listed_too():
    _, table = finals_parts([finalist(seeds=0, failed=2, metrics={})], ACCURACY)
    assert table.rows == (("ab12", "0, 2 failed", "6", "not verified"),)
    assert finals_parts([], ACCURACY) == []


def test_runs_of_files_stand_together_by_artifact_with_claims_where_they_differ():
    timed = run("onnxruntime 1.31", measured=(("test_accuracy", 0.95), ("latency_ms", 0.6), ("latency_spread_ms", 0.2)))
    _, first, second = verification_parts([run("openvino"), timed, run("openvino", digest="other")], "accuracy")
    assert titles(first) == ["runtime", "file", "verdict", "test_accuracy", "agreement", "latency_ms"]
    assert first.rows == (
        ("openvino", "qdq", "passed", "0.9500", "1 (0.99)", "-"),
        ("onnxruntime 1.31", "qdq", "passed", "0.9500", "-", "0.6 ± 0.2 ms (0.5 ms)"),
    )
    assert first.caption == "ab12 on cpu"
    assert len(second.rows) == 1


def test_of_two_runs_of_a_file_the_newer_one_counts_with_its_message():
    failed = run("openvino", Verdict.FAILED, message="no answer", measured=())
    _, table = verification_parts([run("openvino"), failed], "accuracy")
    assert table.rows == (("openvino", "qdq", "failed", "no answer"),)
    assert verification_parts([], "accuracy") == []
