"""What travels between a host and its trial: it comes back equal, and nothing else comes back at all."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from gasearch_workers.messages import (
    Blueprint,
    Calibration,
    Choices,
    CurvePoint,
    EvaluationRequest,
    EvaluationResult,
    Failure,
    FailureKind,
    FinalForm,
    Layer,
    Measurement,
    Prepared,
    StoppingPoint,
    StoppingRule,
)
from gasearch_workers.sandbox.codec import CodecError, decode, encode
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.requests import custom_request, request_for

RULE = StoppingRule(
    objectives=(("error", False), ("cost", False)),
    known=(None, -3.0),
    points=(StoppingPoint(step=1, ends=()), StoppingPoint(step=2.5, ends=((1.0, 0.1), (1.0, 0.0)))),
    front=((-1.0, -2.0),),
)
BLUEPRINT = Blueprint(family="mlp", input_shape=(1, 8, 8), layers=(Layer(kind="linear", width=10, rank=0.5),))
REQUESTS = [
    dataclasses.replace(custom_request(name="a", size=3, rate=0.1, is_odd=True), stopping=RULE),
    request_for(
        BLUEPRINT,
        measures=frozenset({"latency_ms", "energy_j"}),
        calibration=Calibration(device="a CPU", reference_latency_ms=0.25),
        time_limit_s=3.0,
    ),
]


def result(outcome):
    return EvaluationResult(
        key="0a", attempt=1, worker="here/1", device="cpu", started_at=1.5, finished_at=2.5, outcome=outcome
    )


def there_and_back(value, wanted):
    return decode(wanted, *encode(value))


def test_a_result_with_the_network_comes_back_equal():
    final = FinalForm(test=(("accuracy", 1 / 3), ("auc", 0.5)), packed=bytes(range(256)))
    sent = dataclasses.replace(result(Measurement(accuracy=0.5)), final=final)
    assert there_and_back(sent, EvaluationResult) == sent


@pytest.mark.parametrize("request_sent", REQUESTS, ids=["custom", "trained"])
def test_a_request_comes_back_equal(request_sent):
    assert there_and_back(request_sent, EvaluationRequest) == request_sent


@given(accuracy=st.floats(-1e150, 1e150), params=st.integers(0, 2**63), name=st.text(max_size=5))
def test_a_measurement_comes_back_to_the_last_bit(accuracy, params, name):
    point = CurvePoint(epoch=1, train_loss=None, accuracy=accuracy, metrics=((name, accuracy),))
    sent = result(Measurement(accuracy=accuracy, params=params, others=((name, accuracy),), curve=(point,)))
    found = there_and_back(sent, EvaluationResult)
    assert found == sent
    assert repr(found) == repr(sent)


@given(graph=st.binary(max_size=100))
def test_bytes_travel_beside_the_text(graph):
    sent = Prepared(graph=graph, input_shape=(1, 8, 8), input_dtype="uint8")
    assert there_and_back(sent, Prepared) == sent


def test_numbers_of_numpy_come_back_as_plain_ones():
    sent = result(Measurement(accuracy=np.float32(0.5), params=np.int64(7)))
    found = there_and_back(sent, EvaluationResult).outcome
    assert (type(found.accuracy), type(found.params)) == (float, int)
    assert found == Measurement(accuracy=0.5, params=7)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "cosmic"}, "'cosmic' is not a valid FailureKind"),
        ({"message": 3}, "expected str; got 3"),
        ({"message": None}, "expected str; got None"),
        ({"is": "Measurement"}, "expected Measurement; got"),
        ({"is": "Popen"}, "got {'is': 'Popen'"),
        ({"more": 1}, "expected Failure; got"),
        ({"curve": {}}, "expected tuple[gasearch_workers.messages.CurvePoint, ...]; got {}"),
        ({"curve": [1]}, "expected CurvePoint; got 1"),
    ],
)
def test_what_is_no_failure_is_refused_with_what_came(change, complaint):
    text, _ = encode(result(Failure(kind=FailureKind.DIED, message="it died")))
    content = json.loads(text)
    content["outcome"] |= change
    with pytest.raises(CodecError) as refused:
        decode(EvaluationResult, json.dumps(content).encode())
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "Expecting value"),
        (b'"\xff"', "decode"),
        (b"[" * 100_000, "recursion"),
        (b"1" * 5000, "Exceeds the limit"),
        (b'{"is":"Failure"}', "expected EvaluationResult; got {'is': 'Failure'}"),
        (b"[1,2]", "expected EvaluationResult; got [1, 2]"),
    ],
)
def test_what_is_no_result_at_all_is_refused(text, complaint):
    with pytest.raises(CodecError, match=r".") as refused:
        decode(EvaluationResult, text)
    assert complaint in str(refused.value)


def test_a_measurement_that_is_not_finite_is_refused_by_the_class_itself():
    text, _ = encode(result(Measurement(accuracy=0.5)))
    with pytest.raises(CodecError, match="metric 'accuracy' must be a finite number; got inf"):
        decode(EvaluationResult, text.replace(b'"accuracy":0.5', b'"accuracy":Infinity'))


def test_bytes_beyond_the_attachment_are_refused():
    text, attachment = encode(Prepared(graph=b"abc", input_shape=(), input_dtype="uint8"))
    with pytest.raises(CodecError, match=r"expected bytes; got \[0, 3\]"):
        decode(Prepared, text, attachment[:2])


def test_a_value_of_an_unknown_class_can_t_be_sent():
    with pytest.raises(TypeError, match="no object can be sent"):
        encode(dataclasses.replace(custom_request(), network=Choices(values=(("a", object()),))))
