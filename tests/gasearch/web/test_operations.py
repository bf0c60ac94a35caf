"""Health, readiness, figures, and the description of the API."""

from __future__ import annotations

import pytest

from gasearch.errors import StoreError
from gasearch.web import create_app
from tests.doubles.archived import scripted_reader
from tests.doubles.service import TOKEN, Shared, assert_is_error, client_of


@pytest.fixture
def reader():
    return scripted_reader()


@pytest.fixture
def client(reader):
    app = create_app("sqlite:///unused.db", TOKEN)
    app.state.reader = Shared(lambda: reader)
    return client_of(app)


def test_the_server_is_ready_where_the_database_is(client, reader, monkeypatch):
    del client.headers["Authorization"]
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ready"})
    asked = []

    def fail():
        asked.append(1)
        raise StoreError("has the older schema 0001 at secret-host")

    monkeypatch.setattr(reader, "require_current", fail)
    assert client.get("/readyz").status_code == 200  # for a second
    client.app.state.ready_at = -100.0
    response = client.get("/readyz")
    assert_is_error(response, 503, "the database can't be read now")
    assert "secret-host" not in response.text
    assert asked == [1]
    assert client.get("/healthz").status_code == 200


def test_a_server_without_a_database_lives_and_is_not_ready(tmp_path):
    client = client_of(create_app(f"sqlite:///{tmp_path}/none.db", TOKEN))
    del client.headers["Authorization"]
    assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 503]


def test_the_description_is_openapi_of_every_route_with_its_statuses(client):
    found = client.get("/api/v1/openapi.json").json()
    assert found["openapi"].startswith("3.")
    assert {"/api/v1/searches/{name}/front", "/api/v1/tokens", "/metrics", "/login", "/logout"} <= set(found["paths"])
    front = found["paths"]["/api/v1/searches/{name}/front"]["get"]
    assert set(front["responses"]) == {"200", "400", "401", "403", "404", "422", "429", "503"}
    assert front["security"] == [{"HTTPBearer": []}, {"APIKeyCookie": []}]
    assert "security" not in found["paths"]["/healthz"]["get"]
    assert TOKEN not in str(found)
    figures = found["paths"]["/metrics"]["get"]["responses"]
    assert list(figures["401"]["content"]) == ["application/json"]
    assert [kind.partition(";")[0] for kind in figures["200"]["content"]] == ["text/plain"]
    assert "ErrorContent" in str(found["components"]["schemas"]["Error"])
