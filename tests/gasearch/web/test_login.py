"""Login by a link that works once, and what a cookie may do."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest

from gasearch.storage.sql import open_reader
from gasearch.web import create_app
from gasearch.web.backoff import FREE
from tests.doubles.archived import fill_database
from tests.doubles.service import API, TOKEN, assert_is_error, client_of

ORIGIN = "http://localhost:8080"


@pytest.fixture
def store(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    fill_database(url)
    return url


@pytest.fixture
def client(store):
    """A browser, which has no token."""
    client = client_of(create_app(store, TOKEN))
    del client.headers["Authorization"]
    client.follow_redirects = False
    return client


def log_in(client):
    return client.get("/login", params={"code": client.app.state.access.sessions.new_code("bootstrap")})


def test_a_link_logs_in_once_and_the_cookie_is_for_no_script_and_no_other_site(client):
    code = client.app.state.access.sessions.new_code("bootstrap")
    assert client.get(API).status_code == 401
    response = client.get("/login", params={"code": code})
    assert (response.status_code, response.headers["location"]) == (303, "/api/v1/searches")
    [cookie] = response.headers.get_list("set-cookie")
    flags = {part.strip() for part in cookie.split(";")[1:]}
    assert flags == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"}
    assert client.get(API).status_code == 200
    assert client.get("/api/v1/tokens").status_code == 200  # whoever sees the terminal is the operator
    assert_is_error(client.get("/login", params={"code": code}), 401, "still valid")


def test_over_tls_the_cookie_is_secure(store):
    client = client_of(create_app(store, TOKEN))
    client.base_url = "https://localhost:8080"
    client.follow_redirects = False
    assert "Secure" in log_in(client).headers["set-cookie"]


def test_logout_ends_the_session_for_everybody_who_has_the_cookie(client, store):
    log_in(client)
    [(name, value)] = client.cookies.items()
    response = client.post("/logout", headers={"Origin": ORIGIN})
    assert response.status_code == 204
    assert "Max-Age=0" in response.headers["set-cookie"]
    client.cookies.set(name, value)
    assert client.get(API).status_code == 401
    client.app.state.access.journal.flush()
    with closing(open_reader(store)) as reader:
        found = [(one.who, one.action, one.address) for one in reader.audits(count=9)]
    assert found == [("bootstrap", "logout", "testclient"), ("bootstrap", "login", "testclient")]


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://localhost:3000", "http://127.0.0.1:8080"]
)
def test_a_page_of_another_origin_changes_nothing_with_our_cookie(client, origin):
    log_in(client)
    response = client.post("/logout", headers={} if origin is None else {"Origin": origin})
    assert_is_error(response, 403, "rigin")
    assert client.get(API).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused_on_every_route_whatever_it_brings(client, method):
    for path in ("/healthz", API, "/logout", "/login", "/nothing"):
        headers = {"Origin": "http://evil.example", "Authorization": f"Bearer {TOKEN}"}
        assert_is_error(client.request(method, path, headers=headers), 403, "another origin")
    two = [("Origin", ORIGIN), ("Origin", ORIGIN)]
    assert client.get("/healthz", headers=two).status_code == 403
    assert client.get("/healthz", headers={"Origin": ORIGIN}).status_code == 200


def test_a_program_with_a_token_needs_no_origin(client):
    assert client.post("/logout", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 204


def test_a_wrong_cookie_is_nobody_and_a_wrong_token_beats_a_right_cookie(client):
    log_in(client)
    assert client.get(API, headers={"Authorization": "Bearer wrong"}).status_code == 401
    client.cookies.clear()
    client.cookies.set("gasearch_session", "x" * 43)
    assert [client.get(API).status_code for _ in range(FREE + 3)] == [401] * (FREE + 3)  # browsers poll: no strike


def test_codes_are_not_guessed_at_leisure(client):
    statuses = [client.get("/login", params={"code": f"guess-{number}"}).status_code for number in range(FREE + 2)]
    assert statuses == [401] * (FREE + 1) + [429]
    assert log_in(client).status_code == 303


def test_neither_code_nor_cookie_is_logged_or_stored(client, store, caplog, tmp_path):
    code = client.app.state.access.sessions.new_code("bootstrap")
    with caplog.at_level(logging.DEBUG):
        client.get("/login", params={"code": code})
        client.get(API)
        client.get("/login", params={"code": code})
    client.app.state.access.journal.flush()
    told = " ".join(str(vars(one)) for one in caplog.records if one.name.startswith("gasearch"))
    [(_, value)] = client.cookies.items()
    assert "bootstrap" in told
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (code, value):
        assert secret not in told
        assert secret.encode() not in stored
