"""Figures as SVG: well-formed, complete, and within their frame."""

from __future__ import annotations

import html
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from gasearch.query.figures import failures_figure, front_figure, growth_figures, operators_figure, prediction_figures
from gasearch.query.front import point_of
from gasearch.query.growth import GrowthPoint
from gasearch.query.lineage import OperatorStats
from gasearch.query.summary import search_summary
from gasearch.report.svg import HEIGHT, WIDTH, svg
from gasearch.storage.records import ExpectedMetric
from tests.doubles.archived import NETWORKS, failed, network, scripted_reader

NAMESPACE = "{http://www.w3.org/2000/svg}"


def parsed(figure):
    return ElementTree.fromstring(svg(figure))


def texts_of(drawn):
    return [element.text or "" for element in drawn.iter(f"{NAMESPACE}text")]


def growth_points(*volumes):
    return [
        GrowthPoint(evaluations=n, active_seconds=n, device_seconds=n, hypervolume=volume, front_size=1)
        for n, volume in enumerate(volumes, 1)
    ]


@pytest.fixture
def front():
    summary = search_summary(scripted_reader(), "digits")
    return front_figure(summary, [point_of(one) for one in NETWORKS if one.metrics], 6)


def test_a_front_has_a_marker_for_each_network_its_spreads_and_what_the_axes_mean(front):
    front["data"][1] |= {"error_y": {"array": [0.01] * 4}}
    drawn = parsed(front)
    circles = [one for one in drawn.iter(f"{NAMESPACE}circle") if one.get("r") != "4"]
    assert len(circles) == 6
    for circle in circles:
        assert 0 < float(circle.get("cx")) < WIDTH
        assert 0 < float(circle.get("cy")) < HEIGHT
    bars = [one for one in drawn.iter(f"{NAMESPACE}path") if one.get("stroke") == "#1f5fbf" and "L" in one.get("d")]
    assert len(bars) == 4 + 1  # and the line through the front
    texts = texts_of(drawn)
    assert {"Pareto front of digits: 4 of 6 networks", "accuracy (max)", "model_bytes (min)"} <= set(texts)
    assert {"2k", "4k", "0.8"} <= set(texts)
    hints = [one.text for one in drawn.iter(f"{NAMESPACE}title")]
    assert any("00020002" in hint and "\n" in hint for hint in hints)


def test_better_networks_stand_higher_and_greater_ones_further_right(front):
    drawn = parsed(front)
    places = {}
    for circle in drawn.iter(f"{NAMESPACE}circle"):
        title = circle.find(f"{NAMESPACE}title")
        if title is not None:
            places[title.text.split("\n")[0]] = float(circle.get("cx")), float(circle.get("cy"))
    best, small = places["00020002"], places["00030003"]
    assert best[0] > small[0]
    assert best[1] < small[1]


def test_a_curve_is_drawn_in_steps_from_zero():
    [figure] = growth_figures({"digits": growth_points(0.25, 0.5)}, ["evaluations"])
    drawn = parsed(figure)
    [line] = [one for one in drawn.iter(f"{NAMESPACE}path") if one.get("fill") == "none"]
    assert line.get("d").count("H") == line.get("d").count("V") == 1
    assert "0" in texts_of(drawn)


def test_bars_have_the_heights_of_their_values_and_names_below():
    drawn = parsed(failures_figure({"timed_out": 1, "a_kind_with_a_name_that_is_far_too_long": 4}))
    first, second = (float(one.get("height")) for one in drawn.iter(f"{NAMESPACE}rect"))
    assert first == pytest.approx(4 * second, rel=0.01)
    assert any(text == "a_kind_with_a_name_that…" for text in texts_of(drawn))
    assert "timed_out" in texts_of(drawn)


def test_names_of_others_are_text_never_markup():
    evil = "<script>alert('&')</script>"
    summary = replace(search_summary(scripted_reader(), "digits"), name=evil)
    drawn = parsed(front_figure(summary, [point_of(one) for one in NETWORKS if one.metrics], 6))
    assert {one.tag.removeprefix(NAMESPACE) for one in drawn.iter()} == {"svg", "title", "text", "path", "circle"}
    assert any(evil in text for text in texts_of(drawn))
    operator = OperatorStats(operator=evil, children=1, measured=1, entered=1, gain=0.5, gain_per_child=0.5)
    assert html.unescape(svg(operators_figure([operator]))).count("<script>") == 2


def test_expectations_of_stopped_trainings_are_crosses():
    expected = (ExpectedMetric(metric="accuracy", mean=0.7, deviation=0.1),)
    networks = [replace(network(0, accuracy=0.8), predicted=expected)]
    networks.append(replace(failed(1, "stopped"), predicted=expected))
    [figure] = prediction_figures(networks)
    drawn = parsed(figure)
    assert len([one for one in drawn.iter(f"{NAMESPACE}path") if "6m0" in one.get("d")]) == 1


@pytest.mark.parametrize("values", [[5.0], [0.0], [1e-9, 1e-9], [-3.0, 4.0], [1e-7, 1e9], []])
def test_any_values_have_axes(values):
    trace = {"type": "scatter", "mode": "markers", "x": values, "y": values, "marker": {}}
    axis = {"title": {"text": "t"}, "type": "log"} if values and min(values) > 0 else {"title": {"text": "t"}}
    drawn = parsed({"data": [trace], "layout": {"title": {"text": "t"}, "xaxis": axis, "yaxis": axis}})
    assert len(list(drawn.iter(f"{NAMESPACE}circle"))) == len(values)
    assert len(texts_of(drawn)) < 40
