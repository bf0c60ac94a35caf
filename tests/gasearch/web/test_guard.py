"""The guard before every route: Host names, headers, the log, the last resort."""

from __future__ import annotations

import logging

import pytest

from gasearch.errors import GasearchError
from gasearch.web import create_app
from tests.doubles.archived import scripted_reader
from tests.doubles.service import API, TOKEN, Shared, assert_is_error, client_of, get, make_app


@pytest.fixture
def client():
    app = create_app("sqlite:///unused.db", TOKEN)
    app.state.reader = Shared(scripted_reader)
    return client_of(app)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:9", "[::1]", "[::1]:8080"])
def test_the_names_of_the_loopback_are_ours(host):
    assert get(make_app(), host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "localhost.evil.example", "evil.localhost", "", "10.0.0.5", "[::2]",
        "[::1", "@", "localhost:x", "localhost@evil.example", "evil.example/localhost",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/v1/searches", "/healthz", "/nothing"])
def test_a_foreign_host_is_refused_on_every_route(host, path):
    response = get(make_app(), path, host=host)
    assert response.status_code == 400
    assert response.json()["error"]["kind"] == "bad_host"


def test_the_given_address_and_further_names_are_ours():
    app = make_app(host="192.0.2.7", allowed_hosts=["search.example"])
    assert get(app, host="192.0.2.7:8080").status_code == 200
    assert get(app, host="search.example").status_code == 200
    assert get(app, host="192.0.2.8").status_code == 400
    assert get(make_app(host="::2"), host="[::2]:80").status_code == 200


def test_on_all_interfaces_any_address_is_ours_but_no_name():
    app = make_app(host="0.0.0.0")
    assert get(app, host="192.0.2.8:8080").status_code == 200
    assert get(app, host="[2001:db8::1]:8080").status_code == 200
    assert get(app, host="evil.example").status_code == 400


def test_every_answer_carries_the_security_headers_and_no_cors():
    for response in (
        get(make_app(), Origin="http://evil.example"),
        get(make_app(), token=None),
        get(make_app(), host="evil.example"),
        get(make_app(), "/nothing"),
    ):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_a_defect_is_500_without_details(client, caplog):
    def fail():
        raise RuntimeError("boom at /some/path")

    client.app.state.reader = Shared(fail)
    response = client.get(API)
    assert_is_error(response, 500, "unexpected error")
    assert "boom" not in response.text
    assert "boom at /some/path" in caplog.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"

    def fail_otherwise():
        raise GasearchError("a worker said no")

    client.app.state.reader = Shared(fail_otherwise)
    assert_is_error(client.get(API), 500, "unexpected error")


def test_each_request_is_logged_and_who_had_no_good_token_but_no_token(client, caplog):
    with caplog.at_level(logging.INFO, logger="gasearch.web"):
        client.get(f"{API}/digits/best", params={"by": "macs:min", "token": TOKEN})
        client.get(API, headers={"Authorization": "Bearer a-wrong-token-of-somebody"})
        client.get(API, headers={"Host": "evil.example"})
    [best, refused, unauthorized, foreign] = caplog.records
    assert (best.method, best.path, best.status, best.client) == ("GET", f"{API}/digits/best", 422, "testclient")
    assert 0 < best.ms < 60_000
    assert (refused.getMessage(), refused.client) == ("token refused", "testclient")
    assert [one.getMessage() for one in (best, unauthorized, foreign)] == ["request"] * 3
    assert [one.status for one in (unauthorized, foreign)] == [401, 400]
    told = " ".join(str(vars(one)) for one in caplog.records)
    assert TOKEN not in told
    assert "a-wrong-token" not in told
