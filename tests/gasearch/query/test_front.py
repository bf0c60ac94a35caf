"""The front of a search, all of it or within limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasearch.errors import BadInput
from gasearch.query.asked import parse_limits
from gasearch.query.front import best_points, front_points
from tests.doubles.archived import NETWORKS, ScriptedReader, keys_of, network, reader_of, scripted_reader, search_record


@pytest.mark.parametrize(("by", "where"), [("latency", ()), (None, ("latency <= 2",))])
def test_an_unknown_metric_is_refused_with_the_nearest_and_all_known_ones(by, where):
    limits = parse_limits(where)
    with pytest.raises(
        BadInput, match=r"no metric 'latency'; did you mean latency_ms\? There are accuracy, latency_ms,"
    ):
        best_points(scripted_reader(), "digits", by=by, limits=limits)
    with pytest.raises(BadInput, match="no metric 'latency'"):
        front_points(scripted_reader(), "digits", limits, by)


def test_before_the_first_network_the_standard_metrics_are_known():
    reader = ScriptedReader(record=search_record(), all_networks=())
    assert best_points(reader, "digits", by="latency_ms") == []
    with pytest.raises(BadInput, match="no metric 'speed'"):
        best_points(reader, "digits", by="speed")


def test_the_front_is_the_stored_one_sorted_by_a_metric():
    assert keys_of(front_points(scripted_reader(), "digits")) == [2, 6, 1, 3]
    assert keys_of(front_points(scripted_reader(), "digits", by="latency_ms")) == [3, 1, 6, 2]


def test_the_front_under_limits_holds_what_only_networks_outside_of_them_dominated():
    # 1 dominates 0 and breaks the limit; 3 dominates 4 and breaks it too.
    points = front_points(scripted_reader(), "digits", parse_limits(["latency_spread_ms >= 0.02"]))
    assert keys_of(points) == [2, 6, 0]


def test_of_equal_networks_the_front_under_limits_holds_the_first_as_the_search_does():
    networks = tuple(network(number, accuracy=0.5, model_bytes=100.0) for number in range(3))
    reader = ScriptedReader(record=search_record(), all_networks=networks)
    assert keys_of(front_points(reader, "digits", parse_limits(["accuracy > 0"]))) == [0]


def test_members_that_are_tied_in_the_metric_stand_in_the_order_of_the_objectives():
    values = [{"accuracy": size / 10, "model_bytes": size, "macs": 7.0} for size in (2.0, 3.0, 1.0)]
    assert keys_of(best_points(reader_of(values)[0], "digits", by="macs", count=5)) == [1, 0, 2]


def test_networks_without_a_metric_are_left_out_not_ranked_last():
    without = replace(NETWORKS[3], metrics={"accuracy": 0.99})
    reader = ScriptedReader(record=search_record(), all_networks=(*NETWORKS[:3], without))
    assert 3 not in keys_of(best_points(reader, "digits", by="model_bytes", count=10))
