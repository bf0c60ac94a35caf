"""What gasearch does with its networks, for networks of one's own."""

import math

import numpy as np
import onnx
import pytest
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.latency import Protocol
from gasearch_workers.measure.own_model import measure_model
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

import gasearch
from gasearch.errors import BadInput


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40))
def test_integers_are_packed_at_their_bits_and_come_back(bits, numbers):
    low = -(1 << (bits - 1))
    integers = np.array([1 if bits == 1 and number % 2 else low + number % (1 << bits) for number in numbers])
    integers = np.where(integers == 0, 1, integers) if bits == 1 else integers
    content = gasearch.pack(integers.astype(np.int8), bits)
    assert len(content) == math.ceil(len(numbers) * bits / 8)
    assert gasearch.unpack(content, bits, (len(numbers),)).tolist() == integers.tolist()


@pytest.mark.parametrize(
    ("integers", "bits", "complaint"),
    [
        ([8], 4, r"^4 bits hold whole numbers from -8 to 7; got int64 from 8 to 8$"),
        ([0.5], 4, r"^4 bits hold whole numbers from -8 to 7; got float64 from 0\.5 to 0\.5$"),
        ([float("nan")], 4, r"^4 bits hold whole numbers from -8 to 7"),
        (["a"], 4, r"^4 bits hold whole numbers from -8 to 7; got an array of <U1$"),
        ([1, 0], 1, r"^one bit holds -1 and 1; got int64 from 0 to 1$"),
        ([1], 9, r"^bits must be a whole number from 1 to 8; got 9$"),
        ([1], True, r"^bits must be a whole number from 1 to 8; got True$"),
    ],
)
def test_what_the_bits_can_not_hold_is_refused(integers, bits, complaint):
    with pytest.raises(BadInput, match=complaint):
        gasearch.pack(np.array(integers), bits)


def test_whole_numbers_of_numpy_are_bits_and_lengths_too():
    content = gasearch.pack([[1, -2], [3, 0]], np.int64(3))
    assert gasearch.unpack(content, np.int64(3), np.array([2, 2])).tolist() == [[1, -2], [3, 0]]


def test_what_is_no_array_is_refused():
    with pytest.raises(BadInput, match=r"^4 bits hold an array of whole numbers from -8 to 7: .* inhomogeneous shape"):
        gasearch.pack([[1, 2], [3]], 4)


@pytest.mark.parametrize("shape", [(-2, -1), (2.0,), 2])
def test_a_shape_of_other_than_whole_numbers_is_refused(shape):
    with pytest.raises(BadInput, match=r"^a shape is whole numbers from 0, such as \(8, 3\); got "):
        gasearch.unpack(b"a", 4, shape)


def test_a_content_of_another_length_is_refused():
    assert gasearch.unpack(gasearch.pack([[1, -2], [3, 0]], 3), 3, (2, 2)).tolist() == [[1, -2], [3, 0]]
    with pytest.raises(BadInput, match=r"^5 integers of 3 bits take 2 bytes; got 3$"):
        gasearch.unpack(b"abc", 3, (5,))


def write(path, *, shape=("batch", 4), other=(2, "n"), kind=TensorProto.FLOAT):
    """A graph that adds up each of two inputs."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [-1])
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["x", "axes"], ["a"], keepdims=0),
            helper.make_node("ReduceSum", ["codes", "axes"], ["b"], keepdims=0),
        ],
        "sums",
        [
            helper.make_tensor_value_info("x", kind, shape),
            helper.make_tensor_value_info("codes", TensorProto.INT64, other),
        ],
        [helper.make_tensor_value_info("a", kind, None), helper.make_tensor_value_info("b", TensorProto.INT64, None)],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_file_of_ones_own_is_timed_at_the_shapes_that_it_is_given(tmp_path):
    found = gasearch.measure_latency(write(tmp_path / "sums.onnx"), shapes={"codes": (2, 5)})
    assert 0 < found.latency_ms < 1000
    assert found.spread_ms > 0
    assert found.device == device_name()


def test_it_takes_two_blocks_of_calls_at_least_and_any_protocol(tmp_path):
    quick = Protocol(warmup_calls=1, blocks=2, pairs=2, rounds=1)
    path = write(tmp_path / "sums.onnx", other=(3, 3))
    assert measure_model(path, protocol=quick).latency_ms > 0


@pytest.mark.parametrize(
    ("changes", "shapes", "complaint"),
    [
        ({}, None, r"^input 'codes' has shape \(2, \?\): give one, as shapes={'codes': \(\.\.\.\)}$"),
        ({}, {"codes": (3, 5)}, r"^input 'codes' has shape \(2, \?\); got \(3, 5\)$"),
        ({}, {"codes": (2,)}, r"^input 'codes' has shape \(2, \?\); got \(2,\)$"),
        ({}, {"codes": (2, 0)}, r"^input 'codes' has shape \(2, \?\); got \(2, 0\)$"),
        (
            {},
            {"codes": (2, 2**40)},
            r"^input 'codes' of shape \(2, 1099511627776\) has more than 268,435,456 el",
        ),
        ({}, {"codes": (2, 5), "y": (1,)}, r"sums\.onnx has no input 'y'; its inputs are x, codes$"),
        ({"kind": TensorProto.STRING}, {"codes": (2, 5)}, r"sums\.onnx is no ONNX file that ONNX Runtime opens: "),
    ],
)
def test_what_can_not_be_timed_is_refused_with_the_reason(tmp_path, changes, shapes, complaint):
    path = write(tmp_path / "sums.onnx", **changes)
    with pytest.raises(BadInput, match=complaint):
        gasearch.measure_latency(path, shapes=shapes)


def test_what_is_no_onnx_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"none\.onnx can't be read: No such file or directory$"):
        gasearch.measure_latency(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(BadInput, match=r"text\.onnx is no ONNX file that ONNX Runtime opens: "):
        gasearch.measure_latency(str(tmp_path / "text.onnx"))
