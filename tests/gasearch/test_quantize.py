"""The public quantized layers, which load torch only when they are asked for."""

import subprocess
import sys

import pytest

from gasearch import quantize


def test_they_are_the_layers_of_the_workers():
    from gasearch_workers.modules import own_layers

    for name in dir(quantize):
        assert getattr(quantize, name) is getattr(own_layers, name)
    assert set(dir(quantize)) == set(quantize.__all__)


def test_the_module_alone_loads_no_torch_and_knows_no_other_name():
    code = "import sys, gasearch.quantize; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    with pytest.raises(AttributeError, match=r"module 'gasearch\.quantize' has no attribute 'QuantizedGru'"):
        _ = quantize.QuantizedGru
