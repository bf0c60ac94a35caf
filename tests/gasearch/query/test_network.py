"""All that is known of one network."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gasearch.query.network import network_details
from tests.doubles.archived import (
    NETWORKS,
    ScriptedReader,
    scripted_reader,
    search_record,
)


@pytest.mark.parametrize(
    ("kind", "score"),
    [("classification", "accuracy"), ("tagging", "entity_f1"), ("rating", "rmse"), (None, "accuracy")],
)
def test_show_names_the_score_of_the_curve(kind, score):
    data = {} if kind is None else {"kind": kind}
    record = replace(search_record(), data_json=json.dumps(data))
    curve = [{"epoch": 1, "train_loss": 0.5, "accuracy": 3.25}]
    reader = ScriptedReader(record=record, all_networks=(replace(NETWORKS[0], curve_json=json.dumps(curve)),))
    details = network_details(reader, "digits", NETWORKS[0].key)
    assert details.curve == [{"epoch": 1, "train_loss": 0.5, score: 3.25}]


def test_show_gives_a_failed_network_without_metrics_but_with_its_reason():
    details = network_details(scripted_reader(), "digits", "00050005")
    assert (details.failure, details.failure_message) == ("timed_out", "took longer than 5 s")
    assert details.metrics == {}
    assert details.row()["failure"] == "timed_out"
