"""The application and its server as a whole."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from gasearch.errors import StoreError
from gasearch.web import create_app
from tests.doubles.archived import fill_database, scripted_reader
from tests.doubles.service import API, TOKEN, Shared, assert_is_error, client_of


@pytest.fixture
def client():
    app = create_app("sqlite:///unused.db", TOKEN)
    app.state.reader = Shared(scripted_reader)
    return client_of(app)


def test_an_unreachable_store_is_503_and_its_address_stays_in_the_log(client, caplog):
    def fail():
        raise StoreError("can't reach postgresql://me@secret-host/db")

    client.app.state.reader = Shared(fail)
    response = client.get(API)
    assert_is_error(response, 503, "the database can't be read now")
    assert "secret-host" not in response.text
    assert "secret-host" in caplog.text


def test_the_health_check_needs_no_token_and_tells_nothing(client):
    del client.headers["Authorization"]
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/api/v1/searches/"])
def test_there_are_no_documentation_pages(client, path):
    assert_is_error(client.get(path), 404, "Not Found")


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
            link = re.search(r"in a browser, once and within 10 minutes: (http://\S+)", server.stderr.readline())
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            with opener.open(link[1], timeout=20) as page:  # follows to what a browser shows, with the cookie
                assert [one["name"] for one in json.loads(page.read())] == ["digits"]
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
