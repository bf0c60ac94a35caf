"""Running TFLite files in tests: whole, by both interpreters, and step by step on the same inputs."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.runtimes.litert import channels_last, run_litert
from gasearch_workers.runtimes.tflite_micro import run_tflite_micro
from tflite_micro import runtime as micro

from tests.workers.export.reference import compute, run_reference, take_in_all

INTERPRETERS = {"litert": run_litert, "tflite-micro": run_tflite_micro}
ARENA = 1 << 22


def run_both(network, x, folder):
    """The outputs of each interpreter by its name."""
    path = folder / "model.tflite"
    path.write_bytes(to_tflite(network))
    return {name: run(path, x) for name, run in INTERPRETERS.items()}


def agreement(found, network, x, *, tie=0.05):
    """Share of the samples whose predicted class is the reference's, or one that lies as close as `tie` deviations."""
    expected = run_reference(network, x)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    deviation = max(float(expected.std()), 1e-3 * float(np.abs(expected).max()))
    chosen = np.take_along_axis(expected, found.argmax(axis=1, keepdims=True), axis=1)[:, 0]
    return float((chosen >= expected.max(axis=1) - tie * deviation).mean())


def error_of(found, network, x):
    """Root mean square error of the outputs in their standard deviations."""
    expected = run_reference(network, x)
    deviation = max(float(expected.std()), 1e-3 * float(np.abs(expected).max()))
    return float(np.sqrt(np.square(found - expected).mean())) / deviation


def parse(content):
    """The file's content by the schema."""
    return schema.ModelT.InitFromPackedBuf(content, 0)


def operators(content):
    """The file's operators in order."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    model = parse(content)
    return [names[model.operatorCodes[operator.opcodeIndex].builtinCode] for operator in model.subgraphs[0].operators]


def step_differences(network, x, read):
    """For each step with a grid: (share of integers that aren't those for the same inputs, largest difference).

    `read` is `litert_tensors` or `micro_tensors`.
    """
    tensors = read(to_tflite(network), channels_last(x))
    grids, known, found = network.grids, take_in_all(x, network), {}
    if grids["input"] is not None:
        known["input"] = _reals(_integers(tensors, "input"), grids["input"])
    for item in network.steps:
        name, grid = item.step.name, grids[item.step.name]
        known[name] = compute(item, [known[source] for source in item.step.inputs])
        if grid is not None:
            exact = np.rint(np.clip(known[name] / grid.scale + grid.zero_point, 0, 2**grid.bits - 1))
            integers = _integers(tensors, name)
            assert integers.shape == exact.shape
            found[name] = float((integers != exact).mean()), float(np.abs(integers - exact).max())
            known[name] = _reals(integers, grid)
    return found


def litert_tensors(content, samples):
    """What LiteRT's reference kernels give for every tensor of a file, by name."""
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, samples.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, samples)
    interpreter.invoke()
    return {name: interpreter.get_tensor(place) for name, place in _filled(content).items()}


def micro_tensors(content, samples):
    """The same of TFLite Micro."""
    config = micro.InterpreterConfig.kPreserveAllTensors
    interpreter = micro.Interpreter.from_bytes(content, arena_size=ARENA, intrepreter_config=config)
    found = {name: [] for name in _filled(content)}
    for sample in samples:
        interpreter.set_input(sample[None], 0)
        interpreter.invoke()
        for name, place in _filled(content).items():
            found[name].append(np.array(interpreter.GetTensor(place, 0)["tensor_data"]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _filled(content):
    """Number of each tensor that an operator fills, by its name."""
    graph = parse(content).subgraphs[0]
    filled = {int(place) for operator in graph.operators for place in operator.outputs} | {int(graph.inputs[0])}
    return {graph.tensors[place].name.decode(): place for place in sorted(filled)}


def _integers(tensors, name):
    """A tensor's final integers in our layout and range."""
    forms = (f"{name}.minimum.clamped", f"{name}.maximum.clamped", f"{name}.raw", f"{name}.int8", name)
    found = next(tensors[form] for form in forms if form in tensors).astype(float) + 128
    return found.transpose(0, 3, 1, 2) if found.ndim == 4 else found


def _reals(integers, grid):
    return (integers - grid.zero_point) * grid.scale
