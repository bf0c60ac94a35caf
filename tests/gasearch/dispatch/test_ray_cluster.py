from types import SimpleNamespace

import pytest

from gasearch.dispatch.ray_cluster import PoolSize, auto_count, first_line, gpu_share, is_secret


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
