"""Figures for Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gasearch.web import create_app
from tests.doubles.service import API, TOKEN, client_of


def figures(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def client(url):
    return client_of(create_app(url, TOKEN))


def test_searches_and_evaluations_are_counted_by_the_state_of_the_search(client):
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    found = figures(response.text)
    assert (found["gasearch_searches", "finished"], found["gasearch_searches", "running"]) == (2, 0)
    assert found["gasearch_evaluations", "finished"] == 16
    assert found["gasearch_failed_evaluations", "finished"] > 0


def test_requests_are_counted_by_route_and_status_and_never_by_what_somebody_sent(client):
    for path in ("digits/status", "other/status", "nope/status", "digits/nothing"):
        client.get(f"{API}/{path}")
    client.get("/made-up-by-a-stranger")
    client.request("BREW", "/healthz")
    client.get(API, headers={"Authorization": "Bearer wrong"})
    client.get(API, headers={"Host": "evil.example"})
    text = client.get("/metrics").text
    found = figures(text)
    status, count = "/api/v1/searches/{name}/status", "gasearch_http_requests_total"
    assert (found[count, "GET", status, "200"], found[count, "GET", status, "404"]) == (2, 1)
    assert found[count, "GET", "/api/v1/searches", "401"] == 1
    assert found[count, "GET", "other", "404"] == 2
    assert found[count, "GET", "other", "400"] == 1
    assert found["gasearch_http_request_seconds_count", status] == 3
    assert "made-up" not in text
    assert "BREW" not in text
