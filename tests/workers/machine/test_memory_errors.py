"""What says that memory ran out, whichever library says it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gasearch_workers.machine.memory_errors import OutOfMemory, is_out_of_memory, memory_named


def test_a_real_lack_of_memory_is_known_in_every_library():
    script = Path(__file__).with_name("lacks_of_memory.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("do_something_else_wrong") is False
    assert len(found) == 8
    assert all(found.values()), done.stderr


@pytest.mark.parametrize("message", ["CUDA out of memory. Tried to allocate 20 GiB", "CUDA error: out of memory"])
def test_a_gpu_s_memory_is_memory_too(message):
    assert is_out_of_memory(torch.OutOfMemoryError(message))
    assert is_out_of_memory(RuntimeError(message))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))


def test_other_errors_are_not_whatever_their_text_says():
    assert not is_out_of_memory(ValueError("a list ran out of memory cells"))
    assert not is_out_of_memory(OSError(28, "No space left on device"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_errors_in_a_circle_come_to_an_end():
    first, second = RuntimeError("one"), RuntimeError("two")
    first.__cause__, second.__cause__ = second, first
    assert not is_out_of_memory(first)


def test_a_lack_says_where_it_came_and_only_once():
    said = pytest.raises(OutOfMemory, match=r"^no memory left in epoch 2 of 3: no room$")
    with said, memory_named("while building or scoring"), memory_named("in epoch 2 of 3"):
        raise MemoryError("no room")
    with pytest.raises(KeyError), memory_named("in epoch 2 of 3"):
        raise KeyError("x")
