"""The parts that all commands share: options, and the way to the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gasearch.cli.app import ReaderGone, app, ask, database_name, examples, options_of

pytestmark = pytest.mark.usefixtures("stored_digits")


def test_options_stand_in_a_command_as_they_were_given():
    given = options_of(set=["a.b=1", "c=[1, 2]"], workers=0, hours=1.5, spec=Path("x.yaml"), evaluations=None)
    assert given == ["--set", "a.b=1", "--set", "c=[1, 2]", "--workers", "0", "--hours", "1.5", "--spec", "x.yaml"]
    assert options_of(set=None) == options_of(set=[]) == []


def test_examples_keep_their_lines():
    assert examples("gasearch a", "gasearch b") == "\b\nExamples:\n  gasearch a\n  gasearch b"


def test_a_database_is_named_without_its_password():
    assert "secret" not in database_name("postgresql://me:secret@host/searches")


def test_the_database_is_closed_also_after_a_question_that_fails(monkeypatch):
    closed = []

    class Reader:
        def close(self):
            closed.append(self)

    monkeypatch.setattr("gasearch.storage.sql.open_reader", lambda url: Reader())
    assert ask(None, lambda reader: 42) == 42
    with pytest.raises(ZeroDivisionError):
        ask(None, lambda reader: 1 / 0)
    assert len(closed) == 2


def test_a_reader_that_has_gone_is_no_failure_of_the_command(monkeypatch):
    def printing(*arguments, **options):
        raise BrokenPipeError

    monkeypatch.setattr("gasearch.cli.choosing.print_rows", printing)
    with pytest.raises(ReaderGone):
        app(["best", "digits"], prog_name="gasearch")


def test_what_a_library_prints_while_reading_does_not_reach_stdout(gasearch, monkeypatch):
    from gasearch.storage import sql

    opened = sql.open_reader

    def chatty(url):
        print("chatter")
        return opened(url)

    monkeypatch.setattr(sql, "open_reader", chatty)
    status, out, err = gasearch("best", "digits", "--format", "json")
    assert (status, err) == (0, "chatter\n")
    assert json.loads(out)[0]["key"] == "00020002"
