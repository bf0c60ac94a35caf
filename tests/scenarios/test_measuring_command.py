"""Searches whose networks a command of the user's measures: on two workers, one at a time; failing; interrupted."""

import json
import signal
import time
from itertools import pairwise

import pytest
from gasearch_workers.machine.processes import descendants, is_alive, shown

from tests.doubles.command_line import CommandLine, finish

SPEC = """
name: small
seed: 5
task: {dataset: digits}
space: {family: mlp, layers: [1, 2], width: [4, 8, 16], weight_bits: [2, 4, 8], activation_bits: [4, 8]}
measure: {command: "python3 bench.py", metrics: [ram_bytes, latency_ms], timeout_s: 30}
objectives: {accuracy: max, ram_bytes: min, latency_ms: min}
constraints: ["ram_bytes <= 100 KB"]
recipe: {epochs: 1, data_share: 0.2}
evolution: {population: 4}
budget: {evaluations: 6}
workers: {count: 0}
"""
BENCH = """
import json, os, pathlib, sys, time
begun = time.monotonic()
folder = pathlib.Path(sys.argv[-1])
about = json.loads((folder / "model.json").read_text())
key = about["description"]["key"]
size = (folder / "model.gap").stat().st_size
time.sleep({sleep_s})
with open("log", "a") as log:
    log.write(json.dumps([key, begun, time.monotonic(), os.getpid(), sorted(os.listdir(folder))]) + "\\n")
if {fails}:
    print("no such board", file=sys.stderr)
    sys.exit(3)
print(json.dumps({{"key": key, "ram_bytes": 100 + size, "latency_ms": size / 1000, "device": "a board"}}))
"""


@pytest.fixture
def place(tmp_path):
    place = CommandLine(tmp_path)
    place.write_spec(SPEC)
    yield place
    place.close()


def bench(place, *, sleep_s=0.05, fails="False"):
    (place.folder / "bench.py").write_text(BENCH.format(sleep_s=sleep_s, fails=fails))


def log(place):
    path = place.folder / "log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def points(place):
    return json.loads(place.run("front", "small", "--format", "json").out)


def test_two_workers_never_measure_at_the_same_time_and_what_is_measured_decides(place):
    bench(place, sleep_s=0.3)
    done = place.run("run", "small.yaml", "--workers", "2", timeout_s=300)
    assert done.status == 0, done.err
    measured = log(place)
    assert len(measured) == 6
    spans = sorted((begun, ended) for _, begun, ended, *_ in measured)
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(spans))
    assert {"model.gap", "model.json", "model.onnx"} <= set(measured[0][4])
    found = points(place)
    assert found
    for point in found:
        assert point["ram_bytes"] == 100 + point["model_bytes"]
        assert point["latency_ms"] == point["model_bytes"] / 1000
        assert "latency_spread_ms" not in point
    network = json.loads(place.run("show", "small", found[0]["key"], "--format", "json").out)
    assert "a board" in json.dumps(network)


def test_a_finalist_is_measured_by_the_command_again_on_a_worker_too(place):
    bench(place)
    assert place.here("run", "small.yaml").status == 0
    done = place.run("finalize", "small", "--top", "1", "--seeds", "1", "--workers", "1", timeout_s=300)
    assert done.status == 0, done.err
    assert len(log(place)) == 7
    [final] = place.ask(lambda reader: list(reader.finals(reader.search("small").id)))
    found = dict(final.metrics)
    assert found["ram_bytes"] == 100 + found["model_bytes"]
    assert found["latency_ms"] == found["model_bytes"] / 1000


def test_where_every_measurement_fails_the_search_says_why_and_keeps_what_the_command_wrote(place):
    bench(place, fails="True")
    done = place.here("run", "small.yaml")
    assert done.status == 1
    assert "6 user_error" in done.err
    assert "measure.command (python3 bench.py) ended with status 3; its last words: no such board" in done.err
    failed = json.loads(place.here("failures", "small", "--full", "--format", "json").out)
    assert "no such board" in json.dumps(failed)


def test_a_search_that_is_interrupted_while_the_command_runs_ends_it_and_goes_on_later(place):
    bench(place, sleep_s=600)
    process = place.start("run", "small.yaml")
    until = time.monotonic() + 60
    while not (running := [pid for pid in children_running_bench(process.pid) if is_alive(pid)]):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert finish(process).status == 130
    until = time.monotonic() + 20
    while any(map(is_alive, running)):
        assert time.monotonic() < until
        time.sleep(0.05)
    bench(place)
    place.resumes(completed=6)
    assert len(log(place)) == 6


def children_running_bench(pid):
    return [child for child in descendants(pid) if b"bench.py" in shown(child, "cmdline")]


def test_a_program_that_is_not_there_is_refused_before_any_work(place):
    place.write_spec(SPEC, **{"python3 bench.py": "./no-such-program --fast"})
    for command in (["check", "small.yaml"], ["run", "small.yaml"]):
        done = place.here(*command)
        assert done.status == 2
        assert "measure.command: there is no program './no-such-program' here, in" in done.sentence
    assert not (place.folder / "store.db").exists()


def test_check_says_what_will_be_run_and_runs_nothing(place):
    bench(place)
    done = place.here("check", "small.yaml")
    assert done.status == 0, done.err
    assert (
        "measure   runs for each network, one at a time and 30 s at most: python3 bench.py FOLDER\n"
        "          ram_bytes in place of ours, latency_ms in place of ours\n" in done.out
    )
    assert log(place) == []
