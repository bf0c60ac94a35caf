"""The two readings of a limit, in SQL and in Python, are one."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gasearch.objectives.constraints import Limit
from gasearch.storage.sql import open_archive
from tests.doubles.records import UNCHANGED, candidate, measured, new_search

#: (latency_ms, latency_spread_ms) of the networks: round and crooked, with and without a spread.
TIMES = [
    (None, None),
    (0.3, None),
    (0.3, 0.0),
    (0.2, 0.1),
    (0.1, 0.2),
    (1 / 3, 1 / 7),
    (2.0, 0.7),
    (5.0, 1e-9),
    (0.0, 0.3),
]
ENDS = sorted({value + sign * (spread or 0.0) for value, spread in TIMES if value is not None for sign in (-1, 0, 1)})


@pytest.fixture(params=["sqlite_url", "empty_postgresql_url"])
def archive(request):
    """An archive with those networks."""
    archive = open_archive(request.getfixturevalue(request.param), notice=lambda message: None)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(len(TIMES))])
    for number, (latency_ms, spread_ms) in enumerate(TIMES):
        times = {"latency_ms": latency_ms, "latency_spread_ms": spread_ms}
        archive.add_evaluations(lease, [(measured(number, accuracy=number / 10, params=number, **times), UNCHANGED)])
    yield archive
    archive.close()


bounds = st.sampled_from(ENDS).flatmap(
    lambda end: st.sampled_from([end, math.nextafter(end, math.inf), math.nextafter(end, -math.inf)])
)
limits = st.builds(
    Limit,
    metric=st.sampled_from(["latency_ms", "latency_spread_ms", "accuracy", "params"]),
    operator=st.sampled_from(["<=", "<", ">=", ">"]),
    bound=bounds,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(limits, max_size=2))
def test_the_database_and_python_agree_on_who_keeps_the_limits(archive, limits):
    [search] = archive.searches()
    answered = archive.best(search.id, metric="accuracy", is_maximized=False, limits=limits, count=99)
    expected = [
        network.number
        for network in archive.networks(search.id)
        if all(limit.is_kept_by(network.metrics) for limit in limits)
    ]
    assert [network.number for network in answered] == expected
