"""Who gets in: tokens, Host names, headers; and a real server on the loopback."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from gasearch.errors import BadInput
from gasearch.web import create_app
from gasearch.web.auth import Role, Tokens, require, server_token
from tests.doubles.archived import fill_database, scripted_reader

TOKEN = "a-token-for-tests-only"
OF_SEARCH = ["", "/status", "/front", "/best", "/history", "/operators", "/networks/0001/why"]
ROUTES = ["/searches", *(f"/searches/digits{path}" for path in OF_SEARCH), "/compare?name=digits"]


def make_app(**options):
    app = create_app("sqlite:///unused.db", TOKEN, **options)
    app.state.reader = scripted_reader
    return app


def get(app, path="/api/v1/searches", host="localhost", token=TOKEN, **headers):
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    given = {"Host": host} | ({} if token is None else {"Authorization": f"Bearer {token}"}) | headers
    return client.get(path, headers=given)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00fc"],
)
def test_no_route_of_the_api_answers_without_the_token(route, header):
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    response = get(make_app(), f"/api/v1{route}", token=None, **headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["kind"] == "unauthorized"
    assert "digits" not in response.text


def test_the_token_is_taken_from_the_header_only():
    response = get(make_app(), f"/api/v1/searches?token={TOKEN}&access_token={TOKEN}", token=None)
    assert response.status_code == 401


def test_every_route_but_the_health_check_asks_for_a_role():
    def routes_of(holder):
        for route in holder.routes:
            if isinstance(route, APIRoute):
                yield route
            else:
                yield from routes_of(route.original_router if hasattr(route, "original_router") else route)

    paths = [route.path for route in routes_of(make_app())]
    assert len(paths) == 1 + len(ROUTES)
    for path in paths:
        status = get(make_app(), path.replace("{name}", "digits"), token=None).status_code
        assert status == (200 if path == "/healthz" else 401)


def test_a_reader_may_not_do_what_needs_an_administrator(monkeypatch):
    app = FastAPI()
    app.state.tokens = Tokens(TOKEN)
    from fastapi import Depends

    @app.get("/change", dependencies=[Depends(require(Role.ADMIN))])
    def change():
        return "changed"

    client = TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})
    assert client.get("/change").status_code == 200
    monkeypatch.setattr(Tokens, "role_of", lambda self, token: Role.READER)
    assert client.get("/change").status_code == 403


def test_a_token_that_can_be_guessed_is_refused():
    with pytest.raises(BadInput, match="at least 16 characters; got 3"):
        create_app("sqlite:///unused.db", "abc")


def test_the_server_s_token_comes_from_the_environment_or_is_new(monkeypatch):
    monkeypatch.setenv("GASEARCH_TOKEN", TOKEN)
    assert server_token(is_public=True) == (TOKEN, False)
    monkeypatch.delenv("GASEARCH_TOKEN")
    first, is_new = server_token(is_public=False)
    assert is_new
    assert len(first) >= 43
    assert server_token(is_public=False)[0] != first
    with pytest.raises(BadInput, match="set GASEARCH_TOKEN"):
        server_token(is_public=True)


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


def test_a_real_server_serves_while_it_runs_and_ends_at_ctrl_c(tmp_path):
    url = f"sqlite:///{tmp_path}/gasearch.db"
    fill_database(url)
    environment = {name: value for name, value in os.environ.items() if name != "GASEARCH_TOKEN"}
    command = [sys.executable, "-m", "gasearch", "serve", "--port", "0", "--db", url]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/api/v1", server.stderr.readline()).group(1))
            token = re.search(r"token, shown only now: (\S+)", server.stderr.readline()).group(1)
            assert token not in " ".join(command)
            for _ in range(2):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request("GET", "/api/v1/searches/digits/best", headers={"Authorization": f"Bearer {token}"})
                response = connection.getresponse()
                assert response.status == 200
                assert response.getheader("Server") is None
                assert json.loads(response.read())[0]["key"] == "00020002"
                connection.request("GET", "/api/v1/searches")
                response = connection.getresponse()
                assert (response.status, b"error" in response.read()) == (401, True)
                connection.close()
            again = [part if part != "0" else str(port) for part in command]
            taken = subprocess.run(again, capture_output=True, text=True, env=environment, check=False)
            assert taken.returncode == 2
            assert taken.stderr == f"gasearch: can't listen on 127.0.0.1:{port}: Address already in use\n"
        finally:
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=20)
    assert (server.returncode, out, err) == (0, "", "")
