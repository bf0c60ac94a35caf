"""Any order of starting, delivering, dying, expiring, taking over, resuming and stopping keeps what must always hold.

Each controller is a real `SearchLoop` over a real `SqlArchive`, in a thread that runs only while the machine waits for
it: so one step is one step, and a paused controller stays where it is until somebody wakes it.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
from gasearch_workers.messages import EvaluationResult, Failure, FailureKind
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gasearch.errors import GasearchError, LeaseLost, WrongState
from gasearch.search.ownership import StopSignal
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.chaos.mined import MinedArchive
from tests.chaos.proof import require_sound, without_order
from tests.doubles.scripted import two_objectives
from tests.doubles.searches import digest, loop_over, new_search

BUDGET, SLOTS, POPULATION, OPTIONS = 16, 3, 5, 4
TTL_S = 600.0
MOST_LOSSES = 8  #: Of one network: fewer than make its failure final, which would make another search of it.
KINDS = ("good", "good", "good", "lost", "died", "twice", "stale")
OUTCOMES = "SELECT candidate, attempt, arrival FROM evaluations"
MACHINE = current_owner().rpartition("/")[2].partition("-")[0]  #: As this one names itself in an owner.
DEAD_PID = 2**22 + 1  #: Above the greatest that Linux gives.


class Died(BaseException):
    """The controller is gone, in the middle of whatever it did."""


class Mined(MinedArchive):
    """Dies by an exception, and tells of each acknowledged write."""

    def __init__(self, archive, tell):
        super().__init__(archive)
        self._tell = tell

    def lay(self, count, is_before):
        """Die at the write so many from now."""
        self._mines = [{"method": "*", "count": self.calls["*"] + count, "is_before": is_before}]

    def _die(self):
        raise Died

    def _acknowledge(self, name, arguments, answer):
        self._tell(name, arguments, answer)


class Puppet:
    """A dispatcher whose results come from the machine."""

    slots = SLOTS

    def __init__(self, wait):
        self._wait = wait
        self.requests = []

    @property
    def free(self):
        return SLOTS - len(self.requests)

    @property
    def in_flight(self):
        return len(self.requests)

    def submit(self, request):
        self.requests.append(request)

    def collect(self, timeout_s):
        return self._wait()

    def cancel_queued(self):
        self.requests.clear()

    def close(self):
        self.requests.clear()


class Controller:
    """A search loop in a thread of its own, asleep in `collect` between two steps."""

    def __init__(self, url, owner, machine):
        self._url, self._machine = url, machine
        self.owner, self.lease = owner, None
        self.stop = StopSignal()
        self.puppet = Puppet(self._sleep)
        self.end = None  # a verdict, or what it died of
        self._results, self._asleep = queue.Queue(), queue.Queue()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        self._asleep.get(timeout=60)

    def wake(self, results):
        """Let it take these results (or an exception), and wait until it sleeps again or has ended."""
        self._results.put(results)
        self._asleep.get(timeout=60)

    @property
    def has_ended(self):
        return self.end is not None

    def _sleep(self):
        self._asleep.put(True)
        results = self._results.get()
        if isinstance(results, type):
            raise results
        return results

    def _live(self):
        try:
            with closing(open_archive(self._url, notice=print)) as inner:
                self.archive = Mined(inner, lambda *write: self._machine.acknowledge(self, *write))
                self.end = self._run()
        except (Died, GasearchError) as error:
            self.end = error
        except BaseException as error:
            self.end = error
            raise
        finally:
            self._asleep.put(True)

    def _run(self):
        if self._machine.exists:
            self.lease = self.archive.claim("small", owner=self.owner, ttl_s=TTL_S)
        else:
            self.lease = self.archive.create_search(new_search(), owner=self.owner, ttl_s=TTL_S)
        self._sleep()
        verdict = loop_over(
            self.archive,
            lease=self.lease,
            evaluations=BUDGET,
            population=POPULATION,
            most=OPTIONS,
            dispatcher=self.puppet,
            stop=self.stop,
        ).run()
        self.archive.release(self.lease, state=verdict.state, reason=verdict.reason)
        return verdict


class Searching(RuleBasedStateMachine):
    """One search, and everybody who wants to run it."""

    template: Path
    undisturbed: dict
    seen: Counter[str]  #: How often what happened, over all histories.

    def __init__(self):
        super().__init__()
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)
        shutil.copy(self.template, f"{self._folder.name}/store.db")
        self.url = f"sqlite:///{self._folder.name}/store.db"
        self.archive = open_archive(self.url, notice=print)
        self.living: list[Controller] = []
        self.exists = False
        self.newest = 0  # epoch
        self.is_leased, self.is_finished = False, False
        self.candidates, self.outcomes, self.generations = {}, {}, set()  # acknowledged
        self.losses, self.deaths = {}, set()
        self._numbers, self._refusals = 0, 0

    # --- what a controller tells ------------------------------------------------------------------------------------

    def acknowledge(self, controller, name, arguments, answer):
        """Keep what was acknowledged; only the newest owner may write at all."""
        if name in ("create_search", "claim"):
            assert answer.epoch == self.newest + 1, "an epoch was given twice, or one was left out"
            self.newest, self.exists, self.is_leased, self.is_finished = answer.epoch, True, True, False
            return
        assert arguments[0].epoch == self.newest, f"{name} was written in the epoch {arguments[0].epoch}"
        match name:
            case "add_candidates":
                self.candidates |= {record.number: record.key for record in arguments[1]}
            case "add_evaluations" if answer:
                for record, _ in arguments[1]:
                    place = record.candidate, record.result.attempt
                    assert place not in self.outcomes, f"{place} was acknowledged twice"
                    self.outcomes[place] = record.arrival
            case "add_generation":
                self.generations.add(arguments[1].number)
            case "release":
                self.is_leased = False
                self.is_finished = arguments and answer is None and self._stored().state is SearchStatus.FINISHED

    # --- the rules --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self._may_be_claimed() or self._refusals < 2)
    @rule(is_gone=st.booleans())
    def start_or_take_over(self, is_gone):
        """Start the search, resume it, or take it over; refused while a living owner's lease is valid."""
        self._numbers += 1
        owner = f"elsewhere/{self._numbers}"
        if is_gone:  # whoever comes next believes that it is dead, which it need not be
            owner = f"{socket.gethostname()}/{DEAD_PID}/{MACHINE}-{self._numbers}"
        may = self._may_be_claimed()
        controller = Controller(self.url, owner, self)
        if may:
            assert not controller.has_ended, controller.end
            self.living.append(controller)
        else:
            self.seen["refused"] += 1
            self._refusals += 1
            assert isinstance(controller.end, WrongState), controller.end
            assert "is being run by" in str(controller.end)

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def wake(self, data):
        """Let a controller go on without any result."""
        controller = self._one(data)
        self._wake(controller, [])

    @precondition(lambda self: any(one.puppet.requests for one in self.living))
    @rule(data=st.data(), kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    def deliver(self, data, kinds):
        """Deliver outcomes of evaluations in flight: good, lost, died, twice, or of another attempt."""
        controller = data.draw(st.sampled_from([one for one in self.living if one.puppet.requests]))
        for kind in kinds:
            if not controller.has_ended and controller.puppet.requests:
                self._deliver(data, controller, kind)

    def _deliver(self, data, controller, kind):
        requests = controller.puppet.requests
        request = requests.pop(data.draw(st.integers(0, len(requests) - 1)))
        outcome = two_objectives(request)
        if kind == "lost" and self.losses.get(request.key, 0) < MOST_LOSSES:
            self.losses[request.key] = self.losses.get(request.key, 0) + 1
            outcome = Failure(kind=FailureKind.WORKER_LOST, message="the worker is gone")
        elif kind == "died" and request.key not in self.deaths:
            self.deaths.add(request.key)
            outcome = Failure(kind=FailureKind.DIED, message="signal 11")
        result = EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="puppet",
            device="none",
            started_at=0.0,
            finished_at=1.0,
            outcome=outcome,
        )
        stale = [_with_attempt(result, request.attempt + 7)] if kind == "stale" else []
        self._wake(controller, [*stale, result, *([result] if kind == "twice" else [])])

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def kill(self, data):
        """Kill a controller between two writes."""
        controller = self._one(data)
        controller.wake(Died)
        assert isinstance(controller.end, Died)
        self.living.remove(controller)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), count=st.integers(1, 4), is_before=st.booleans())
    def mine(self, data, count, is_before):
        """Let a controller die before or after one of its next writes."""
        self._one(data).archive.lay(count, is_before)

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def renew(self, data):
        """Renew the lease of a controller: only the newest owner's can be."""
        lease = self._one(data).lease
        if lease.epoch == self.newest and self._stored().owner == lease.owner:
            self.archive.renew(lease, ttl_s=TTL_S)
            self.is_leased = True
        else:
            with pytest.raises(LeaseLost):
                self.archive.renew(lease, ttl_s=TTL_S)

    @precondition(lambda self: self.is_leased)
    @rule()
    def expire(self):
        """Let the lease run out: its owner was paused, or is out of reach."""
        for controller in self.living:
            if controller.lease.epoch == self.newest:
                with suppress(LeaseLost):
                    self.archive.renew(controller.lease, ttl_s=-1.0)
                    self.is_leased = False

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def stop(self, data):
        """Stop a controller the clean way."""
        controller = self._one(data)
        controller.stop.request("asked")
        self._wake(controller, [])

    # --- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_or_counted_twice(self):
        """All that was acknowledged is there, and the whole is sound."""
        if not self.exists:
            return
        keys = dict(self._rows("SELECT number, key FROM candidates"))
        assert keys.items() >= self.candidates.items()
        stored = {(number, attempt): arrival for number, attempt, arrival in self._rows(OUTCOMES)}
        assert stored.items() >= self.outcomes.items()
        assert {number for (number,) in self._rows("SELECT number FROM generations")} >= self.generations
        assert sum(arrival >= 0 for arrival in stored.values()) <= BUDGET
        require_sound(self.archive, "small")

    def teardown(self):
        """Whatever happened: the next controller completes the search, and finds what an undisturbed one finds."""
        try:
            for controller in self.living:
                controller.wake(Died)
            if self.exists:
                self.seen["completed"] += 1
                self._complete()
                assert without_order(digest(self.archive)) == self.undisturbed
        finally:
            self.archive.close()
            self._folder.cleanup()

    # --- the pieces -------------------------------------------------------------------------------------------------

    def _rows(self, query):
        with closing(sqlite3.connect(f"{self._folder.name}/store.db")) as connection:
            return connection.execute(query).fetchall()

    def _stored(self):
        return self.archive.search("small")

    def _one(self, data):
        return data.draw(st.sampled_from(self.living))

    def _may_be_claimed(self):
        if not self.exists or not self.is_leased:
            return True
        owner = self._stored().owner
        return owner is None or f"/{DEAD_PID}/" in owner

    def _wake(self, controller, results):
        is_newest = controller.lease.epoch == self.newest
        before = len(self.outcomes)
        controller.wake(results)
        if not is_newest:
            assert len(self.outcomes) == before, "a fenced controller has told an outcome"
        self.seen["an old owner woke" if not is_newest else "woke"] += 1
        if controller.has_ended:
            self.seen[type(controller.end).__name__] += 1
            self.living.remove(controller)
            is_fenced = isinstance(controller.end, LeaseLost)
            assert not is_fenced or not is_newest or self._stored().owner != controller.owner, controller.end
            assert is_fenced or isinstance(controller.end, Died) or not isinstance(controller.end, BaseException), (
                controller.end
            )

    def _complete(self):
        owner = self._stored().owner or "elsewhere/0"  # the one who left a valid lease behind comes back himself
        lease = self.archive.claim("small", owner=owner, ttl_s=TTL_S)
        loop_over(self.archive, lease=lease, evaluations=BUDGET, population=POPULATION, most=OPTIONS).run()


