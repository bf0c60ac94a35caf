"""Let memory run out for real in every library that an evaluation uses; prints what is taken for that, as JSON.

Run in a process of its own: its address space is bounded.
"""

import json
import mmap
import re
import resource
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from gasearch_workers.machine.memory_errors import is_out_of_memory
from onnx import TensorProto, helper

MEGABYTE = 2**20
ROOM = 64 * MEGABYTE
HUGE = 10**10


def allocate_with_torch():
    torch.empty(HUGE)


def allocate_with_torch_by_and_by():
    return [torch.zeros(MEGABYTE) for _ in range(1000)]


def go_backward():
    x, weight = torch.randn(8, 8, 64, 64), torch.randn(64, 8, 3, 3, requires_grad=True)
    for _ in range(5):
        x = torch.cat([x, F.conv2d(x, weight, padding=1)[:, :8]])
    x.square().sum().backward()


def allocate_with_numpy():
    np.zeros(HUGE)


def allocate_with_python():
    bytearray(HUGE)


def map_memory():
    mmap.mmap(-1, 10**15)


def run_a_graph():
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [10**9])
    graph = helper.make_graph(
        [helper.make_node("Expand", ["x", "shape"], ["y"])],
        "expand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": np.zeros(1, np.float32)})


def wrap_it():
    try:
        allocate_with_torch()
    except RuntimeError as error:
        raise ValueError("the model can't be made") from error


def do_something_else_wrong():
    torch.zeros(2, 3) @ torch.zeros(2, 3)


CASES = (
    allocate_with_torch,
    allocate_with_torch_by_and_by,
    go_backward,
    allocate_with_numpy,
    allocate_with_python,
    map_memory,
    run_a_graph,
    wrap_it,
    do_something_else_wrong,
)

if __name__ == "__main__":
    torch.set_num_threads(1)
    taken = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert taken is not None
    bound = int(taken[1]) * 1024 + ROOM
    resource.setrlimit(resource.RLIMIT_DATA, (bound, resource.RLIM_INFINITY))
    found = {}
    for case in CASES:
        try:
            case()
        except Exception as error:
            found[case.__name__] = is_out_of_memory(error)
            print(f"{case.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
    print(json.dumps(found))
