"""A Ray node with another version of the workers' code: found out when it joins, before it is asked for anything."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from gasearch_workers.machine.processes import end_session

from tests.doubles.command_line import CUSTOM, ROOT
from tests.readme.commands import free_port


@pytest.fixture
def other_code(tmp_path):
    """A copy of the workers' code that a node finds before the one that is installed."""
    folder = tmp_path / "other"
    shutil.copytree(ROOT / "workers", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "gasearch_workers"


@pytest.fixture
def cluster(gasearch, other_code):
    """Starts a cluster of one node with that code; gives its address."""
    token = gasearch.folder / "token"
    token.write_text(64 * "a")
    token.chmod(0o600)
    gasearch.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    address = f"127.0.0.1:{free_port()}"
    processes = []

    def start():
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus", "1"]
        processes.append(
            subprocess.Popen(
                [*command, "--port", address.rpartition(":")[2], "--include-dashboard=false"],
                env=gasearch.environment | {"PYTHONPATH": f"{other_code.parent}{os.pathsep}{ROOT}"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        return address

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        end_session(process.pid)
        process.wait()


DIGITS = """
name: small
seed: 1
space: {family: mlp, layers: [0, 1], width: [4, 8]}
objectives: {accuracy: max, latency_ms: min}
recipe: {epochs: 1}
evolution: {population: 4}
budget: {evaluations: 40}
workers: {count: 0}
"""


def run(gasearch, address, text=CUSTOM):
    spec = gasearch.write_spec(
        text, **{"count: 0": f'count: 1, address: "{address}"', "evaluations: 40": "evaluations: 2"}
    )
    until = time.monotonic() + 60
    while True:  # until the cluster is up
        done = gasearch.run("run", spec)
        if "can't be reached" not in done.err or time.monotonic() > until:
            return done
        time.sleep(0.5)


def change(path, before, after):
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def test_a_node_whose_messages_are_other_ones_is_refused_with_both_versions(gasearch, cluster, other_code):
    field = "    key: str\n    attempt: int  #: 1 for the first try.\n"
    change(other_code / "messages.py", field, f"    urgency: int = 0\n{field}")
    done = run(gasearch, cluster())
    assert done.status == 1, done.err
    assert done.sentence.startswith("the worker on ")
    assert "has gasearch's workers of code " in done.sentence
    assert ", and the controller gasearch's workers of code " in done.sentence
    assert "its messages are other ones; install the same gasearch on every node" in done.sentence
    assert gasearch.ask(lambda reader: reader.searches()) == []


@pytest.mark.slow
def test_a_node_with_other_code_and_no_latency_slot_is_told_and_works(gasearch, cluster, other_code):
    change(other_code / "training/stopping.py", "Standard library only:", "Other code:")
    done = run(gasearch, cluster(), DIGITS)
    assert done.status == 0, done.err
    assert "has gasearch's workers of code " in done.err
    assert "what it finds may differ; install the same versions on every node" in done.err
    completed = done.err.index("has the resource latency_slot: latency is measured on whichever node Ray takes")
    assert completed < done.err.index("evaluations, generation")
    assert """ --resources '{"latency_slot": 1}'""" in done.err
