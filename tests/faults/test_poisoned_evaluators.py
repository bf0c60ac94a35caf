"""Evaluators that do every harm that we could think of: each ends as its typed failure, and the next one is right."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from gasearch_workers.machine.environment import MARK
from gasearch_workers.machine.processes import is_alive, marked
from gasearch_workers.messages import Failure, FailureKind, Measurement
from gasearch_workers.sandbox.host import TrialHost

from tests.doubles.requests import custom_request

DIED, TIMED_OUT, OUT_OF_MEMORY, USER_ERROR = (
    FailureKind.DIED,
    FailureKind.TIMED_OUT,
    FailureKind.OUT_OF_MEMORY,
    FailureKind.USER_ERROR,
)
MEGABYTE = 10**6
GROWTH = 50 * MEGABYTE  #: Bytes that the host may grow by, all of this file included.

#: What each ends as, and a part of what is said of it.
FAILURES = {
    # they end their process
    "exits_at_once": (DIED, "the evaluation ended its own process: exit status 3; its last words: my last words"),
    "exits_as_if_all_were_well": (DIED, "ended its own process: exit status 0"),
    "segfaults": (DIED, "the evaluation was killed by signal 11 (segmentation fault) at "),
    "aborts": (DIED, "killed by signal 6 (aborted)"),
    "kills_itself": (DIED, "killed by signal 9 (killed): the system may have run out of memory"),
    "kills_its_group": (DIED, "killed by signal 15 (terminated)"),
    "becomes_another_program": (USER_ERROR, "the evaluation closed what its process answers through"),
    # they never end
    "sleeps": (TIMED_OUT, "no answer within its time limit of 0.3 s"),
    "spins": (TIMED_OUT, "time limit"),
    "stops_itself": (TIMED_OUT, "time limit"),
    "blocks_in_c": (TIMED_OUT, "time limit"),
    "deadlocks": (TIMED_OUT, "time limit"),
    "catches_everything": (TIMED_OUT, "time limit"),
    "waits_for_its_child": (TIMED_OUT, "time limit"),
    "answers_without_end": (TIMED_OUT, "time limit"),
    # they take too much
    "takes_memory_at_once": (OUT_OF_MEMORY, "MemoryError; its limit is 300 MB (workers.memory_limit)"),
    "takes_memory_by_and_by": (OUT_OF_MEMORY, "MB of memory; its limit is 300 MB (workers.memory_limit)"),
    "takes_memory_with_torch": (OUT_OF_MEMORY, "its limit is 300 MB (workers.memory_limit)"),
    "lets_a_child_take_memory": (OUT_OF_MEMORY, "of memory; its limit is 300 MB"),
    "writes_a_large_file": (USER_ERROR, "OSError: [Errno 27] File too large"),
    "fills_its_folder": (USER_ERROR, "in its temporary folder; its limit is 20 MB (workers.disk_limit)"),
    "starts_many_processes": (USER_ERROR, "the evaluation has more than 256 processes"),
    # they break what they answer through
    "closes_all_descriptors": (USER_ERROR, "the evaluation broke what its process answers through"),
    "writes_to_all_descriptors": (USER_ERROR, "the evaluation's process gave what is no answer: b'garbage"),
    "patches_json": (USER_ERROR, "the evaluation broke what its process answers through"),
    "answers_for_another": (USER_ERROR, "the evaluation's process gave what is no answer: "),
    # they raise
    "exits": (USER_ERROR, "SystemExit: 0"),
    "interrupts": (USER_ERROR, "KeyboardInterrupt"),
    "raises_what_is_no_exception": (USER_ERROR, "Own: mine"),
    "cancels": (USER_ERROR, "CancelledError"),
    "raises_without_a_text": (USER_ERROR, "Speechless: its text can't be made"),
    "raises_with_an_odd_text": (USER_ERROR, "RuntimeError: null \ufffd, half \ufffd, bell \ufffdxxx"),
    "recurses": (USER_ERROR, "RecursionError"),
    "raises_a_memory_error": (OUT_OF_MEMORY, "mine; its limit is 300 MB"),
    # they answer what is no metric
    "not_a_number": (USER_ERROR, "metric 'error' must be a finite number; got nan"),
    "infinite": (USER_ERROR, "got -inf"),
    "none": (USER_ERROR, "got None"),
    "text": (USER_ERROR, "got '0.5'"),
    "complex_number": (USER_ERROR, "got 1j"),
    "true": (USER_ERROR, "got True"),
    "too_large": (USER_ERROR, "metric 'error' must be at most 1e+150 in size; got 1e+300"),
    "endless_whole_number": (USER_ERROR, "ValueError: Exceeds the limit"),
    "array": (USER_ERROR, "got array([0.5, 0.5])"),
    "unpicklable": (USER_ERROR, "got <function "),
    "sly": (USER_ERROR, "SystemExit: from within"),
    "long_text": (USER_ERROR, "got 'xxxxx"),
    "nothing": (USER_ERROR, "an evaluator returns at least one metric; got an empty dict"),
    "nobody": (USER_ERROR, "an evaluator returns a dict of metric names to numbers; got NoneType"),
    "pairs": (USER_ERROR, "got list"),
    "very_many": (USER_ERROR, "bytes; at most 4,194,304 are taken"),
    "reports_without_end": (USER_ERROR, "bytes; at most 4,194,304 are taken"),
    # they leave something behind and die
    "leaves_a_daemon_and_dies": (DIED, "exit status 4"),
}

#: What answers well, whatever else it does.
HARMLESS = [
    "good",
    "prints_much",
    "negative_zero",
    "scalar_array",
    "too_few",
    "unknown",
    "moves_away",
    "changes_the_process",
    "patches_the_system_s_calls",
    "leaves_a_thread",
    "leaves_a_child",
    "leaves_workers",
    "leaves_a_daemon",
    "leaves_a_daemon_without_a_trace",
    "forks_and_returns_twice",
]


def request(name, key="0a", **choices):
    """A request for one of the poisoned evaluators, with limits that it reaches soon."""
    return dataclasses.replace(
        custom_request(key, evaluator=f"tests.doubles.poisoned:{name}", x=1, **choices),
        time_limit_s=0.3 if FAILURES.get(name, ("",))[0] is TIMED_OUT else 30.0,
        memory_limit_bytes=300 * MEGABYTE,
        disk_limit_bytes=20 * MEGABYTE,
    )


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processes_of(host):
    """All that runs on behalf of a host's evaluations."""
    return [pid for pid in marked(f"{MARK}={host.mark}") if is_alive(pid)]


