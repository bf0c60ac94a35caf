"""A process of its own for what hangs, crashes, or takes all memory."""

import os
import signal
import subprocess
import sys
import time

import pytest
from gasearch_workers.machine.isolated import Faulty, Isolated, NotThere, kept, memory_limit
from gasearch_workers.machine.processes import is_alive

ITSELF = f"{__name__}:answer"


def answer(asked, given):
    """What the process runs: as it is asked to."""
    match asked["what"]:
        case "echo":
            return {"pid": os.getpid(), "secret": os.environ.get("GASEARCH_DB")}, given[::-1]
        case "raise":
            raise ValueError("none of\n  this")
        case "import":
            raise ImportError("libmissing.so")
        case "hang":
            while True:
                pass
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            print("the end is near", flush=True)
            os._exit(3)
        case "fill":
            return {}, bytes(100 * 10**9)
        case "start":
            return {"pid": subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid}, b""
    return [], b""


@pytest.fixture(scope="module")
def process():
    with Isolated(ITSELF) as found:
        yield found


def call(process, what, *, seconds=60.0):
    return process.call({"what": what}, seconds=seconds)


def test_it_answers_call_after_call_in_another_process_without_our_secrets(monkeypatch):
    monkeypatch.setenv("GASEARCH_DB", "postgresql://secret")
    with Isolated(ITSELF) as process:
        first, content = process.call({"what": "echo"}, bytes(range(256)) * 4096, seconds=60.0)
        assert call(process, "echo")[0]["pid"] == first["pid"]
    assert content == (bytes(range(256)) * 4096)[::-1]
    assert first["pid"] != os.getpid()
    assert first["secret"] is None


@pytest.mark.parametrize(
    ("what", "seconds", "text"),
    [
        ("raise", 60, r"^ValueError: none of this$"),
        ("hang", 0.3, r"^it took more than 0\.3 s, and was ended$"),
        ("die", 60, r"^it ended its process by SIGSEGV: damaged, or in need of more than \d"),
        ("exit", 60, r"^it ended its process with status 3; it said: the end is near$"),
        ("fill", 60, r"^MemoryError: "),
        ("odd", 60, r"^it gave what is no answer$"),
    ],
)
def test_what_goes_wrong_is_said_and_the_next_call_finds_a_process(process, what, seconds, text):
    call(process, "echo")
    with pytest.raises(Faulty, match=text):
        call(process, what, seconds=seconds)
    assert "pid" in call(process, "echo")[0]


def test_a_module_that_is_not_there_is_told_apart(process):
    with pytest.raises(NotThere, match=r"^libmissing\.so$"):
        call(process, "import")


def test_what_it_has_started_ends_with_it():
    with Isolated(ITSELF) as found:
        started = call(found, "start")[0]["pid"]
        assert is_alive(started)
    until = time.monotonic() + 20
    while is_alive(started) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(started)


def test_what_can_not_be_imported_ends_it_with_its_last_words():
    with Isolated("no_such_module:answer") as found, pytest.raises(Faulty, match="No module named 'no_such_module'"):
        call(found, "echo")


def test_one_that_is_kept_goes_on_with_the_next_user_unless_it_is_gone():
    with kept():
        pids = []
        for _ in range(3):
            with Isolated(ITSELF) as found:
                pids.append(call(found, "echo")[0]["pid"])
            if len(pids) == 2:
                os.kill(pids[-1], signal.SIGKILL)
                while is_alive(pids[-1]):
                    time.sleep(0.01)
        with Isolated(ITSELF, memory_bytes=2**30) as other:
            assert call(other, "echo")[0]["pid"] not in pids
    assert pids[0] == pids[1] != pids[2]
    assert not any(map(is_alive, pids))


def test_its_memory_is_a_part_of_the_node_s():
    assert 0 < memory_limit() <= 8 * 2**30
