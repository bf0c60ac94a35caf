"""Every runtime by its name: each one runs a form that is written."""

import numpy as np
import onnxruntime
import pytest
from gasearch_workers.export.exporters import EXPORTERS
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.runtimes.runtime import RUNTIMES

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import random_network, random_raw

BLUEPRINT = Blueprint(
    family="mlp", input_shape=(5,), layers=(Layer(kind="linear", width=8), Layer(kind="linear", width=3))
)


def test_each_runs_a_form_that_is_written_and_says_what_to_install():
    for runtime in map(RUNTIMES.get, RUNTIMES.names()):
        assert EXPORTERS.get(runtime.form).name == runtime.form
        assert runtime.needs


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-qdq", "openvino", "onnx-reference"])
def test_each_runs_the_folder_s_file(name, tmp_path):
    runtime = RUNTIMES.get(name)
    if runtime.version() is None:
        pytest.skip(runtime.needs)
    network = random_network(BLUEPRINT, np.random.default_rng(0))
    x = random_raw(np.random.default_rng(1), network, 7)
    for file, content in EXPORTERS.get(runtime.form).write(network, x).items():
        (tmp_path / file).write_bytes(content)
    assert runtime.run(tmp_path, x) == pytest.approx(run_reference(network, x), abs=5e-2)


def test_onnx_runtime_s_version_is_that_of_the_package():
    assert {RUNTIMES.get(name).version() for name in ("onnxruntime", "onnxruntime-qdq")} == {onnxruntime.__version__}
