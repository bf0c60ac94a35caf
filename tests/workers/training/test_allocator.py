"""Freed memory stays with a worker: measured by page faults, in a process of its own."""

import platform
import subprocess
import sys

import pytest
from gasearch_workers.training.allocator import keep_freed_memory

COUNT_FAULTS = """
import resource
import numpy as np
from gasearch_workers.training.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [np.ones(2**20) for _ in range(6)]  # 8 MiB each
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
assert keep_freed_memory()
faults()
print(before, faults())
"""


@pytest.fixture(scope="module")
def counted():
    """Page faults of ten rounds of allocations (before, after)."""
    if "glibc" not in platform.libc_ver()[0]:
        pytest.skip("the C library is not glibc")
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


def test_blocks_that_were_freed_come_back_without_page_faults(counted):
    assert counted[1] < 100


def test_by_default_they_come_back_page_by_page(counted):
    assert counted[0] > 10_000


def test_a_c_library_without_the_parameters_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()


def test_a_parameter_that_is_refused_is_told(monkeypatch):
    class Library:
        @staticmethod
        def mallopt(parameter, value):
            return 0

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library)
    assert not keep_freed_memory()


def test_a_c_library_that_refuses_large_blocks_keeps_smaller_ones(monkeypatch):
    asked = []

    class Library:
        @staticmethod
        def mallopt(parameter, value):
            asked.append((parameter, value))
            return int(parameter == -1 or value <= 32 * 2**20)

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library)
    assert keep_freed_memory()
    assert (-3, 32 * 2**20) in asked
