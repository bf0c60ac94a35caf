"""Back-off on wrong tokens."""

import pytest

from gasearch.web.backoff import FORGET_S, FREE, LONGEST_S, MOST_ADDRESSES, BackOff


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def back_off(clock):
    return BackOff(lambda: clock[0])


def strike_free(back_off, address="192.0.2.1"):
    assert [back_off.strike(address) for _ in range(FREE)] == [0] * FREE


def test_the_pauses_double_up_to_the_longest(back_off, clock):
    strike_free(back_off)
    for pause in (1, 2, 4, 8, 16, 32, LONGEST_S, LONGEST_S):
        assert back_off.strike("192.0.2.1") == 0
        assert back_off.strike("192.0.2.1") == pause
        clock[0] += pause / 2
        assert back_off.strike("192.0.2.1") == -(-pause // 2)  # what comes within a pause doesn't make it longer
        clock[0] += pause / 2


def test_addresses_are_apart_but_a_network_of_ipv6_is_one(back_off):
    strike_free(back_off)
    back_off.strike("192.0.2.1")
    assert back_off.strike("192.0.2.1") > 0
    assert back_off.strike("192.0.2.2") == 0
    for number in range(FREE + 1):
        assert back_off.strike(f"2001:db8::{number:x}") == 0
    assert back_off.strike("2001:db8::ffff") > 0
    assert back_off.strike("2001:db8:0:1::1") == 0
    assert back_off.strike("") == back_off.strike("testclient") == 0


def test_who_was_quiet_for_long_begins_anew(back_off, clock):
    strike_free(back_off)
    clock[0] += FORGET_S + 1
    strike_free(back_off)


def test_many_addresses_are_not_remembered_for_ever(back_off):
    strike_free(back_off)
    for number in range(MOST_ADDRESSES):
        back_off.strike(f"a{number}")
    strike_free(back_off)
