import os
import signal

from gasearch_workers.sandbox.processes import descendants, is_alive

from gasearch.dispatch.sessions import end_session, session_members
from tests.doubles.families import one_family, wait_until


def test_a_session_is_its_leader_its_members_and_what_they_started_elsewhere():
    with one_family() as leader:
        members = {leader.pid, *descendants(leader.pid)}
        assert session_members(leader.pid) == members
        end_session(leader.pid, spared=leader.pid)
        assert not any(map(is_alive, members - {leader.pid}))
        assert is_alive(leader.pid)


def test_a_session_ends_although_its_leader_did_before():
    with one_family() as leader:
        [member] = session_members(leader.pid) - {leader.pid} - outside(leader.pid)
        os.kill(leader.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(leader.pid))
        end_session(leader.pid)
        assert not is_alive(member)


def outside(leader):
    return {pid for pid in descendants(leader) if os.getsid(pid) != leader}
