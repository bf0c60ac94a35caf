"""What it costs to be better."""

from __future__ import annotations

import pytest

from gasearch.errors import BadInput, SpecError, UnknownSearch
from gasearch.query.asked import parse_limits
from gasearch.query.trade import not_reached, trade
from tests.doubles.archived import ScriptedReader, network, scripted_reader, search_record


def ask(gain, *where, reader=None, key=None):
    return trade(reader or scripted_reader(), "digits", gain, key=key, limits=parse_limits(where))


def test_a_trade_names_the_network_that_loses_least_and_what_changes():
    found = ask("accuracy=+0.02", key="0001")
    assert (found.from_key, found.key, found.asked) == ("00010001", "00060006", pytest.approx(0.92))
    gained, cost = found.changes
    assert (gained.metric, gained.before, gained.after, gained.is_better) == ("accuracy", 0.90, 0.93, True)
    assert (cost.metric, cost.change, cost.is_better, cost.is_tied) == ("model_bytes", 3500, False, False)
    assert found.row()["blueprint"]["family"] == "cnn"


def test_exactly_as_much_is_enough_whatever_floating_point_says():
    assert 0.9 + 0.07 != 0.97 or 0.93 - 0.9 != 0.03  # one of the two is off by rounding
    assert ask("accuracy=+0.03", key="0001").key == "00060006"
    assert ask("accuracy=+7%", key="0001").key == "00020002"


def test_less_may_be_what_is_wanted():
    found = ask("model_bytes=-1 KB", key="0002")
    assert (found.key, [one.metric for one in found.changes]) == ("00060006", ["model_bytes", "accuracy"])


def test_without_a_key_it_starts_from_the_knee():
    assert ask("accuracy=+0.01").from_key == "00010001"


def test_a_network_off_the_front_may_be_where_it_starts():
    assert ask("accuracy=+0.01", key="0004").key == "00030003"


def test_what_nothing_reaches_is_said_with_the_best():
    found = ask("accuracy=+0.1", key="0001")
    assert (found.key, found.changes, found.blueprint) == (None, [], {})
    assert not_reached(found) == (
        "not reached: no network of the front has accuracy >= 1.0000; the best is 0.9700 (00020002)"
    )
    small = ask("model_bytes=-5KB", "accuracy > 0.8", key="0002")
    assert not_reached(ask("model_bytes=-8.5KB", key="0002")).startswith(
        "not reached: no network of the front has model_bytes <= 500 B; the best is 1 KB"
    )
    assert small.key == "00010001"


def test_a_change_within_the_spreads_is_a_tie():
    networks = (
        network(0, on_front=True, accuracy=0.9, model_bytes=1000),
        network(1, on_front=True, accuracy=0.92, accuracy_spread=0.03, model_bytes=2000),
    )
    found = ask("accuracy=+0.01", reader=ScriptedReader(record=search_record(), all_networks=networks), key="0000")
    assert [one.is_tied for one in found.changes] == [True, False]


@pytest.mark.parametrize(
    ("gain", "error", "text"),
    [
        ("accuracy=0.01", BadInput, "say by how much, with the sign"),
        ("accuracy", BadInput, "say by how much, with the sign"),
        ("accuracy=-0.01", BadInput, r"more accuracy is better: ask for accuracy=\+\.\.\.; got 'accuracy=-0.01'"),
        ("model_bytes=+1KB", BadInput, "less model_bytes is better"),
        ("accuracy=+0", BadInput, "by more than 0"),
        ("acuracy=+0.01", BadInput, "did you mean accuracy"),
        ("accuracy=+2", SpecError, "98 percent is 0.98"),
        ("latency_ms=-3 KB", SpecError, "latency_ms is a time"),
    ],
)
def test_what_is_no_gain_is_refused(gain, error, text):
    with pytest.raises(error, match=text):
        ask(gain)


def test_a_network_that_failed_or_is_unknown_is_nothing_to_start_from():
    with pytest.raises(BadInput, match="network 00050005 has no measured accuracy, model_bytes"):
        ask("accuracy=+0.01", key="0005")
    with pytest.raises(UnknownSearch):
        ask("accuracy=+0.01", key="9999")
    with pytest.raises(BadInput, match="no measured network yet"):
        ask("accuracy=+0.01", reader=ScriptedReader(record=search_record(), all_networks=()))
