"""Login codes and sessions."""

import pytest

from gasearch.web.sessions import CODE_S, MOST, SESSION_S, Sessions


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def sessions(clock):
    return Sessions(lambda: clock[0])


def test_a_code_logs_in_once(sessions):
    code = sessions.new_code("bootstrap")
    session_id, name = sessions.log_in(code)
    assert (name, sessions.caller_of(session_id)) == ("bootstrap", "bootstrap")
    assert sessions.log_in(code) is None
    assert len({code, session_id}) == 2
    assert min(len(code), len(session_id)) >= 43


def test_codes_and_sessions_end(sessions, clock):
    late = sessions.new_code("bootstrap")
    session_id, _ = sessions.log_in(sessions.new_code("bootstrap"))
    clock[0] = CODE_S
    assert sessions.log_in(late) is None
    clock[0] = SESSION_S - 1
    assert sessions.caller_of(session_id) == "bootstrap"
    clock[0] = SESSION_S
    assert sessions.caller_of(session_id) is None


def test_who_logs_out_is_nobody(sessions):
    ours, theirs = (sessions.log_in(sessions.new_code(name))[0] for name in ("a", "b"))
    assert sessions.log_out(ours)
    assert not sessions.log_out(ours)
    assert (sessions.caller_of(ours), sessions.caller_of(theirs)) == (None, "b")


@pytest.mark.parametrize("wrong", ["", "x", "é", "a" * 43])
def test_what_was_never_given_is_nobody_s(sessions, wrong):
    sessions.new_code("bootstrap")
    assert (sessions.log_in(wrong), sessions.caller_of(wrong)) == (None, None)


def test_there_are_so_many_at_most(sessions):
    codes = [sessions.new_code("bootstrap") for _ in range(MOST + 1)]
    assert sessions.log_in(codes[0]) is None
    assert sessions.log_in(codes[1]) is not None
