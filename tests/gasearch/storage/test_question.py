import threading

import pytest
from sqlalchemy import text

from gasearch.errors import GivenUp
from gasearch.storage.question import Question, answering, asking
from tests.doubles.connections import reading

ENDLESS = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n")


@pytest.fixture(params=["migrated_sqlite_url", "postgresql_url"])
def url(request):
    return request.getfixturevalue(request.param)


def execute_while(other, connection):
    other.start()
    connection.execute(ENDLESS)


def give_up(question, is_over):
    while not is_over.wait(0.05):
        question.give_up()


def test_a_question_that_is_given_up_ends_its_statement_on_either_database(url):
    question, is_over = Question(), threading.Event()
    with reading(url) as connection, asking(question):
        impatient = threading.Thread(target=give_up, args=(question, is_over))
        with pytest.raises(GivenUp, match=r"took too long, or nobody waited"), answering(connection):
            execute_while(impatient, connection)
    is_over.set()
    impatient.join()


def test_nothing_begins_for_a_question_that_was_given_up(migrated_sqlite_url):
    question = Question()
    question.give_up()
    with reading(migrated_sqlite_url) as connection:
        with asking(question), pytest.raises(GivenUp, match=r"nobody waits"), answering(connection):
            raise AssertionError("it began")
        with answering(connection):  # of nobody's question
            assert connection.execute(text("SELECT 1")).scalar() == 1
