"""The best networks of a search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.errors import BadInput
from gasearch.objectives.constraints import parse_limit
from gasearch.query.asked import parse_limits
from gasearch.query.front import best_points, front_points
from tests.doubles.archived import (
    NETWORKS,
    ScriptedReader,
    keys_of,
    network,
    reader_of,
    scripted_reader,
    search_record,
    with_constraints,
)

few = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


measured = st.fixed_dictionaries(
    {"accuracy": few, "model_bytes": few, "macs": few}, optional={"accuracy_spread": few, "model_bytes_spread": few}
)


def test_best_without_a_metric_asks_for_the_first_objective():
    assert keys_of(best_points(scripted_reader(), "digits")) == [2]


def test_best_takes_the_direction_of_the_objective_else_the_usual_one():
    reader = scripted_reader()
    assert keys_of(best_points(reader, "digits", by="model_bytes")) == [3]
    assert keys_of(best_points(reader, "digits", by="latency_ms")) == [3]  # 4 is faster, and dominated by 3
    assert keys_of(best_points(reader, "digits", by="latency_ms:max")) == [2]


def test_best_keeps_every_limit_and_asks_all_evaluations():
    limits = parse_limits(["model_bytes <= 2 KB", "latency_ms < 0.12"])
    assert keys_of(best_points(scripted_reader(), "digits", limits=limits)) == [4]


def test_scores_of_the_test_split_are_asked_of_finalists():
    with pytest.raises(BadInput, match=r"has no metric 'test_accuracy': only finalized networks have scores .*--final"):
        best_points(scripted_reader(), "digits", by="test_accuracy")


def test_best_gives_as_many_as_asked_for_best_first():
    assert keys_of(best_points(scripted_reader(), "digits", count=3)) == [2, 6, 1]


def test_best_never_names_a_network_that_breaks_the_constraints_of_the_search():
    networks = tuple(replace(one, is_on_front=one.number in {1, 3}) for one in NETWORKS)  # as that search has them
    reader = ScriptedReader(record=with_constraints(search_record(), "latency_ms <= 0.4"), all_networks=networks)
    assert keys_of(best_points(reader, "digits")) == [1]
    assert keys_of(best_points(reader, "digits", limits=parse_limits(["accuracy > 0"]))) == [1]


def test_the_direction_of_a_metric_that_only_its_inventor_knows_has_to_be_said():
    odd = network(0, on_front=True, accuracy=0.5, model_bytes=9, wobble=3.0)
    reader = ScriptedReader(record=search_record(), all_networks=(odd,))
    with pytest.raises(BadInput, match="say wobble:max or wobble:min"):
        best_points(reader, "digits", by="wobble")
    assert keys_of(best_points(reader, "digits", by="wobble:min")) == [0]
    with pytest.raises(BadInput, match=r"a direction is max or min, as in wobble:max; got 'wobble:up'"):
        best_points(reader, "digits", by="wobble:up")


def test_the_knee_can_be_asked_under_limits_but_not_by_a_metric():
    limits = parse_limits(["accuracy > 0.9"])
    assert best_points(scripted_reader(), "digits", knee=True, limits=limits)
    with pytest.raises(BadInput, match="leave one of the two out"):
        best_points(scripted_reader(), "digits", knee=True, by="accuracy")


@settings(max_examples=40, deadline=None)
@given(st.lists(measured, min_size=1, max_size=12), few, st.sampled_from([None, "model_bytes", "macs:min"]))
def test_every_answer_goes_by_the_front_of_the_running_search(values, bound, by):
    reader, front = reader_of(values)
    everything = parse_limits(["accuracy >= 0"])
    assert set(keys_of(front_points(reader, "digits", by=by))) == set(front.numbers)
    assert front_points(reader, "digits", everything, by) == front_points(reader, "digits", by=by)
    assert best_points(reader, "digits", by=by, count=99) == front_points(reader, "digits", by=by)
    assert set(keys_of(best_points(reader, "digits", knee=True, count=99, limits=everything))) == set(front.numbers)
    within = [one for one in values if one["model_bytes"] <= bound]
    limits = [parse_limit(f"model_bytes <= {bound}")]
    found = best_points(reader, "digits", by=by, limits=limits, count=99)
    assert len(found) == len(reader_of(within)[1] if within else ())
    assert found == front_points(reader, "digits", limits, by)


def test_of_networks_that_are_tied_in_the_metric_best_names_the_one_that_is_better_otherwise():
    values = [{"accuracy": 0.9, "model_bytes": size, "macs": 7.0} for size in (3.0, 1.0, 2.0)]
    reader, _ = reader_of(values)
    for by in (None, "macs", "accuracy"):
        for where in ((), ("accuracy > 0",), ("macs < 8",)):
            assert keys_of(best_points(reader, "digits", by=by, limits=parse_limits(where), count=5)) == [1]
