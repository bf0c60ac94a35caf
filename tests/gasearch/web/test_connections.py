"""A real server over real sockets: connections that ask nothing keep nobody out."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import closing

import pytest

from gasearch.errors import BadInput
from gasearch.web import create_app
from gasearch.web.connections import listening_socket
from tests.doubles.archived import fill_database
from tests.doubles.service import PATIENCE_S, TOKEN, ask, connect, serving, wait_until


@pytest.fixture
def app(tmp_path):
    url = f"sqlite:///{tmp_path}/gasearch.db"
    fill_database(url)
    return create_app(url, TOKEN)


def is_closed(connection):
    """Says that the server has closed it; waits for that."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def is_open(connection):
    """Says that the server has not closed it yet."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.settimeout(PATIENCE_S)


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


def test_an_answer_does_not_wait_until_its_head_is_acknowledged():
    with listening_socket("127.0.0.1", 0) as listening, connect(listening.getsockname()[1]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_named():
    with listening_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(BadInput, match=rf"can't listen on 127\.0\.0\.1:{port}: Address already in use"):
            listening_socket("127.0.0.1", port)
