import os
import socket
import subprocess
import sys

from gasearch.storage.owner import current_owner, describe, is_gone


def owner_of(process):
    """The owner that a process of this machine would be."""
    host, _, start = current_owner().split("/")
    with open(f"/proc/{process.pid}/stat") as stat:
        started = stat.read().rpartition(")")[2].split()[19]
    return f"{host}/{process.pid}/{start.partition('-')[0]}-{started}"


def sleeper():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_an_owner_names_host_and_process():
    host, pid, start = current_owner().split("/")
    assert (host, pid) == (socket.gethostname(), str(os.getpid()))
    assert start
    assert current_owner() == current_owner()


def test_a_living_process_is_not_gone_until_it_ends():
    process = sleeper()
    owner = owner_of(process)
    assert not is_gone(owner)
    process.kill()
    while not is_gone(owner):  # a zombie at first: dead, though its number is taken
        pass
    process.wait()
    assert is_gone(owner)


def test_we_ourselves_are_not_gone():
    assert not is_gone(current_owner())


def test_a_process_number_used_again_is_another_process():
    host, pid, start = current_owner().split("/")
    machine = start.partition("-")[0]
    assert is_gone(f"{host}/{pid}/{machine}-1")


def test_nothing_is_known_of_owners_elsewhere():
    host, _, start = current_owner().split("/")
    assert not is_gone(f"another-{host}/4194303/{start}")
    assert not is_gone(f"{host}/4194303/another-{start}")  # another boot, or another container of that name
    for strange in ("alice", "", "a/b", "a/b/c", f"{host}/-1/{start}", f"{host}/x/{start}"):
        assert not is_gone(strange)


def test_an_owner_is_described_for_people():
    assert describe("edge-3/4711/abc-1") == "process 4711 on edge-3"
    assert describe("alice") == "alice"
