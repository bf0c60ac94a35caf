"""Who may call what: every route of the application, with every kind of credential."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest
from fastapi import Depends, FastAPI
from starlette.routing import Route

from gasearch.errors import BadInput, StoreError
from gasearch.jobs.tokens import digest_of, new_secret
from gasearch.storage.access import LOCAL, NewToken, Role
from gasearch.storage.sql import open_archive, open_reader
from gasearch.web import create_app
from gasearch.web.auth import admin, anyone, reader, role_of, routes_of, server_token
from gasearch.web.backoff import FREE
from tests.doubles.archived import fill_database
from tests.doubles.service import API, TOKEN, Shared, client_of, get, make_app

#: Every route, with what it is asked for here, and the status that whoever may call it gets.
ROUTES = {
    "GET /healthz": ("/healthz", None, 200),
    "GET /readyz": ("/readyz", None, 200),
    "GET /login": ("/login", None, 422),  # without a code
    "POST /logout": ("/logout", Role.READER, 204),
    "GET /metrics": ("/metrics", Role.READER, 200),
    "GET /api/v1/openapi.json": ("/api/v1/openapi.json", Role.READER, 200),
    "GET /api/v1/searches": (API, Role.READER, 200),
    "GET /api/v1/searches/{name}": (f"{API}/digits", Role.READER, 200),
    "GET /api/v1/searches/{name}/status": (f"{API}/digits/status", Role.READER, 200),
    "GET /api/v1/searches/{name}/front": (f"{API}/digits/front", Role.READER, 200),
    "GET /api/v1/searches/{name}/finals": (f"{API}/digits/finals", Role.READER, 200),
    "GET /api/v1/searches/{name}/finals/best": (f"{API}/digits/finals/best", Role.READER, 200),
    "GET /api/v1/searches/{name}/best": (f"{API}/digits/best", Role.READER, 200),
    "GET /api/v1/searches/{name}/trade": (f"{API}/digits/trade?for=accuracy%3D%2B0.01", Role.READER, 200),
    "GET /api/v1/searches/{name}/history": (f"{API}/digits/history", Role.READER, 200),
    "GET /api/v1/searches/{name}/operators": (f"{API}/digits/operators", Role.READER, 200),
    "GET /api/v1/searches/{name}/networks/{key}/why": (f"{API}/digits/networks/0001/why", Role.READER, 200),
    "GET /api/v1/compare": ("/api/v1/compare?name=digits&name=other", Role.READER, 200),
    "GET /api/v1/tokens": ("/api/v1/tokens", Role.ADMIN, 200),
    "GET /api/v1/audit": ("/api/v1/audit", Role.ADMIN, 200),
}
SECRETS = {name: new_secret() for name in ("reader", "admin", "expired", "revoked", "unknown")}
#: What is sent, and the role that it stands for; None: it is nobody's.
CREDENTIALS = {
    "none": (None, None),
    "empty": ("", None),
    "no token": ("Bearer ", None),
    "another scheme": (f"Basic {TOKEN}", None),
    "malformed": ("Bearer gas_short", None),
    "not ASCII": ("Bearer \u00fc", None),
    "wrong": (f"Bearer {SECRETS['unknown']}", None),
    "nearly the server's own": (f"Bearer {TOKEN}x", None),
    "a digest": (f"Bearer {digest_of(SECRETS['admin'])}", None),
    "expired": (f"Bearer {SECRETS['expired']}", None),
    "revoked": (f"Bearer {SECRETS['revoked']}", None),
    "reader": (f"Bearer {SECRETS['reader']}", Role.READER),
    "admin": (f"Bearer {SECRETS['admin']}", Role.ADMIN),
    "the server's own": (f"Bearer {TOKEN}", Role.ADMIN),
    "session": ("session", Role.ADMIN),
    "wrong session": ("wrong session", None),
}


def add(archive, name, role=Role.ADMIN, lifetime_s=None):
    new = NewToken(name=name, digest=digest_of(SECRETS[name]), role=role)
    return archive.add_token(new, lifetime_s=lifetime_s, actor=LOCAL)


@pytest.fixture(scope="module")
def store(url):
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        add(archive, "reader", Role.READER)
        add(archive, "admin", lifetime_s=3600)
        add(archive, "expired", lifetime_s=-1)
        add(archive, "revoked")
        archive.revoke_token("revoked", actor=LOCAL)
    return url


@pytest.fixture(scope="module")
def app(store):
    return create_app(store, TOKEN)


@pytest.fixture
def client(app):
    client = client_of(app)
    del client.headers["Authorization"]
    client.follow_redirects = False
    return client


def call(client, method, path, sent):
    client.cookies.clear()
    headers = {"Origin": "http://localhost:8080"}
    if sent == "session":
        session_id, _ = client.app.state.access.sessions.log_in(client.app.state.access.sessions.new_code("bootstrap"))
        client.cookies.set("gasearch_session", session_id)
    elif sent == "wrong session":
        client.cookies.set("gasearch_session", "a" * 43)
    elif sent is not None:
        headers["Authorization"] = sent.encode("latin-1")
    return client.request(method, path, headers=headers)


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("route", ROUTES)
def test_each_route_answers_each_credential_with_its_declared_status(client, monkeypatch, route, credential):
    monkeypatch.setattr(client.app.state.access.back_off, "strike", lambda address: 0)
    (path, needed, answer), (sent, role) = ROUTES[route], CREDENTIALS[credential]
    status = answer if needed is None else 401 if role is None else answer if role.includes(needed) else 403
    response = call(client, route.partition(" ")[0], path, sent)
    assert response.status_code == status, response.text
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json()["error"]["kind"] == "unauthorized"
    if status in (401, 403):
        assert "digits" not in response.text


def test_the_table_has_every_route_with_the_role_that_it_declares(app):
    declared = {f"{method} {route.path}": role_of(route) for route in routes_of(app) for method in route.methods}
    assert declared == {route: role for route, (_, role, _) in ROUTES.items()}


def test_a_route_that_declares_no_role_is_found():
    app = FastAPI(openapi_url=None)
    app.router.routes.append(Route("/plain", lambda request: None))
    for path, dependency in (("/open", anyone), ("/read", reader), ("/change", admin)):
        app.get(path, dependencies=[Depends(dependency)])(lambda: None)
    app.get("/forgotten")(lambda: None)
    roles = {}
    for route in routes_of(app):
        try:
            roles[route.path] = role_of(route)
        except LookupError as error:
            roles[route.path] = str(error)
    text = "declares no role: reader, admin or anyone"
    undeclared = {path: f"the route {path} {text}" for path in ("/forgotten", "/plain")}
    assert roles == {"/open": None, "/read": Role.READER, "/change": Role.ADMIN, **undeclared}


def test_a_token_is_taken_from_the_header_only():
    response = get(make_app(), f"/api/v1/searches?token={TOKEN}&access_token={TOKEN}", token=None)
    assert response.status_code == 401


def test_a_token_that_is_revoked_while_the_server_runs_is_refused_at_the_next_request(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    fill_database(url)
    client = client_of(create_app(url, TOKEN))
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        made = add(archive, "admin")
        client.headers["Authorization"] = f"Bearer {SECRETS['admin']}"
        assert client.get(API).status_code == 200
        client.app.state.access.journal.flush()
        assert archive.token(made.digest).used_at is not None
        archive.revoke_token("admin", actor=LOCAL)
        assert client.get(API).status_code == 401


def test_after_many_wrong_tokens_an_address_waits_and_a_right_one_from_it_is_answered_all_the_same(store, caplog):
    client = client_of(create_app(store, TOKEN))
    wrong = {"Authorization": f"Bearer {SECRETS['unknown']}"}
    with caplog.at_level(logging.INFO, logger="gasearch.web"):
        assert [client.get(API, headers=wrong).status_code for _ in range(FREE + 1)] == [401] * (FREE + 1)
        response = client.get(API, headers=wrong)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
        assert response.json()["error"]["kind"] == "too_many"
        for right in (TOKEN, SECRETS["reader"]):
            assert client.get(API, headers={"Authorization": f"Bearer {right}"}).status_code == 200
        assert client.get(API, headers={"Authorization": ""}).status_code == 401  # nothing was tried
    assert [one.getMessage() for one in caplog.records].count("token refused") == FREE + 2


def test_the_log_names_the_token_and_never_its_secret(client, caplog):
    with caplog.at_level(logging.DEBUG):
        call(client, "GET", API, f"Bearer {SECRETS['reader']}")
        call(client, "GET", "/api/v1/tokens", f"Bearer {SECRETS['reader']}")
        call(client, "GET", API, f"Bearer {SECRETS['revoked']}")
    ours = [one for one in caplog.records if one.name == "gasearch.web.guard"]
    assert [getattr(one, "caller", None) for one in ours] == ["reader", "reader", None]
    told = " ".join(str(vars(one)) for one in caplog.records)
    assert not [secret for secret in SECRETS.values() if secret in told or digest_of(secret) in told]


def test_tokens_and_the_audit_log_are_listed_for_admins_without_secrets_or_digests(client, store):
    response = call(client, "GET", "/api/v1/tokens", f"Bearer {SECRETS['admin']}")
    found = {one["name"]: (one["role"], one["state"]) for one in response.json()}
    assert found == {
        "reader": ("reader", "valid"),
        "admin": ("admin", "valid"),
        "expired": ("admin", "expired"),
        "revoked": ("admin", "revoked"),
    }
    assert not [secret for secret in SECRETS.values() if secret in response.text or digest_of(secret) in response.text]
    client.app.state.access.journal.flush()
    page = call(client, "GET", "/api/v1/audit?count=2", f"Bearer {SECRETS['admin']}").json()
    rest = call(client, "GET", f"/api/v1/audit?before={page[-1]['id']}", f"Bearer {SECRETS['admin']}").json()
    with closing(open_reader(store)) as archive:
        every = archive.audits(count=1000)
    assert [one["id"] for one in page + rest] == [one.id for one in every]
    assert {(one["who"], one["action"], one["subject"]) for one in rest} >= {("local", "token.create", "reader")}


def test_without_the_database_the_server_s_own_token_is_told_from_others():
    app = make_app()

    def fail():
        raise StoreError("away")

    app.state.reader = Shared(fail)
    assert get(app, "/api/v1/openapi.json").status_code == 200
    assert get(app, "/api/v1/openapi.json", token=SECRETS["reader"]).status_code == 503
    assert get(app, "/api/v1/openapi.json", token="of no known form").status_code == 401


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
