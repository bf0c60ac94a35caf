"""The lease kept alive from a thread, and the wish to stop."""

import os
import signal
import threading
import time
import weakref

import pytest

from gasearch.errors import LeaseLost, StoreError
from gasearch.search.interrupts import interrupts_noted
from gasearch.search.ownership import StopSignal, kept_alive, signals_stop
from gasearch.storage.records import Lease

LEASE = Lease(search_id=1, owner="here/1/0", epoch=1)


class Renewed:
    """An archive that only renews; answers are given out in order, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.active = list(answers), []

    def renew(self, lease, *, ttl_s, active_s=0.0, worker_s=0.0):
        self.active.append(active_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def wait_until(condition):
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


def test_the_first_reason_to_stop_stays():
    stop = StopSignal()
    assert (stop.is_requested, stop.reason, stop.error) == (False, "", None)
    lost = LeaseLost("taken over")
    stop.request("stop requested")
    stop.request("lost", lost)
    assert (stop.is_requested, stop.reason, stop.error) == (True, "stop requested", None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_one_interrupts(number):
    stop, notices = StopSignal(), []
    before = signal.getsignal(number)
    with signals_stop(stop, notices.append):
        os.kill(os.getpid(), number)
        assert stop.reason == "interrupted"
        assert notices == ["stopping after the evaluations in flight; once more to stop at once"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # at once, while we clean up: it must not break that
    assert signal.getsignal(number) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_dropped_stops_the_search_as_it_begins():
    class Ended:
        pass

    stop, ended = StopSignal(), Ended()
    callback = weakref.ref(ended, lambda reference: os.kill(os.getpid(), signal.SIGINT))
    with interrupts_noted():
        del ended  # what the callback raises, nobody hears
        with signals_stop(stop, lambda message: None):
            assert stop.reason == "interrupted"
    assert callback() is None


def test_outside_the_main_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def enter():
        with signals_stop(StopSignal(), lambda message: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_lease_is_renewed_while_the_owner_works_and_once_more_at_the_end():
    archive, stop = Renewed(False), StopSignal()
    began = time.monotonic()
    with kept_alive(archive, LEASE, stop, renewal_s=0.01):
        wait_until(lambda: len(archive.active) >= 3)
    elapsed = time.monotonic() - began
    renewals = len(archive.active)
    assert sum(archive.active) == pytest.approx(elapsed, abs=0.1)
    time.sleep(0.05)
    assert len(archive.active) == renewals
    assert not stop.is_requested


def test_a_stop_asked_from_outside_reaches_the_search():
    stop = StopSignal()
    with kept_alive(Renewed(False, True), LEASE, stop, renewal_s=0.01):
        wait_until(lambda: stop.is_requested)
    assert (stop.reason, stop.error) == ("stop requested", None)


def test_a_lost_lease_reaches_the_search_as_its_error():
    stop, lost = StopSignal(), LeaseLost("taken over")
    with kept_alive(Renewed(lost), LEASE, stop, renewal_s=0.01):
        wait_until(lambda: stop.is_requested)
    assert stop.error is lost


def test_time_that_could_not_be_stored_is_stored_with_the_next_renewal():
    archive = Renewed(StoreError("away"), StoreError("away"), False)
    began = time.monotonic()
    with kept_alive(archive, LEASE, StopSignal(), renewal_s=0.01):
        wait_until(lambda: len(archive.active) >= 3)
    elapsed = time.monotonic() - began
    stored = sum(archive.active[2:])
    assert stored == pytest.approx(elapsed, abs=0.1)
    assert archive.active[2] > archive.active[1] > archive.active[0]
