"""ONNX Runtime tells nobody that it is used."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    ["gasearch_workers.evaluation.evaluate", "gasearch_workers.measure.own_model", "gasearch_workers.runtimes.runtime"],
)
def test_whatever_imports_it_leaves_nothing_in_the_home_folder(tmp_path, module):
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    code = f"import os, sys, {module}; print('onnxruntime' in sys.modules, 'ORT_DISABLE_TELEMETRY' in os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "True False\n"
    assert not (tmp_path / ".cache/Microsoft").exists()
