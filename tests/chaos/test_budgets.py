"""A budget holds over any number of interruptions, whatever they are.

What is counted: evaluations with a final outcome, exactly. Device time: every attempt whose end was stored; one that a
kill cut off was not stored, and runs again. Wall time: a controller counts its own each time it renews its lease and
when it ends, so that of one that was killed misses at most what passed since the last renewal.
"""

from __future__ import annotations

import random
import signal
import time
from contextlib import closing

import pytest

from gasearch.storage.sql import open_reader
from tests.chaos.proof import require_sound, seed_of_chaos, whole_digest
from tests.chaos.specs import CUSTOM, in_mode, with_budget

FEW, MANY = 8, 20  #: Interruptions.
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EVALUATION_S = 0.01
SPAN_S = 0.25  #: How long a controller lives, at most, before it is interrupted.
#: Evaluations for each interruption: a worker makes no more in that time, so no search ends before the last one.
IN_A_SPAN = round(SPAN_S / EVALUATION_S)
STARTING_S, SLACK_S = 1.5, 0.1  #: What a loaded machine may take to start a controller, and to end one.
#: How a controller may end that was sent a signal: drained, or before it listened.
INTERRUPTED = {signal.SIGKILL: {-9}, signal.SIGTERM: {130, -15}, signal.SIGINT: {130}}


def interrupt(forks, rng, url, *, count, span_s, **options):
    """Run a search to its end over interruptions; returns the seconds that controllers ran, and the signals."""
    ran_s, sent = 0.0, []
    while True:
        began = time.monotonic()
        controller = forks.start(url=url, name="small", seconds=EVALUATION_S, seed=1, **options)
        number = None
        if len(sent) < count:
            until = began + rng.random() * span_s
            while time.monotonic() < until and not controller.has_ended():
                time.sleep(0.002)
            if not controller.has_ended():
                number = rng.choice(SIGNALS)
                controller.signal(number)
        controller.wait()
        ran_s += time.monotonic() - began
        if controller.is_done:
            return ran_s, sent
        assert controller.status in INTERRUPTED[number], (number, controller.status, controller.words)
        sent.append(number)


def standing(url):
    with closing(open_reader(url)) as reader:
        require_sound(reader, "small")
        record = reader.search("small")
        return record, reader.counts(record.id)


def said(sent):
    return ", ".join(f"{sent.count(number)} {number.name}" for number in SIGNALS)


def spend_evaluations(forks, url, figure, *, interruptions, slots):
    most = IN_A_SPAN * slots * interruptions
    spec, rng = in_mode("generational", with_budget(CUSTOM, evaluations=most)), random.Random(seed_of_chaos())
    _, sent = interrupt(forks, rng, url, count=interruptions, span_s=SPAN_S, spec=spec, slots=slots)
    record, counts = standing(url)
    assert record.reason == f"all {most} evaluations are done"
    assert counts.completed == most
    if slots == 1:
        assert forks.run(url=url, name="whole", spec=spec, seed=1).status == 0
        assert whole_digest(url, "small") == whole_digest(url, "whole")
    figure(f"{most} of {most} evaluations after {len(sent)} interruptions ({said(sent)})")
    return len(sent)


def spend_device_time(forks, url, figure, *, interruptions):
    attempts = IN_A_SPAN * interruptions
    budget = {"evaluations": 10_000, "device_hours": (attempts - 0.5) * EVALUATION_S / 3600}
    spec = in_mode("generational", with_budget(CUSTOM, **budget))
    rng = random.Random(seed_of_chaos())
    _, sent = interrupt(forks, rng, url, count=interruptions, span_s=SPAN_S, spec=spec)
    record, counts = standing(url)
    assert record.reason.startswith("the budget of ")
    assert record.reason.endswith(" device-hours is spent")
    assert counts.completed + counts.retries == attempts
    assert counts.busy_seconds == pytest.approx(attempts * EVALUATION_S)
    figure(f"the time of {attempts} of {attempts - 0.5} evaluations after {len(sent)} interruptions ({said(sent)})")
    return len(sent)


def spend_hours(forks, url, figure, *, interruptions, seconds, renewal_s):
    spec = in_mode("generational", with_budget(CUSTOM, evaluations=2000, hours=seconds / 3600))
    rng = random.Random(seed_of_chaos())
    span_s = 1.2 * seconds / interruptions
    ran_s, sent = interrupt(forks, rng, url, count=interruptions, span_s=span_s, spec=spec, renewal_s=renewal_s)
    record, _ = standing(url)
    assert record.reason == f"the budget of {seconds / 3600:g} hours is spent"
    kills = sent.count(signal.SIGKILL)
    # What it takes to start a process counts for nothing; nor does what a kill takes since the last renewal.
    assert ran_s - record.active_seconds <= kills * renewal_s + (len(sent) + 1) * STARTING_S
    assert seconds - renewal_s <= record.active_seconds <= seconds + (len(sent) + 1) * (EVALUATION_S + SLACK_S)
    figure(
        f"{record.active_seconds:.2f} s counted of {seconds:g} s allowed after {len(sent)} interruptions "
        f"({said(sent)}); the controllers' processes ran for {ran_s:.2f} s, their starts included"
    )
    return len(sent)


def test_evaluations_are_counted_exactly_over_interruptions(forks, sqlite, figure):
    spend_evaluations(forks, sqlite, figure, interruptions=FEW, slots=1)


def test_device_time_is_counted_exactly_over_interruptions(forks, sqlite, figure):
    spend_device_time(forks, sqlite, figure, interruptions=FEW)


def test_hours_are_counted_over_interruptions(forks, sqlite, figure):
    spend_hours(forks, sqlite, figure, interruptions=FEW, seconds=2.0, renewal_s=0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("slots", [1, 3])
def test_evaluations_are_counted_exactly_over_twenty_interruptions(forks, url, figure, slots):
    assert spend_evaluations(forks, url, figure, interruptions=MANY, slots=slots) == MANY


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_device_time_is_counted_exactly_over_twenty_interruptions(forks, url, figure):
    assert spend_device_time(forks, url, figure, interruptions=MANY) == MANY


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hours_are_counted_over_twenty_interruptions(forks, url, figure):
    assert spend_hours(forks, url, figure, interruptions=MANY, seconds=30.0, renewal_s=0.2) == MANY
