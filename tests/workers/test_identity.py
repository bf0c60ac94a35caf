"""Who a worker is, and what the controller makes of it."""

import types
from dataclasses import dataclass

import numpy as np
import pytest
from gasearch_workers import identity
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, Measurement, Prepared
from gasearch_workers.ray_worker import MeasuringWorker, TrainingWorker
from gasearch_workers.sandbox.codec import CodecError, decode, encode

HERE = identity.identity()
MEASURED = Measurement(accuracy=0.5, others=(("mine", 1.0),))


def module(**classes):
    found = types.ModuleType("values")
    vars(found).update(classes)
    return found


def test_another_field_name_type_or_order_is_another_layout():
    @dataclass
    class First:
        a: "int"
        b: "str"

    @dataclass
    class Swapped:
        b: "str"
        a: "int"

    @dataclass
    class Renamed:
        a: "int"
        c: "str"

    @dataclass
    class Retyped:
        a: "float"
        b: "str"

    layouts = [identity.layout(module(Value=one)) for one in (First, Swapped, Renamed, Retyped)]
    assert len(set(layouts)) == 4
    assert identity.layout(module(Value=First)) == layouts[0]


def test_the_same_versions_need_no_word():
    assert identity.refusal(HERE, HERE) is None
    assert identity.notice(HERE, HERE) is None
    assert identity.notice(HERE, {name: text for name, text in HERE.items() if name != "torch"}) is None


@pytest.mark.parametrize(
    ("name", "there", "said"),
    [
        ("torch", "1.0", "has torch 1.0, and the controller torch "),
        ("python", "3.9.1", "has Python 3.9.1, and the controller Python 3"),
        ("code", "00000000", "has gasearch's workers of code 00000000, and the controller gasearch's workers of code"),
    ],
)
def test_another_version_is_told_with_both(name, there, said):
    other = HERE | {name: there, "node": "edge-3"}
    assert identity.refusal(HERE, other) is None
    assert identity.notice(HERE, other).startswith(f"the worker on edge-3 {said}")


def test_other_messages_are_refused_with_both_versions():
    other = HERE | {"messages": "0", "code": "00000000", "node": "edge-3"}
    assert identity.refusal(HERE, other) == (
        f"the worker on edge-3 has gasearch's workers of code 00000000, and the controller gasearch's workers of code "
        f"{HERE['code']}: its messages are other ones; install the same gasearch on every node"
    )
    assert "an earlier version of gasearch" in identity.refusal(HERE, "cpu")


def test_a_worker_of_other_messages_touches_no_data_and_says_who_it_is():
    worker = TrainingWorker(HERE | {"messages": "0"}, ["no reference"], "cpu", (b"not read", b""))
    assert worker.ping() == HERE


def test_a_request_with_a_field_more_or_less_is_an_error_that_names_what_came():
    text, attachment = encode(Calibration(device="cpu", reference_latency_ms=1.0))
    with pytest.raises(CodecError, match="expected Calibration; got"):
        decode(Calibration, text.replace(b'"device":"cpu",', b""), attachment)
    with pytest.raises(CodecError, match="expected EvaluationRequest; got"):
        decode(EvaluationRequest, text, attachment)


def test_a_network_is_timed_as_it_came_through_the_border():
    worker = MeasuringWorker()
    calibration = decode(Calibration, *worker.calibrate(encode(())))
    assert calibration.reference_latency_ms > 0
    assert worker.ping() == HERE
    result = EvaluationResult(
        key="a", attempt=1, worker="w", device="cpu", started_at=0.0, finished_at=1.0, outcome=MEASURED
    )
    assert decode(EvaluationResult, *worker.finish(encode(result), encode(None), encode(calibration))) == result
    prepared = Prepared(graph=b"\x00\x01", input_shape=(np.int64(3),), input_dtype="float32")
    assert decode(Prepared, *encode(prepared)) == Prepared(graph=b"\x00\x01", input_shape=(3,), input_dtype="float32")
