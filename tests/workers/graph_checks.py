"""Comparing an exported graph with the reference: as a whole, and step by step on the same inputs."""

import numpy as np
import onnx
from gasearch_workers.export.onnx_builder import output_name
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import open_session, run_onnx

from tests.workers.export.reference import compute, run_reference, take_in_all
from tests.workers.integer_networks import present, random_raw

TIE = 0.05  #: Classes whose logits lie this close (in standard deviations) may change places.


def compare(network, rng, count=200):
    """(agreement of the predicted class, root mean square error of the outputs in their standard deviations).

    Of a tagger at the tokens that are there. A single output always agrees.
    """
    x = random_raw(rng, network, count)
    model = to_onnx(network)
    onnx.checker.check_model(model, full_check=True)
    return compare_outputs(network, x, run_onnx(model.SerializeToString(), x))


def compare_outputs(network, x, found):
    """The same of outputs that a runtime has found for raw samples."""
    expected = run_reference(network, x)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    counts = present(network, x)
    found, expected = found[counts], expected[counts]  # (places, outputs)
    deviation = max(float(expected.std()), 1e-3 * float(np.abs(expected).max()))
    chosen = np.take_along_axis(expected, found.argmax(axis=1, keepdims=True), axis=1)[:, 0]
    agreement = float((chosen >= expected.max(axis=1) - TIE * deviation).mean())
    return agreement, float(np.sqrt(np.square(found - expected).mean())) / deviation


def require_nearest_integers(network, x):
    """Assert that each step gives what the reference gives for the same inputs, to the nearest integer of its grid."""
    found = run_all_steps(network, x)
    grids = {"input": network.input.grid}
    tensors = take_in_all(x, network)
    if network.input.grid is not None:  # a table's value on the edge between two integers may fall to either
        taken = (found["input"].astype(float) - network.input.grid.zero_point) * network.input.grid.scale
        assert (np.abs(taken - tensors["input"]) > 1e-6).mean() < 0.01
        tensors["input"] = taken
    for item in network.steps:
        inputs = [tensors[name] for name in item.step.inputs]
        source, output = item.step.inputs[0], found[item.step.name]
        grid = grids[item.step.name] = item.output_grid
        error = step_error(item, grid, inputs, output)
        assert error <= allowed_error(item, grids.get(source), inputs), item.step
        tensors[item.step.name] = output if grid is None else (output - grid.zero_point) * grid.scale


def run_all_steps(network, x):
    """Each step's output as the graph computes it, integers where it has a grid, else floats; the input likewise."""
    model = to_onnx(network)
    last = output_name(network.plan)
    known = {output for node in model.graph.node for output in node.output}
    names = {"input": "input.raw"} if "input.raw" in known else {}
    for step in network.plan.steps:
        forms = (f"{step.name}.clipped", f"{step.name}.raw", step.name, f"{step.name}.real", last)
        names[step.name] = next(form for form in forms if form in known)
    for name in sorted(set(names.values()) - {last}):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    found = open_session(model.SerializeToString()).run(list(names.values()), {"input": x})
    return {"input": x} | dict(zip(names, (tensor.astype(float) for tensor in found), strict=True))


def step_error(item, grid, inputs, found):
    """Largest distance of a step's output from the reference's for the same inputs, beyond half a step of its grid."""
    expected = compute(item, inputs).reshape(found.shape)
    if grid is None:
        return np.abs(found - expected).max()
    highest = 2**grid.bits - 1
    exact = np.clip(expected / grid.scale + grid.zero_point, 0, highest)
    return grid.scale * (np.abs(found - exact).max() - 0.5)


def allowed_error(item, input_grid, inputs):
    """Float rounding, and half a step of the integer bias where weights and input are integers."""
    scale = 0.0 if item.weight_scale is None or input_grid is None else input_grid.scale * item.weight_scale.max()
    return 0.5 * scale + 2e-5 * (1 + np.abs(compute(item, inputs)).max())


def operators(network):
    """The graph's operators in order."""
    return [node.op_type for node in to_onnx(network).graph.node]


def graph_scores(graph, split, target):
    """Every score of the task that a graph, as bytes, reaches on a split."""
    return target.score(run_onnx(graph, split.x), split.truth)
