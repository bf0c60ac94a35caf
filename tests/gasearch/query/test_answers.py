"""Answers as rows and lines."""

from __future__ import annotations

import json

import pytest

from gasearch.query.answers import layers_text
from gasearch.query.front import best_points, front_points
from gasearch.query.history import generations_of
from gasearch.query.network import network_details
from gasearch.query.summary import describe_search, search_summary
from tests.doubles.archived import (
    NETWORKS,
    scripted_reader,
)


def test_rows_hold_only_what_json_can_hold():
    reader = scripted_reader()
    rows = [
        search_summary(reader, "digits").row(),
        describe_search(reader, "digits").row(),
        network_details(reader, "digits", "0001").row(),
        *(generation.row() for generation in generations_of(reader, "digits")),
        *(point.row() for point in front_points(reader, "digits")),
    ]
    for row in rows:
        assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_the_row_of_a_network_is_flat_with_its_key_first_and_its_blueprint_last():
    [point] = best_points(scripted_reader(), "digits")
    row = point.row()
    assert next(iter(row)) == "key"
    assert list(row)[-1] == "blueprint"
    assert row["accuracy"] == 0.97
    assert row["blueprint"]["layers"][0]["kind"] == "conv"


def test_a_network_reads_as_one_line():
    blueprint = json.loads(NETWORKS[0].network_json)
    assert layers_text(blueprint) == "conv 16 k3 s2 w4 a8 | linear 10 w8 sparsity 0.5"
    assert layers_text({"choices": {"op1": "pool", "width1": 8}}) == "op1=pool width1=8"


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"kind": "embedding", "width": 16, "rows": 2000, "weight_bits": 4}, "embedding 16 w4 rows 2000"),
        ({"kind": "transformer", "width": 32, "heads": 4}, "transformer 32 heads 4"),
        (
            {"kind": "linear", "width": 8, "sparsity": 0.5, "pruning": "unstructured"},
            "linear 8 sparsity 0.5 unstructured",
        ),
        ({"kind": "conv", "width": 8, "kernel": 3, "stride": 2, "downsample": "max_pool"}, "conv 8 k3 s2 max_pool"),
    ],
)
def test_what_makes_a_layer_another_one_is_in_its_text(layer, text):
    assert layers_text({"layers": [layer]}) == text


def test_a_traced_layer_says_what_it_is_and_what_the_module_calls_it():
    traced = {
        "kind": "traced",
        "width": 8,
        "kernel": 3,
        "weight_bits": 4,
        "extras": {"name": "block.conv1", "op": "conv"},
    }
    assert layers_text({"layers": [traced]}) == "block.conv1: conv 8 k3 w4"
