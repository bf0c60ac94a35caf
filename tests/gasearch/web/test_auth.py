"""Who may call: the token, and nothing else."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from gasearch.errors import BadInput
from gasearch.web import create_app
from gasearch.web.auth import server_token
from tests.doubles.service import TOKEN, get, make_app

OF_SEARCH = [
    "",
    "/status",
    "/front",
    "/finals",
    "/finals/best",
    "/best",
    "/trade?for=accuracy=%2B0.01",
    "/history",
    "/operators",
    "/networks/0001/why",
]
ROUTES = ["/searches", *(f"/searches/digits{path}" for path in OF_SEARCH), "/compare?name=digits"]


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


def test_every_route_but_the_health_check_asks_for_the_token():
    def routes_of(holder):
        for route in holder.routes:
            if isinstance(route, APIRoute):
                yield route
            else:
                yield from routes_of(route.original_router if hasattr(route, "original_router") else route)

    app = make_app()
    paths = [route.path for route in routes_of(app)]
    assert len(paths) == 1 + len(ROUTES)
    for path in paths:
        status = get(app, path.replace("{name}", "digits"), token=None).status_code
        assert status == (200 if path == "/healthz" else 401)


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
