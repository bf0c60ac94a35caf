"""A real server over real sockets: nobody keeps others out, and what nobody waits for ends."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
from fastapi import Depends
from sqlalchemy import text

from gasearch.errors import GivenUp
from gasearch.storage.question import Question, asking
from gasearch.storage.sql import open_reader
from gasearch.web import _listening_socket, create_app, server_of
from gasearch.web.api import Reader
from gasearch.web.connections import BoundedConnection
from gasearch.web.turns import SHARE, turn
from tests.doubles.archived import fill_database

TOKEN = "a-token-for-tests-only"
STATUS = "/api/v1/searches/digits/status"
ENDLESS = "WITH RECURSIVE numbers(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM numbers) SELECT count(*) FROM numbers"
PATIENCE_S = 20.0


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


@pytest.fixture
def app(tmp_path):
    url = f"sqlite:///{tmp_path}/gasearch.db"
    fill_database(url)
    return create_app(url, TOKEN)


def connect(port, address="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=(address, 0))


def ask(port, path=STATUS, address="127.0.0.1", *, with_headers=False):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S, source_address=(address, 0))
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        answer = response.status, response.read()
        return (*answer, response.headers) if with_headers else answer


def is_closed(connection):
    """Whether the server has closed it; waits for that."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def is_open(connection):
    """Whether the server has not closed it yet."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.settimeout(PATIENCE_S)


def wait_until(is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_connections_that_ask_nothing_make_room_the_oldest_first(app, said):
    with serving(app, most_each=4) as port:
        idle = [connect(port) for _ in range(12)]
        for connection in idle:
            connection.sendall(said)
        assert ask(port)[0] == 200
        assert all(map(is_closed, idle[:8]))
        assert wait_until(lambda: sum(map(is_open, idle)) <= 4)
        assert ask(port)[0] == 200
        for connection in idle:
            connection.close()


def test_addresses_that_fill_the_server_lose_their_own_connections(app):
    with serving(app, most=6, most_each=4) as port:
        kept = connect(port, "127.0.0.4")
        crowd = [connect(port, address) for address in ("127.0.0.2", "127.0.0.3") for _ in range(4)]
        assert [ask(port, address="127.0.0.5")[0] for _ in range(3)] == [200] * 3
        assert is_open(kept)
        assert sum(map(is_open, crowd)) <= 5
        for connection in (kept, *crowd):
            connection.close()


def test_a_request_that_trickles_in_is_cut_off(app):
    with serving(app, head_s=0.5) as port, connect(port) as slow:
        began = time.monotonic()
        try:
            for char in b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 1000:
                slow.sendall(bytes([char]))
                time.sleep(0.02)
        except OSError:
            pass
        assert is_closed(slow)
        assert time.monotonic() - began < PATIENCE_S
        assert ask(port)[0] == 200


def test_a_connection_may_ask_again_and_again(app):
    with serving(app, head_s=5.0) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        with closing(connection):
            for _ in range(5):
                connection.request("GET", "/healthz")
                assert connection.getresponse().read() == b'{"status":"ok"}'
                time.sleep(0.05)


@pytest.fixture(params=["sqlite_url", "empty_postgresql_url"])
def slow(request):
    """Makes an application with a route that asks for ever, and what became of its questions."""
    url = request.getfixturevalue(request.param)
    fill_database(url)

    def make(**options):
        app, ends = create_app(url, TOKEN, **options), []

        def endless(reader: Reader):
            try:
                reader._fetch(text(ENDLESS))
            except BaseException as error:
                ends.append(type(error))
                raise

        app.add_api_route("/slow", endless, dependencies=[Depends(turn)])
        return app, ends

    return make


def test_a_question_ends_when_its_asker_hangs_up(slow):
    app, ends = slow()
    with serving(app) as port:
        with connect(port) as connection:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.3)
            assert ends == []
            assert ask(port)[0] == 200
        assert wait_until(lambda: ends == [GivenUp])
        assert ask(port)[0] == 200


def test_a_question_that_takes_too_long_ends_with_an_answer(slow):
    app, ends = slow(longest_s=0.3)
    with serving(app) as port:
        status, body = ask(port, "/slow")
        assert (status, ends) == (503, [GivenUp])
        assert b'"kind":"given_up"' in body
        assert b"took too long" in body


def test_an_answer_does_not_wait_until_its_head_is_acknowledged():
    with _listening_socket("127.0.0.1", 0) as listening, connect(listening.getsockname()[1]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_questions_of_one_address_leave_threads_to_others(slow):
    app, ends = slow()
    most = 40 // SHARE
    with serving(app) as port, ExitStack() as stack:
        asking = [stack.enter_context(connect(port)) for _ in range(most)]
        for connection in asking:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wait_until(lambda: app.state.turns.running["127.0.0.1"] == most)
        status, body, headers = ask(port, with_headers=True)
        assert (status, headers["Retry-After"]) == (429, "1")
        assert b'"kind":"too_many"' in body
        assert b"10 questions from this address are being answered: wait for one of them" in body
        assert ask(port, "/healthz")[0] == 200
        assert ask(port, address="127.0.0.2")[0] == 200
        asking[0].close()
        assert wait_until(lambda: ends == [GivenUp])
        assert wait_until(lambda: ask(port)[0] == 200)
        for connection in asking[1:]:
            connection.close()
        assert wait_until(lambda: ends == [GivenUp] * most)
        assert wait_until(lambda: not app.state.turns.running)


def test_a_question_that_was_given_up_begins_nothing_more(tmp_path):
    url = f"sqlite:///{tmp_path}/gasearch.db"
    fill_database(url)
    question = Question()
    with closing(open_reader(url)) as reader:
        with asking(question):
            assert reader.search("digits").name == "digits"
            question.give_up()
            with pytest.raises(GivenUp, match="nobody waits"):
                reader.search("digits")
        assert reader.search("digits").name == "digits"
