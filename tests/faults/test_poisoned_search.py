"""Every kind of poisoned evaluator in one search on Ray workers: typed failures, right answers, a lean controller."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path

import pytest
from gasearch_workers.messages import RETRYABLE

from tests.doubles.command_line import finish
from tests.faults.test_poisoned_evaluators import FAILURES, GROWTH, HARMLESS

NAMES = [*FAILURES, *HARMLESS]
DESIGNS = [{"name": name, "turn": turn} for name in NAMES for turn in ("harm", "rest")]
SPEC = f"""
name: small
seed: 5
task: {{evaluator: "tests.doubles.poisoned:any_of"}}
space:
  family: custom
  decisions:
    name: {{choices: {json.dumps(NAMES)}}}
    turn: {{choices: [harm, rest]}}
objectives: {{error: min, cost: min}}
evolution: {{population: 8}}
start: {{designs: {json.dumps(DESIGNS)}}}
budget: {{evaluations: {len(DESIGNS)}}}
workers: {{count: 2, time_limit_s: 8, memory_limit: 300 MB, disk_limit: 20 MB}}
"""


def resident_bytes(pid):
    """What a process takes; 0 once it is gone."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class Weight:
    """How much a process takes while it runs."""

    def __init__(self, pid):
        self.first, self.most = resident_bytes(pid), 0
        self._pid = pid
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while taken := resident_bytes(self._pid):
            self.most = max(self.most, taken)
            time.sleep(0.1)

    @property
    def growth(self):
        return self.most - self.first


def processes_in(folder):
    """Every process that works in a folder, as all of a local search's do."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if path.readlink() == folder:
                found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_of_poisoned_evaluations_ends_well(gasearch):
    process = gasearch.start("run", gasearch.write_spec(SPEC))
    gasearch.wait_for(4, process)
    assert processes_in(gasearch.folder)
    weight = Weight(process.pid)
    done = finish(process, timeout_s=500)
    assert done.status == 0, done.err
    networks = gasearch.ask(lambda reader: list(reader.networks(reader.search("small").id)))
    assert len(networks) == len(DESIGNS)
    for network in networks:
        choices = json.loads(network.network_json)["choices"]
        kind, text = FAILURES.get(choices["name"], (None, "")) if choices["turn"] == "harm" else (None, "")
        if choices["turn"] == "harm" and choices["name"] == "too_few":
            kind, text = "user_error", "error was not measured"
        assert network.failure == kind, (choices, network.failure_message)
        assert text.replace("0.3 s", "8 s") in (network.failure_message or ""), choices
    tries = gasearch.ask(lambda reader: reader.events(reader.search("small").id))
    retried = [event for event in tries if event.kind == "retry"]
    assert len(retried) == sum(kind in RETRYABLE for kind, _ in FAILURES.values())
    assert "a worker died" not in done.err
    assert weight.growth <= GROWTH
    print(f"the controller grew by {weight.growth / 1e6:.1f} MB, from {weight.first / 1e6:.0f} MB")
    until = time.monotonic() + 10
    while processes_in(gasearch.folder) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_in(gasearch.folder) == []
