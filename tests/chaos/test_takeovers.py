"""Of several controllers of one search exactly one writes, whichever was paused, and for how long."""

from __future__ import annotations

import random
import signal
import time
from contextlib import closing

import pytest

from gasearch.storage.sql import open_reader
from tests.chaos.ledger import Ledger, require_fenced
from tests.chaos.proof import require_acknowledged, require_replay, require_sound, seed_of_chaos, whole_digest
from tests.chaos.specs import CUSTOM, in_mode, with_budget

LEASE = {"lease_s": 0.5, "renewal_s": 0.1}
SPEC = in_mode("generational", with_budget(CUSTOM, evaluations=100))
LOST = 3  #: Exit status of a controller whose search another one has taken over.


@pytest.fixture
def ledger(url):
    opened = Ledger(url)
    yield opened
    opened.close()


def begin(forks, url, **options):
    return forks.start(**{"url": url, "name": "small", "spec": SPEC, "seed": 1} | options)


def standing(url, name):
    """(outcomes, owner) of a search; (0, None) before it begins."""
    with closing(open_reader(url)) as reader:
        found = [one for one in reader.searches() if one.name == name]
        return (reader.counts(found[0].id).completed, found[0].owner) if found else (0, None)


def wait_until(condition, *, timeout_s):
    """Whether a condition came true in time."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False


def pause_and_take_over(forks, url, ledger, rng, folder, number, **others):
    """One round; False where the paused one held the lock on the file, or had been too fast."""
    name, log = f"round-{number}", folder / f"round-{number}.log"
    options = {"name": name, "seconds": 0.01, "log": str(log), **LEASE, **others}
    before = len(ledger.rows())
    paused = begin(forks, url, **options)
    target = rng.randint(1, 40)
    assert wait_until(lambda: standing(url, name)[0] >= target, timeout_s=60)
    time.sleep(rng.random() * 0.01)
    paused.signal(signal.SIGSTOP)
    second = begin(forks, url, **options, is_waiting=True)
    own = f"/{second.pid}/"
    has_taken_over = wait_until(lambda: own in (standing(url, name)[1] or ""), timeout_s=4) or second.status == 0
    time.sleep(rng.random() * 0.2)
    paused.signal(signal.SIGCONT)
    statuses = (paused.wait(), second.wait())
    writers = require_fenced(ledger.rows()[before:])
    if has_taken_over:
        assert statuses == (LOST, 0), (paused.words, second.words)
        assert "another controller has taken it over" in paused.words
        assert writers == [paused.pid, second.pid]
    else:
        is_void = statuses[0] == 0 and (second.is_done or "stayed locked" in second.words)
        assert is_void or statuses == (LOST, 0), (paused.words, second.words)
    require_acknowledged(url, name, log)
    return has_taken_over


def play_rounds(forks, url, ledger, folder, rounds, figure):
    begin(forks, url, name="whole").wait()
    whole = whole_digest(url, "whole")
    rng = random.Random(seed_of_chaos())
    taken, number = 0, 0
    while taken < rounds:
        assert number < 3 * rounds + 5, "the paused one held the lock again and again"
        taken += pause_and_take_over(forks, url, ledger, rng, folder, number)
        assert whole_digest(url, f"round-{number}") == whole
        number += 1
    figure(f"{taken} take-overs of a paused controller in {number} rounds, 0 writes by it, 0 differences")


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_a_controller_that_wakes_after_another_has_taken_over_writes_nothing(forks, url, ledger, tmp_path, figure):
    play_rounds(forks, url, ledger, tmp_path, 2, figure)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_take_overs_of_a_paused_controller_make_no_difference(forks, url, ledger, tmp_path, figure):
    play_rounds(forks, url, ledger, tmp_path, 50, figure)


def test_a_controller_that_wakes_after_its_lease_goes_on_where_nobody_took_over(forks, sqlite, tmp_path):
    begin(forks, sqlite, name="whole").wait()
    controller = begin(forks, sqlite, seconds=0.01, log=str(tmp_path / "log"), **LEASE)
    assert wait_until(lambda: standing(sqlite, "small")[0] >= 5, timeout_s=60)
    controller.signal(signal.SIGSTOP)
    time.sleep(2 * LEASE["lease_s"])
    with closing(open_reader(sqlite)) as reader:
        assert not reader.search("small").is_owned
    controller.signal(signal.SIGCONT)
    assert controller.wait() == 0, controller.words
    assert whole_digest(sqlite, "small") == whole_digest(sqlite, "whole")


# --- started together ------------------------------------------------------------------------------------------------

REFUSALS = ("is being run by process", "there is a search named", "is finished: ")


def start_together(forks, url, ledger, name, count, *, is_new):
    """Start controllers at once; exactly one may advance the search."""
    if not is_new:
        first = begin(forks, url, name=name, seconds=0.05)  # it must not end before it is killed
        assert wait_until(lambda: standing(url, name)[0] >= 5, timeout_s=60)
        first.kill()
    before = len(ledger.rows())
    controllers = [begin(forks, url, name=name, seconds=0.005) for _ in range(count)]
    for controller in controllers:
        controller.wait()
    winners = [controller for controller in controllers if controller.status == 0]
    assert len(winners) == 1, [(controller.status, controller.words) for controller in controllers]
    for controller in controllers:
        if controller is not winners[0]:
            assert controller.status == 2, controller.words
            assert any(words in controller.words for words in REFUSALS), controller.words
    assert require_fenced(ledger.rows()[before:]) == [winners[0].pid]


def race(forks, url, ledger, counts):
    begin(forks, url, name="whole").wait()
    for number, count in enumerate(counts):
        for is_new in (True, False):
            name = f"race-{number}-{is_new}"
            start_together(forks, url, ledger, name, count, is_new=is_new)
            assert whole_digest(url, name) == whole_digest(url, "whole")


def test_of_controllers_that_start_together_exactly_one_advances(forks, url, ledger):
    race(forks, url, ledger, [4])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_two_to_eight_controllers_that_start_together_exactly_one_advances(forks, url, ledger, figure):
    counts = [*range(2, 9)] * 3
    race(forks, url, ledger, counts)
    figure(f"{2 * len(counts)} races of 2 to 8 controllers, one winner in each")


# --- steady state ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_take_overs_in_steady_state_leave_a_search_that_its_recorded_order_replays(
    forks, url, ledger, tmp_path, figure
):
    spec, rng = in_mode("steady-state", with_budget(CUSTOM, evaluations=60)), random.Random(seed_of_chaos())
    taken = 0
    for number in range(10):
        taken += pause_and_take_over(forks, url, ledger, rng, tmp_path, number, spec=spec, slots=3, seed=None)
        require_replay(url, f"round-{number}")
        with closing(open_reader(url)) as reader:
            require_sound(reader, f"round-{number}")
    figure(f"{taken} take-overs, 0 differences from the replay")
