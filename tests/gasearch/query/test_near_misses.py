"""Why nothing answers a question."""

from __future__ import annotations

from gasearch.query import near_misses
from gasearch.query.asked import parse_limits
from gasearch.query.front import best_points
from tests.doubles.archived import ScriptedReader, failed, keys_of, scripted_reader, search_record


def test_the_nearest_miss_names_the_limit_that_alone_excludes_all():
    limits = parse_limits(["accuracy >= 0.5", "latency_ms <= 0.05"])
    sentence = near_misses.nearest_miss(scripted_reader(), "digits", limits)
    assert sentence.startswith(
        "no network of search 'digits' has latency_ms <= 0.05 ms; the nearest has latency_ms 0.1 ms + 0.01 ms of spread"
    )
    assert "(00040004)" in sentence


def test_a_time_within_its_spread_of_the_limit_is_not_within_it():
    assert keys_of(best_points(scripted_reader(), "digits", limits=parse_limits(["latency_ms <= 0.13"]))) == [3]
    assert keys_of(best_points(scripted_reader(), "digits", limits=parse_limits(["latency_ms <= 0.125"]))) == [4]
    sentence = near_misses.nearest_miss(scripted_reader(), "digits", parse_limits(["latency_ms >= 0.9"]))
    assert "the nearest has latency_ms 0.9 ms - 0.05 ms of spread (00020002)" in sentence


def test_the_nearest_miss_names_limits_that_exclude_all_only_together():
    limits = parse_limits(["accuracy >= 0.95", "model_bytes <= 7 KB"])
    sentence = near_misses.nearest_miss(scripted_reader(), "digits", limits)
    assert "accuracy >= 0.9500 and model_bytes <= 7 KB together; the nearest has accuracy 0.9300 (00060006)" in sentence


def test_the_nearest_miss_of_a_search_without_measurements_says_so():
    reader = ScriptedReader(record=search_record(), all_networks=(failed(0),))
    assert "has no measured network yet" in near_misses.nearest_miss(reader, "digits")
