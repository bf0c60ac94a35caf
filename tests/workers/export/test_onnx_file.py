import onnx
import pytest
from gasearch_workers.export.onnx_file import read_graph


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_graph_that_names_other_files_is_refused(tmp_path, is_nested):
    (tmp_path / "secret").write_bytes(bytes(4))
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Constant", [], ["y"], value=tensor)
    if is_nested:
        node = onnx.helper.make_node("If", ["c"], ["y"], then_branch=onnx.helper.make_graph([node], "g", [], [out]))
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [out])).SerializeToString())
    with pytest.raises(ValueError, match="names other files for its tensors"):
        read_graph(path)


def test_a_file_that_is_no_graph_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"model.onnx is no ONNX file"):
        read_graph(tmp_path / "model.onnx")
