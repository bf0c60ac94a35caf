"""The flatbuffer itself: what the schema reads back, where constants lie, and what is written once."""

import numpy as np
import pytest
from gasearch_workers.export.tflite_builder import ALIGNMENT, IDENTIFIER, Quantization, TfliteBuilder

from tests.workers.tflite_runs import operators, parse

TABLE = np.arange(12, dtype=np.int8).reshape(3, 4)


def grid(*scales, zero_point=0, axis=0):
    return Quantization(scale=np.array(scales, np.float32), zero_point=zero_point, axis=axis)


def dense(names=("weight",)):
    """Dense layers of equal weights, one behind the other."""
    builder = TfliteBuilder()
    source = tensor = builder.tensor("input", [4], np.int8, grid(0.5, zero_point=-3))
    for name in names:
        weight = builder.constant(name, TABLE, grid(0.1, 0.2, 0.3))
        output = builder.tensor(f"{name}.output", [3], np.int8, grid(0.25))
        tensor = builder.operator("FULLY_CONNECTED", [tensor, weight, -1], output, ("FullyConnected", {}), version=12)
    return builder.finish(("x", source), ("y", tensor), "two words")


def test_the_schema_reads_what_was_added():
    content = dense()
    assert content[4:8] == IDENTIFIER
    model = parse(content)
    assert (model.version, model.description) == (3, b"two words")
    graph = model.subgraphs[0]
    source, weight, output = graph.tensors
    assert (list(source.shape), list(source.shapeSignature), list(output.shape)) == ([1, 4], [-1, 4], [1, 3])
    assert source.quantization.zeroPoint.tolist() == [-3]
    assert weight.quantization.scale.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert weight.quantization.zeroPoint.tolist() == [0, 0, 0]
    assert bytes(model.buffers[weight.buffer].data) == TABLE.tobytes()
    assert operators(content) == ["FULLY_CONNECTED"]
    assert model.operatorCodes[0].version == 12
    signature = model.signatureDefs[0]
    assert (signature.inputs[0].name, signature.inputs[0].tensorIndex) == (b"x", 0)
    assert (signature.outputs[0].name, signature.outputs[0].tensorIndex) == (b"y", 2)


def test_constants_are_aligned_as_microcontrollers_read_them():
    builder = TfliteBuilder()
    source = builder.tensor("input", [3], np.int8, grid(1.0))
    values = {f"constant {size}": np.arange(size, dtype=np.int32) + 1234567 * size for size in (1, 3, 7)}
    for name, value in values.items():
        builder.constant(name, value)
    content = builder.finish(("x", source), ("y", source), "")
    for value in values.values():
        assert content.index(value.tobytes()) % ALIGNMENT == 0


def test_equal_constants_and_shapes_are_written_once():
    once, twice = dense(), dense(("weight", "other"))
    assert twice.count(TABLE.tobytes()) == 1
    assert len(twice) - len(once) < 350


def test_equal_files_have_equal_bytes():
    assert dense() == dense()


def test_a_constant_of_a_name_is_added_once():
    builder = TfliteBuilder()
    assert builder.constant("a", TABLE) == builder.constant("a", TABLE)
    assert builder.constant("b", TABLE) == 1


def test_the_version_of_an_operator_is_the_first_that_takes_its_type():
    builder = TfliteBuilder()
    for name, dtype in (("float", np.float32), ("int", np.int8)):
        source = builder.tensor(name, [3], dtype)
        last = builder.operator("ADD", [source, source], builder.tensor(f"{name} sum", [3], dtype), ("Add", {}))
    codes = parse(builder.finish(("x", source), ("y", last), "")).operatorCodes
    assert [code.version for code in codes] == [1, 2]


def test_fused_activations_and_paddings_have_the_schema_s_numbers():
    builder = TfliteBuilder()
    assert [builder.activation(name) for name in ("NONE", "RELU", "RELU6")] == [0, 1, 3]
    assert (builder.padding(is_same=True), builder.padding(is_same=False)) == (0, 1)
