"""The plot: one file, complete, harmless."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from gasearch.errors import BadInput
from gasearch.query import plot as plots
from gasearch.query.figures import front_figure
from gasearch.query.front import point_of
from gasearch.query.plot import plot
from gasearch.query.summary import search_summary
from gasearch.storage.records import ExpectedMetric
from tests.doubles.archived import NETWORKS, ScriptedReader, network, scripted_reader, search_record


class Elements(HTMLParser):
    """Collects the start tags of a page, those inside scripts left out as a browser leaves them out."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def elements_of(text):
    parser = Elements()
    parser.feed(text)
    return parser.found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("plot") / "front.html"
    plot(scripted_reader(), "digits", path)
    return path.read_text(encoding="utf-8")


def test_the_file_holds_all_figures_and_plotly_once(page):
    assert page.startswith("<!DOCTYPE html>")
    titles = ("Pareto front", "Hypervolume over evaluations", "Hypervolume over seconds that the search ran")
    titles += ("Hypervolume over seconds that workers were busy", "Which operators paid", "Failures by kind")
    places = [page.index(title) for title in titles]
    assert places == sorted(places)
    assert [number for number in range(9) if f'id="figure{number}"' in page] == list(range(len(titles)))
    assert len(page) < 2 * len(max(page.split("<script"), key=len))
    assert "Pareto front of digits: 4 of 6 networks" in page
    assert "Failures by kind: 2" in page


def test_the_file_asks_nothing_of_the_network(page):
    for _, attributes in elements_of(page):
        assert not {"src", "href", "srcset"} & set(attributes)


def test_the_file_fits_a_phone_and_its_policy_lets_nothing_be_fetched_or_sent(page):
    metas = [attributes for tag, attributes in elements_of(page) if tag == "meta"]
    assert "width=device-width, initial-scale=1" in [one.get("content") for one in metas]
    [policy] = [one["content"] for one in metas if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "form-action 'none'" in policy
    assert "connect-src" not in policy


def drawn(reader):
    """The figure of the front over all measured networks."""
    points = [point_of(one) for one in reader.networks(1) if one.metrics]
    return front_figure(search_summary(reader, "digits"), points, len(points))


def test_the_front_is_drawn_over_all_evaluations():
    dominated, front = drawn(scripted_reader())["data"]
    assert (dominated["y"], dominated["x"]) == ([0.80, 0.55], [3000, 1200])
    assert (front["y"], front["x"]) == ([0.60, 0.90, 0.93, 0.97], [1000, 2500, 6000, 9000])
    assert "0003" in front["text"][0]
    assert "conv 16 k3 s2 w4 a8<br>linear 10 w8 sparsity 0.5" in front["text"][0]


def test_the_third_objective_is_the_colour_of_the_front_and_a_single_one_is_drawn_over_time():
    three = search_record(objectives=(("accuracy", True), ("model_bytes", False), ("latency_ms", False)))
    one = search_record(objectives=(("accuracy", True),))
    for record, has_scale in ((three, True), (one, False)):
        reader = ScriptedReader(record=record, all_networks=NETWORKS)
        trace = drawn(reader)["data"][1]
        assert ("showscale" in trace["marker"]) is has_scale
        assert len(trace["x"]) == len(trace["y"]) == 4


def test_an_axis_over_decades_is_logarithmic():
    networks = tuple(network(n, on_front=True, accuracy=0.5 + n / 10, model_bytes=10**n) for n in range(1, 4))
    reader = ScriptedReader(record=search_record(), all_networks=networks)
    figure = drawn(reader)
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert "type" not in figure["layout"]["yaxis"]


def test_of_many_networks_the_newest_are_drawn_and_the_whole_front(monkeypatch):
    monkeypatch.setattr(plots, "MOST_POINTS", 3)
    reader = scripted_reader()
    figure = plots.figures_of(reader, search_summary(reader, "digits"))[0]
    dominated, front = figure["data"]
    assert dominated["y"] == []  # of the three newest two failed, and one is on the front
    assert front["y"] == [0.60, 0.90, 0.93, 0.97]
    title = figure["layout"]["title"]["text"]
    assert title == "Pareto front of digits: 4 of 6 networks; of the others the newest 0"


EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


def test_names_from_specs_and_evaluators_stay_text(tmp_path):
    metric = "<b onclick=alert(3)>"
    evil = replace(network(0, on_front=True), key=EVIL, metrics={metric: 1.0, "model_bytes": 2.0}, operator=EVIL)
    evil = replace(evil, predicted=(ExpectedMetric(metric=metric, mean=0.5, deviation=0.1),))
    evil = replace(evil, network_json=json.dumps({"choices": {EVIL: EVIL}}))
    broken = replace(network(1), metrics={}, failure="timed_out", failure_message=EVIL)
    objectives = ((metric, True), ("model_bytes", False))
    record = search_record(name=EVIL, objectives=objectives, reference_ideal=(1.0, 0.0), reference_point=(0.0, -9.0))
    reader = ScriptedReader(record=record, all_networks=(evil, broken))
    path = tmp_path / "evil.html"
    plot(reader, EVIL, path)
    text = path.read_text(encoding="utf-8")
    tags = elements_of(text)
    assert "img" not in {tag for tag, _ in tags}
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    plain = elements_of(_page_of_harmless_search(tmp_path))
    assert {tag for tag, _ in tags} == {tag for tag, _ in plain}
    # Plotly reads titles and hover texts as HTML of its own: there, too, the names are escaped.
    figures = re.findall(r"Plotly\.newPlot\(\s*\"figure\d\",\s*(\[.*?\]),\s*\{", text, flags=re.DOTALL)
    data = [json.dumps(json.loads(figure)) for figure in figures]
    assert len(data) == 7
    for figure in (data[0], data[4], data[5]):  # the front, the operators, what was expected
        assert "&lt;img" in figure
    assert not any("<img" in figure for figure in data)


def _page_of_harmless_search(folder):
    path = folder / "plain.html"
    plot(scripted_reader(), "digits", path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["front.png", "front.svg", "front"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match=rf"expected a name that ends in .html; got '.*{name}'"):
        plot(scripted_reader(), "digits", tmp_path / name)


def test_a_search_without_an_outcome_is_refused(tmp_path):
    reader = ScriptedReader(record=search_record(), all_networks=())
    with pytest.raises(BadInput, match="has no outcome to draw yet"):
        plot(reader, "digits", tmp_path / "front.html")


def test_a_file_that_can_t_be_written_is_named_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(BadInput, match=r"can't write .*front.html: No such file or directory"):
        plot(scripted_reader(), "digits", tmp_path / "missing" / "front.html")
    (tmp_path / "front.html").mkdir()
    with pytest.raises(BadInput, match=r"can't write"):
        plot(scripted_reader(), "digits", tmp_path / "front.html")
    assert [path.name for path in tmp_path.iterdir()] == ["front.html"]
