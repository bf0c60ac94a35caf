"""The fast tier leaves out every test that asks for a process, however it asks and whatever it makes of the answer."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

ASKING = """
import contextlib, multiprocessing, os, pytest, subprocess, sys

def test_needs_nothing():
    assert 1 + 1 == 2

def test_runs_a_command():
    subprocess.run([sys.executable, "-c", ""])

def test_forks():
    os.fork() or os._exit(0)

@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_begins_a_process(method):
    multiprocessing.get_context(method).Process(target=print).start()

def test_takes_a_refusal_for_its_own():
    with contextlib.suppress(BaseException):
        os.system("true")

def test_fails_with_a_refusal():
    with contextlib.suppress(BaseException):
        os.posix_spawn("/bin/true", ["true"], {})
    raise AssertionError

@pytest.fixture(scope="module")
def server():
    return subprocess.Popen(["true"])

def test_uses_a_server(server): pass

def test_uses_it_too(server): pass
"""


def test_what_asks_for_a_process_is_left_out(tmp_path):
    (tmp_path / "test_asking.py").write_text(ASKING)
    options = ("-n", "1", "--rootdir", tmp_path, "-p", "tests.fast_tier", "--fast")
    command = (sys.executable, "-m", "pytest", *options, tmp_path)
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert "8 tests left out: each asks for another process" in said
    assert "1 passed, 8 skipped" in said
