"""The service, over a store of the tests, for a client in this process or over real sockets."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import closing, contextmanager

from fastapi.testclient import TestClient

from gasearch.web import create_app, server_of
from gasearch.web.connections import BoundedConnection
from tests.doubles.archived import scripted_reader

TOKEN = "a-token-for-tests-only"
API = "/api/v1/searches"
STATUS = f"{API}/digits/status"
PATIENCE_S = 20.0


def client_of(app):
    client = TestClient(app, base_url="http://localhost:8080", raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client


class Shared:
    """Stands for the reader that requests share."""

    def __init__(self, give):
        self.give = give

    def __call__(self):
        return self.give()

    def close(self):
        """Nothing is open."""


def assert_is_error(response, status, text):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(response.json()) == {"error"}
    assert error["status"] == status
    assert text in error["message"]


def make_app(**options):
    app = create_app("sqlite:///unused.db", TOKEN, **options)
    app.state.reader = scripted_reader
    return app


def get(app, path="/api/v1/searches", host="localhost", token=TOKEN, **headers):
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    given = {"Host": host} | ({} if token is None else {"Authorization": f"Bearer {token}"}) | headers
    return client.get(path, headers=given)


@contextmanager
def serving(app, **bounds):
    """The port of a server with these bounds."""
    server = server_of(app, type("Connection", (BoundedConnection,), bounds))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE_S)
            app.state.reader.close()


def connect(port, address="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=(address, 0))


def ask(port, path=STATUS, address="127.0.0.1", *, with_headers=False):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S, source_address=(address, 0))
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        answer = response.status, response.read()
        return (*answer, response.headers) if with_headers else answer


def wait_until(is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()
