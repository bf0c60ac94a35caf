"""What the dispatcher makes of a host that dies, hangs or doesn't come back; these hosts start no Ray."""

import socket
import time
from pathlib import Path

import pytest
from gasearch_workers.messages import FailureKind, Measurement

from gasearch.dispatch import ray_process, reviving
from gasearch.dispatch.ray_cluster import PoolSize
from gasearch.dispatch.reviving import RevivingPool
from gasearch.errors import WorkersUnavailable
from tests.contracts.dispatcher_contract import collect_all
from tests.doubles.requests import custom_request

ROOT = Path(__file__).parents[3]


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts pools whose host is the named double; each is closed at the end."""
    monkeypatch.chdir(tmp_path)
    pools = []

    def start(host, **options):
        program = f"sys.path[:0] = [{str(ROOT)!r}]; from tests.doubles.ray_hosts import {host}; {host}(%d)"
        monkeypatch.setattr(ray_process, "program", lambda descriptor: program % descriptor)
        notices = []
        pool = RevivingPool(size=PoolSize(count=2), data=None, has_meter=False, notice=notices.append, **options)
        pools.append(pool)
        pool.notices = notices
        return pool

    yield start
    for pool in pools:
        pool.close()


def wait_until_up(pool, *, within_s=30):
    until = time.monotonic() + within_s
    while not pool.free and time.monotonic() < until:
        assert pool.collect(0.2) == []


@pytest.mark.parametrize(("key", "reason"), [("dies", "its process ended with status 3"), ("gone", "its raylet died")])
def test_what_was_in_flight_comes_back_as_lost_and_another_host_takes_over(start, key, reason):
    pool = start("serves")
    assert (pool.slots, pool.free) == (2, 2)
    pool.submit(custom_request("queued"))
    pool.submit(custom_request(key))
    results = collect_all(pool)
    assert [(one.key, one.attempt) for one in results] == [("queued", 1), (key, 1)]
    assert {one.outcome.kind for one in results} == {FailureKind.WORKER_LOST}
    assert {one.outcome.message for one in results} == {f"Ray went away: {reason}"}
    assert pool.notices == [f"Ray went away ({reason}): starting it again; 2 evaluations run again"]
    assert (pool.slots, pool.free, pool.in_flight) == (2, 0, 0)
    pool.submit(custom_request("early"))
    (result,) = collect_all(pool)
    assert isinstance(result.outcome, Measurement)
    assert pool.notices[1].startswith("Ray is back after ")


def test_a_host_that_says_nothing_any_more_is_replaced(start, monkeypatch):
    pool = start("serves")
    with monkeypatch.context() as patch:
        patch.setattr(ray_process, "SILENCE_S", 0.5)
        pool.submit(custom_request("hangs"))
        (result,) = collect_all(pool)
    assert result.outcome.message.startswith("Ray went away: its process said nothing for ")
    wait_until_up(pool)


def test_ray_that_does_not_start_at_first_is_an_error_at_once(start):
    with pytest.raises(WorkersUnavailable, match=r"^Ray has no room for a worker$"):
        start("refuses")
    with pytest.raises(WorkersUnavailable, match=r"^Ray doesn't start: its process ended with status 7; use --work"):
        start("ends")


def test_a_local_ray_that_does_not_come_back_is_tried_three_times(start, tmp_path):
    pool = start("serves_once")
    pool.submit(custom_request("dies"))
    assert len(collect_all(pool)) == 1
    with pytest.raises(WorkersUnavailable, match=r"away for \d s and doesn't come back: Ray doesn't start: its proc"):
        wait_until_up(pool)
    assert (tmp_path / "tries").read_text() == 3 * "again "


def test_a_ray_that_dies_again_and_again_without_a_result_is_given_up(start, monkeypatch):
    monkeypatch.setattr(reviving, "MOST_FRUITLESS", 2)
    pool = start("serves")
    for number in range(2):
        pool.submit(custom_request(f"dies{number}"))
        assert len(collect_all(pool)) == 1
        wait_until_up(pool)
    with pytest.raises(WorkersUnavailable, match="Ray died 3 times in a row without one result: its process ended"):
        pool.submit(custom_request("dies again"))


def test_a_named_cluster_is_waited_for_with_growing_pauses_and_given_up_after_some_time(start, monkeypatch):
    monkeypatch.setattr(reviving, "PATIENCE_S", 2.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        pool = start("serves", address=address)
        pool.submit(custom_request("dies"))
    assert len(collect_all(pool)) == 1
    with pytest.raises(WorkersUnavailable, match=rf"away for \d s .*the Ray cluster at {address} can't be reached"):
        wait_until_up(pool)
    lost, *waiting = pool.notices
    assert lost.endswith(f": looking for the cluster at {address} again; 1 evaluation runs again")
    assert [notice.rpartition(" again in ")[2] for notice in waiting] == ["1 s", "2 s"]


def test_a_named_cluster_that_comes_back_is_used_again(start):
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    pool = start("serves", address=f"127.0.0.1:{port}")
    pool.submit(custom_request("dies"))
    server.close()
    assert len(collect_all(pool)) == 1
    assert pool.collect(0.2) == []
    with socket.create_server(("127.0.0.1", port)):
        wait_until_up(pool)
    assert pool.free == 2


def test_requests_that_are_cancelled_while_ray_is_away_are_forgotten(start):
    pool = start("serves")
    pool.submit(custom_request("dies"))
    assert len(collect_all(pool)) == 1
    pool.submit(custom_request("late"))
    pool.cancel_queued()
    assert pool.in_flight == 0
    wait_until_up(pool)


def test_queued_requests_are_cancelled_and_get_no_result(start):
    pool = start("serves")
    for key in ("queued 1", "queued 2"):
        pool.submit(custom_request(key))
    pool.cancel_queued()
    assert pool.in_flight == 0
    assert pool.collect(0.0) == []


def test_what_waits_for_nothing_returns_at_once_and_what_waits_keeps_its_time(start):
    pool = start("never_answers_a_request")
    began = time.monotonic()
    assert pool.collect(5.0) == []
    assert time.monotonic() - began < 4.0
    pool.submit(custom_request("never"))
    assert pool.collect(0.5) == []
    assert time.monotonic() - began > 0.4
    assert (pool.free, pool.in_flight) == (1, 1)
