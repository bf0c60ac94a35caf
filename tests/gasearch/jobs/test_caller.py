"""A program that calls gasearch finds its process as it was, whatever a search needs to change on the way."""

import os
import subprocess
import sys
import threading
import warnings

import pytest

from gasearch.jobs.caller import left_as_found
from tests.doubles.command_line import ROOT

PROGRAM = """
import gc, locale, logging, multiprocessing, os, random, resource, signal, sys, threading, warnings
import numpy
{preload}
import gasearch

def state():
    found = {{
        "streams": (id(sys.stdin), id(sys.stdout), id(sys.stderr)),
        "folder": os.getcwd(),
        "signals": {{number: signal.getsignal(number) for number in signal.valid_signals()}},
        "root logger": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "own logger": (own.level, own.disabled, own.propagate, list(own.handlers)),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "locale": locale.setlocale(locale.LC_ALL),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "environment": dict(os.environ),
        "umask": [os.umask(0o22) for _ in range(2)][1],
        "paths": list(sys.path),
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "generators": (random.getstate(), str(numpy.random.get_state())),
        "arithmetic": numpy.geterr(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "limits": [resource.getrlimit(kind) for kind in range(16)],
        "cores": os.sched_getaffinity(0),
        "recursion": sys.getrecursionlimit(),
    }}
    torch = sys.modules.get("torch")
    if torch is not None and {compares_torch}:
        found["torch"] = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
        found["torch's generator"] = torch.get_rng_state().tolist()
    return found

own = logging.getLogger("own")
own.setLevel(logging.DEBUG)
random.seed(5)
before = state()
search = gasearch.run({spec!r}, db="sqlite:///" + sys.argv[1])
search.best(), search.status(), search.evaluations()
search.resume(evaluations={more})
after = state()
print([name for name in before if before[name] != after.get(name)])
"""

CUSTOM = {
    "name": "s",
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {"a": {"choices": [0, 1, 2, 3]}, "b": {"choices": [0, 1, 2, 3]}}},
    "objectives": {"error": "min", "cost": "min"},
    "budget": {"evaluations": 4},
    "workers": {"count": 0},
}
TRAINED = {
    "name": "s",
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 2], "width": [4, 8], "weight_bits": [4, 8], "activation_bits": [8]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
    "recipe": {"epochs": 1},
    "budget": {"evaluations": 2},
    "workers": {"count": 0},
}


@pytest.mark.parametrize(
    ("spec", "more", "preload", "compares_torch"),
    [
        pytest.param(CUSTOM, 6, "", False, id="custom"),
        pytest.param(TRAINED, 3, "import torch; torch.set_num_threads(2)", True, id="trained"),
        pytest.param(CUSTOM | {"workers": {"count": 1}}, 6, "", False, id="on Ray", marks=pytest.mark.slow),
    ],
)
def test_a_search_leaves_the_process_of_its_caller_as_it_was(tmp_path, spec, more, preload, compares_torch):
    program = PROGRAM.format(spec=spec, more=more, preload=preload, compares_torch=compares_torch)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s.db")], cwd=ROOT, capture_output=True, text=True, timeout=150
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_what_the_program_itself_changes_meanwhile_stays(monkeypatch):
    monkeypatch.delenv("KMP_INIT_AT_FORK", raising=False)
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "mine")
    with left_as_found():
        monkeypatch.setenv("MINE", "1")
        monkeypatch.setenv("KMP_INIT_AT_FORK", "FALSE")
    assert os.environ["MINE"] == "1"
    assert os.environ["KMP_DUPLICATE_LIB_OK"] == "mine"
    assert "KMP_INIT_AT_FORK" not in os.environ


def test_of_several_calls_in_threads_the_last_one_puts_the_environment_back(monkeypatch):
    monkeypatch.delenv("KMP_INIT_AT_FORK", raising=False)
    is_inside, may_leave = threading.Event(), threading.Event()

    def call():
        with left_as_found():
            is_inside.set()
            may_leave.wait()

    thread = threading.Thread(target=call)
    thread.start()
    is_inside.wait()
    with left_as_found():
        os.environ["KMP_INIT_AT_FORK"] = "FALSE"
    assert "KMP_INIT_AT_FORK" in os.environ
    may_leave.set()
    thread.join()
    assert "KMP_INIT_AT_FORK" not in os.environ


def test_torch_gets_its_threads_back_and_warnings_their_filters():
    import torch
    from gasearch_workers.training.resident import use_one_thread

    before, filters = torch.get_num_threads(), list(warnings.filters)
    torch.set_num_threads(3)
    with left_as_found():
        use_one_thread()
        warnings.simplefilter("ignore")
        assert torch.get_num_threads() == 1
    assert (torch.get_num_threads(), warnings.filters) == (3, filters)
    torch.set_num_threads(before)