@pytest.fixture(scope="module")
def host():
    before = resident_bytes()
    host = TrialHost(None)
    assert host.device == "custom"
    yield host
    host.close()
    assert processes_of(host) == []
    assert not Path(host.folder).exists()
    assert resident_bytes() - before <= GROWTH


def require_unharmed(host):
    """The next evaluation is right, in a process that is alone, in the same folder as before."""
    here = os.getcwd()
    result, prepared = host.prepare(request("good", key="0b"))
    assert isinstance(result.outcome, Measurement), result.outcome
    assert result.outcome.others == (("cost", 1.0), ("error", 1.0))
    assert (result.key, prepared) == ("0b", None)
    assert processes_of(host) == [host.process_id]
    assert Path(f"/proc/{host.process_id}/cwd").resolve() == Path(here).resolve()


@pytest.mark.parametrize("name", FAILURES)
def test_a_poisoned_evaluation_is_a_typed_failure_and_the_next_one_is_right(name, host):
    kind, text = FAILURES[name]
    result, prepared = host.prepare(request(name))
    assert isinstance(result.outcome, Failure), result.outcome
    assert text in result.outcome.message
    assert result.outcome.kind is kind
    assert (result.key, result.attempt, prepared) == ("0a", 1, None)
    require_unharmed(host)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_an_evaluation_leaves_behind_harms_no_other(name, host):
    result, _ = host.prepare(request(name))
    assert isinstance(result.outcome, Measurement), result.outcome
    require_unharmed(host)
