import socket
from types import SimpleNamespace

import pytest

from gasearch.dispatch.ray_cluster import (
    PoolSize,
    auto_count,
    first_line,
    gpu_share,
    is_secret,
    require_listener,
    require_shared,
)
from gasearch.errors import WorkersUnavailable


def ray(**resources):
    return SimpleNamespace(cluster_resources=lambda: resources)


@pytest.mark.parametrize(
    ("resources", "cpus", "gpus", "expected"),
    [
        ({"CPU": 8.0}, 1.0, 0.0, 8),
        ({"CPU": 8.0}, 3.0, 0.0, 2),
        ({"CPU": 8.0, "GPU": 1.0}, 1.0, 0.25, 4),
        ({"CPU": 2.0}, 16.0, 0.0, 1),
        ({}, 1.0, 0.25, 1),
        ({"CPU": 8.0}, 0.0, 0.0, 1),
    ],
)
def test_as_many_workers_as_cpus_and_gpus_allow(resources, cpus, gpus, expected):
    assert auto_count(ray(**resources), cpus, gpus) == expected


@pytest.mark.parametrize(
    ("wanted", "resources", "expected"), [(None, {"GPU": 1.0}, 0.25), (None, {}, 0.0), (0.0, {"GPU": 1.0}, 0.0)]
)
def test_workers_share_a_gpu_where_there_is_one(wanted, resources, expected):
    assert gpu_share(ray(**resources), PoolSize(count=1, gpus=wanted)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("GASEARCH_DB", True), ("PGPASSWORD", True), ("MY_DATABASE_URL", True), ("PATH", False), ("HF_TOKEN", False)],
)
def test_ways_to_the_database_are_kept_from_ray(name, expected):
    assert is_secret(name) is expected


def test_an_error_of_ray_s_is_its_first_line_or_its_name():
    assert first_line(RuntimeError("the sentence\nTraceback: much more")) == "the sentence"
    assert first_line(KeyError()) == "KeyError"
    assert len(first_line(RuntimeError(1000 * "x"))) == 300


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nobody.invalid:6379", "no address"])
def test_an_unreachable_cluster_is_named_with_a_way_out(address):
    with pytest.raises(WorkersUnavailable, match=rf"the Ray cluster at {address} can't be reached: .*--workers 0"):
        require_listener(address)


def test_whoever_listens_is_enough_before_ray_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as server:
        require_listener(f"127.0.0.1:{server.getsockname()[1]}")
        require_listener(f"ray://127.0.0.1:{server.getsockname()[1]}")


def test_a_node_that_shares_the_folder_passes_and_another_one_is_named_with_a_way_out():
    require_shared("")
    with pytest.raises(WorkersUnavailable, match=r"edge-3 doesn't see .*; name a folder .* by GASEARCH_CACHE"):
        require_shared("edge-3 doesn't see what the controller has in /cache")
