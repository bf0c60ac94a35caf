"""The command line itself, killed with SIGKILL at random instants, ends as undisturbed; `test_kills.py` kills more."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from gasearch.errors import GasearchError
from gasearch.storage.sql import open_reader
from tests.doubles.searches import digest

pytestmark = pytest.mark.timeout(500)  # each process starts anew

ROOT = Path(__file__).parents[2]
EVALUATIONS = 18

TRAINED = """
name: small
seed: 5
task: {dataset: digits}
space: {family: mlp, layers: [1, 2], width: [4, 8, 16], weight_bits: [2, 4, 8], activation_bits: [4, 8]}
objectives: {accuracy: max, model_bytes: min}
recipe: {epochs: 1, batch_size: 128}
evolution: {population: 6, surrogate: full}  # else what it may take follows from how long the trainings took
budget: {evaluations: 18}
workers: {count: 0}
"""


def start(*arguments, url):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GASEARCH_DB": url}
    return subprocess.Popen(
        [sys.executable, "-m", "gasearch", *arguments],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def completed(url):
    try:
        with closing(open_reader(url)) as reader:
            return reader.counts(reader.search("small").id).completed
    except GasearchError:  # not created yet
        return 0


def exists(url):
    try:
        with closing(open_reader(url)) as reader:
            return bool(reader.searches())
    except GasearchError:
        return False


def kill_at(process, url, target, delay_s):
    """Kill the whole session when so many outcomes are stored, and a moment later still."""
    until = time.monotonic() + 60
    while completed(url) < target and time.monotonic() < until and process.poll() is None:
        time.sleep(0.003)
    time.sleep(delay_s)
    assert process.poll() is None, process.stderr.read()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


def digest_of(url):
    with closing(open_reader(url)) as reader:
        return digest(reader)


def test_a_search_with_trainings_killed_at_a_random_instant_equals_the_undisturbed_one(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(TRAINED)
    whole, killed = (f"sqlite:///{tmp_path / name}" for name in ("whole.db", "killed.db"))
    finish(start("run", str(path), url=whole))

    seed = random.SystemRandom().randrange(10**6)
    print(f"seed of the instants: {seed}")  # pytest shows it where the test fails
    rng = random.Random(seed)
    target = rng.randrange(int(0.7 * EVALUATIONS))  # the rest takes longer than the longest delay
    kill_at(start("run", str(path), url=killed), killed, target, delay_s=rng.random() * 0.03)
    finish(start(*(("resume", "small") if exists(killed) else ("run", str(path))), url=killed))
    assert digest_of(killed) == digest_of(whole)
    assert completed(killed) == EVALUATIONS
