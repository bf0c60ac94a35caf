"""Ctrl-C as one KeyboardInterrupt."""

import os
import signal
import threading

import pytest

from gasearch.search import interrupts
from gasearch.search.interrupts import Interrupt, interrupts_noted


def press():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def usual_handling():
    """Python's own handling of Ctrl-C, which a shell's background jobs start without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_only_the_first_of_many_interrupts_is_raised():
    with interrupts_noted() as interrupt:
        assert not interrupt.was_pressed
        with pytest.raises(KeyboardInterrupt):
            press()
        for _ in range(5):
            press()
        assert interrupt.was_pressed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_waits_may_insist(monkeypatch):
    monkeypatch.setattr(interrupts, "REPEAT_S", 0.0)
    with interrupts_noted():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                press()


def test_a_handler_of_the_program_around_us_stays():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        with interrupts_noted() as interrupt:
            press()
        assert pressed == [signal.SIGINT]
        assert not interrupt.was_pressed
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_handler_alone():
    seen = []

    def enter():
        with interrupts_noted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_the_current_interrupt_is_the_installed_one():
    with interrupts_noted() as interrupt:
        assert Interrupt.current() is interrupt
    assert Interrupt.current() is not interrupt
