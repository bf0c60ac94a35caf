"""ONNX files that no runtime comes to the end of."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

_VALUES = ["batch", 10]


def endless(dtype=TensorProto.UINT8, shape=(1, 8, 8)):
    """A loop whose condition is true for ever."""
    number = helper.make_tensor_value_info("number", TensorProto.INT64, [])
    conditions = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go_on", "still")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, _VALUES) for name in ("value", "next")]
    nodes = [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Add", ["value", "value"], ["next"])]
    body = helper.make_graph(nodes, "body", [number, conditions[0], values[0]], [conditions[1], values[1]])
    loop = helper.make_node("Loop", ["", "true", "begin"], ["logits"], body=body)
    return _file([loop], {"true": np.array(True), "begin": np.zeros((1, 10), np.float32)}, dtype, shape)


def of_100_gb(dtype=TensorProto.UINT8, shape=(1, 8, 8)):
    """25 billion floats, which are added up."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        helper.make_node("Add", ["begin", "sum"], ["logits"]),
    ]
    constants = {"shape": np.array([25_000_000_000]), "begin": np.zeros((1, 10), np.float32)}
    return _file(nodes, constants, dtype, shape)


def _file(nodes, constants, dtype, shape):
    """A graph that takes samples of that type and shape, and would give logits of ten classes."""
    given = helper.make_tensor_value_info("input", dtype, ["batch", *shape])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, _VALUES)
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "hostile", [given], [logits], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()
