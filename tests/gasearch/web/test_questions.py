"""Questions over real sockets: what nobody waits for ends, and no address takes all threads."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing

import pytest
from fastapi import Depends

from gasearch.errors import GivenUp
from gasearch.storage.question import Question, asking
from gasearch.storage.sql import open_reader
from gasearch.web import create_app
from gasearch.web.api import Reader
from gasearch.web.questions import SHARE, turn
from tests.doubles.archived import fill_database
from tests.doubles.connections import listening
from tests.doubles.service import TOKEN, ask, connect, serving, wait_until

ENDLESS = "WITH RECURSIVE numbers(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM numbers) SELECT count(*) FROM numbers"


@pytest.fixture(params=["sqlite_url", "empty_postgresql_url"])
def slow(request):
    """Makes an application with a route that asks for ever, and what became of its questions."""
    url = request.getfixturevalue(request.param)
    fill_database(url)
    thread = threading.local()

    def endless_there(connection, cursor, statement, parameters, context, is_many):
        return (ENDLESS, ()) if getattr(thread, "is_endless", False) else (statement, parameters)

    def make(**options):
        app, ends = create_app(url, TOKEN, **options), []

        def endless(reader: Reader):
            thread.is_endless = True
            try:
                reader.search("digits")
            except BaseException as error:
                ends.append(type(error))
                raise
            finally:
                thread.is_endless = False

        app.add_api_route("/slow", endless, dependencies=[Depends(turn)])
        return app, ends

    with listening("before_cursor_execute", endless_there, retval=True):
        yield make


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


def test_the_questions_of_one_address_leave_threads_to_others(slow):
    app, ends = slow()
    most = 40 // SHARE
    with serving(app) as port, ExitStack() as stack:
        asking = [stack.enter_context(connect(port)) for _ in range(most)]
        for connection in asking:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wait_until(lambda: app.state.running["127.0.0.1"] == most)
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
        assert wait_until(lambda: not app.state.running)


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
