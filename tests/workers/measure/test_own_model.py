"""An ONNX file of one's own is timed: the inputs that are made up for it."""

import numpy as np
import onnxruntime
import pytest
from gasearch_workers.measure import own_model
from gasearch_workers.measure.latency import Protocol
from gasearch_workers.measure.own_model import ModelError, measure_model
from onnx import TensorProto, helper, numpy_helper, save

QUICK = Protocol(warmup_calls=1, blocks=2, pairs=2, rounds=1)
KINDS = [
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.UINT8,
    TensorProto.INT64,
    TensorProto.BOOL,
]


def identity(path, kind, shape):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "same",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_every_type_are_made_up_and_finite(tmp_path, monkeypatch, kind):
    bound = []
    original = onnxruntime.OrtValue.ortvalue_from_numpy
    monkeypatch.setattr(
        own_model.onnxruntime.OrtValue, "ortvalue_from_numpy", lambda sample: bound.append(sample) or original(sample)
    )
    assert measure_model(identity(tmp_path / "same.onnx", kind, ("n", 3)), protocol=QUICK).latency_ms > 0
    assert [sample.shape for sample in bound if sample.shape != (1, 3, 32, 32)] == [(1, 3)]
    assert all(np.isfinite(sample.astype(float)).all() for sample in bound)


def test_a_scalar_needs_no_shape(tmp_path):
    assert measure_model(identity(tmp_path / "same.onnx", TensorProto.FLOAT, ()), protocol=QUICK).latency_ms > 0


def test_a_file_whose_tensors_lie_in_another_file_of_its_folder_is_timed(tmp_path):
    weight = numpy_helper.from_array(np.ones(300, np.float32), "w")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 300]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "scaled", [x], [y], initializer=[weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    assert (tmp_path / "net.onnx.data").stat().st_size >= 1200
    assert measure_model(tmp_path / "net.onnx", protocol=QUICK).latency_ms > 0


def test_a_text_is_no_input_that_can_be_made_up(tmp_path):
    path = identity(tmp_path / "same.onnx", TensorProto.STRING, (1,))
    with pytest.raises(ModelError, match=r"input 'x' is of tensor\(string\); inputs may be tensors of float, double"):
        measure_model(path, protocol=QUICK)