def _with_attempt(result, attempt):
    from dataclasses import replace

    return replace(result, attempt=attempt)


@pytest.fixture
def machine(migrated_sqlite_file, tmp_path):
    """The machine, with what an undisturbed search finds."""
    shutil.copy(migrated_sqlite_file, tmp_path / "whole.db")
    with closing(open_archive(f"sqlite:///{tmp_path}/whole.db", notice=print)) as archive:
        loop_over(archive, evaluations=BUDGET, population=POPULATION, most=OPTIONS).run()
        Searching.undisturbed = without_order(digest(archive))
    Searching.template = migrated_sqlite_file
    Searching.seen = Counter()
    return Searching


def run_for(machine, seconds, examples):
    """Run the machine again and again for so long; returns how many runs of it there were."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    began, runs = time.monotonic(), 0
    while True:
        run_state_machine_as_test(machine, settings=chosen)
        runs += examples
        if time.monotonic() - began >= seconds:
            return runs


def test_no_order_of_events_loses_an_outcome_or_lets_two_controllers_write(machine, figure):
    runs = run_for(machine, 0, 10)
    figure(f"{runs} histories of up to 40 steps: {dict(machine.seen)}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_minute_of_orders_of_events_loses_nothing(machine, figure):
    runs = run_for(machine, 60, 25)
    figure(f"{runs} histories of up to 40 steps: {dict(machine.seen)}")
    assert machine.seen["an old owner woke"] > 10
    assert machine.seen["LeaseLost"] > 10
