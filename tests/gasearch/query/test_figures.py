"""The figures on growth, operators and predictions, as plain values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gasearch.errors import BadInput
from gasearch.query.comparison import compare
from gasearch.query.figures import AXES, MOST_STEPS, growth_figures, operators_figure, prediction_figures
from gasearch.query.growth import GrowthPoint
from gasearch.query.lineage import OperatorStats
from gasearch.query.plot import plot_comparison
from gasearch.storage.records import ExpectedMetric
from gasearch.storage.sql import open_reader
from tests.doubles.archived import fill_database, network, search_record

EVIL = "<img src=x>"


def point(evaluations, hypervolume, front_size=1):
    return GrowthPoint(
        evaluations=evaluations,
        active_seconds=2.0 * evaluations,
        device_seconds=3.0 * evaluations,
        hypervolume=hypervolume,
        front_size=front_size,
    )


def foreseen(number, mean, deviation=0.1, *, metric="accuracy", failure=None, **metrics):
    expected = (ExpectedMetric(metric=metric, mean=mean, deviation=deviation),)
    return replace(network(number, **metrics), predicted=expected, failure=failure, metrics={} if failure else metrics)


def test_growth_is_drawn_over_evaluations_and_both_times_as_steps():
    figures = growth_figures({"digits": [point(1, 0.25), point(2, 0.5)]})
    assert [figure["data"][0]["x"] for figure in figures] == [[1, 2], [2.0, 4.0], [3.0, 6.0]]
    assert all(figure["data"][0]["y"] == [0.25, 0.5] for figure in figures)
    assert all(figure["data"][0]["line"]["shape"] == "hv" for figure in figures)
    assert [figure["layout"]["title"]["text"] for figure in figures] == [f"Hypervolume over {AXES[by]}" for by in AXES]


def test_outcomes_that_change_nothing_are_drawn_only_at_the_ends():
    curve = [point(1, 0.25), point(2, 0.25), point(3, 0.5), point(4, 0.5), point(5, 0.5, 2), point(6, 0.5, 2)]
    [trace] = growth_figures({"digits": curve}, ["evaluations"])[0]["data"]
    assert trace["x"] == [1, 3, 5, 6]


def test_of_a_very_long_curve_no_more_steps_are_drawn_than_a_browser_bears():
    curve = [point(number, number / 10) for number in range(1, 3 * MOST_STEPS)]
    [trace] = growth_figures({"digits": curve}, ["evaluations"])[0]["data"]
    assert len(trace["x"]) <= MOST_STEPS + 1
    assert (trace["x"][0], trace["x"][-1]) == (1, 3 * MOST_STEPS - 1)


def test_each_search_is_a_line_with_its_escaped_name_and_only_several_need_a_legend():
    curves = {EVIL: [point(1, 0.25)], "b": []}
    figure = growth_figures(curves, ["evaluations"])[0]
    assert [trace["name"] for trace in figure["data"]] == ["&lt;img src=x&gt;", "b"]
    assert figure["layout"]["showlegend"]
    assert not growth_figures({"b": [point(1, 0.25)]}, ["evaluations"])[0]["layout"]["showlegend"]
    assert growth_figures({}) == []


def test_operators_are_bars_by_the_gain_of_a_child_with_their_counts():
    rows = [
        OperatorStats(operator=name, children=count, measured=1, entered=1, gain=gain, gain_per_child=gain / count)
        for name, count, gain in (("sample", 10, 1.0), (EVIL, 2, 0.5))
    ]
    [trace] = operators_figure(rows)["data"]
    assert (trace["x"], trace["y"]) == (["&lt;img src=x&gt;", "sample"], [0.25, 0.1])
    assert trace["text"] == ["2 children", "10 children"]


def test_what_was_expected_is_drawn_against_what_was_measured_for_each_modelled_metric():
    networks = [
        foreseen(0, 0.5, accuracy=0.6),
        foreseen(1, 0.75, accuracy=0.7),
        foreseen(2, 2.0, metric="latency_ms", latency_ms=3.0),
        network(3, accuracy=0.9),
    ]
    accuracy, latency = prediction_figures(networks)
    diagonal, measured = accuracy["data"]
    assert (measured["x"], measured["y"]) == ([0.5, 0.75], [0.6, 0.7])
    assert diagonal["x"] == diagonal["y"] == [0.5, 0.75]
    assert latency["data"][1]["x"] == [2.0]


def test_what_arithmetic_knew_was_no_prediction():
    assert prediction_figures([foreseen(0, 100.0, 0.0, metric="model_bytes", model_bytes=100.0)]) == []


def test_stopped_trainings_are_marked_where_they_were_expected_and_failed_ones_are_left_out():
    networks = [
        foreseen(0, 0.5, accuracy=0.6),
        foreseen(1, 0.4, failure="stopped"),
        foreseen(2, 0.3, failure="diverged"),
    ]
    [figure] = prediction_figures(networks)
    *_, stopped = figure["data"]
    assert (stopped["name"], stopped["x"], stopped["y"]) == ("stopped early, not measured", [0.4], [0.5])
    assert "stopped" in stopped["text"][0]
    assert prediction_figures(networks[1:]) == []


def test_metrics_and_keys_in_predictions_are_escaped():
    evil = replace(foreseen(0, 1.0, metric=EVIL, **{EVIL: 2.0}), key=EVIL)
    assert "<img" not in json.dumps(prediction_figures([evil]))


@pytest.fixture
def compared(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    for name in ("digits", EVIL):
        fill_database(url, search_record(name))
    reader = open_reader(url)
    yield compare(reader, ["digits", EVIL])
    reader.close()


def test_a_comparison_is_drawn_into_one_file_with_escaped_names(compared, tmp_path):
    path = tmp_path / "curves.html"
    plot_comparison(compared, path)
    text = path.read_text(encoding="utf-8")
    assert "<h1>digits and &lt;img src=x&gt;</h1>" in text
    assert "Hypervolume over evaluations" in text
    assert "Hypervolume over seconds that workers were busy" in text
    assert "Hypervolume over seconds that the search ran" not in text  # neither has any counted
    assert "<img" not in text.partition("<body>")[2].rpartition("Plotly.newPlot")[2]


def test_a_comparison_needs_a_name_that_ends_in_html(compared, tmp_path):
    with pytest.raises(BadInput, match=r"expected a name that ends in .html; got '.*curves.png'"):
        plot_comparison(compared, tmp_path / "curves.png")
