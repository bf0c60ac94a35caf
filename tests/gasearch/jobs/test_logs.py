"""Lines of the log: their form, their time, and that they stay lines."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from gasearch.jobs import logs
from gasearch.jobs.logs import LineFormatter, LogForm, LogLevel, logging_to_stderr

LOG = logging.getLogger("gasearch.tested")


def record(message="evaluation finished", **fields):
    made = logging.makeLogRecord({"name": "gasearch.tested", "levelname": "INFO", "msg": message, **fields})
    made.created = 1_800_000_000.25
    return made


def test_a_line_of_text_has_the_time_in_utc_and_the_fields_of_an_event_first_search_candidate_attempt():
    fields = {"seconds": 0.5, "attempt": 2, "candidate": 7, "text": "two words", "search": "digits"}
    fields["_ray_timestamp_ns"] = 1_800_000_000_250_000_000  # Ray, once loaded, adds it to every record
    assert LineFormatter(LogForm.TEXT).format(record(**fields)) == (
        "2027-01-15T08:00:00.250Z INFO gasearch.tested: evaluation finished search=digits candidate=7 attempt=2 "
        'seconds=0.5 text="two words"'
    )


def test_a_line_of_json_is_an_object_of_what_json_can_hold():
    line = LineFormatter(LogForm.JSON).format(record(candidate=7, best=(0.5, float("nan")), at=LogLevel.INFO))
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250Z", "level": "info", "logger": "gasearch.tested",
        "event": "evaluation finished", "candidate": 7, "best": [0.5, None], "at": "info",
    }  # fmt: skip


@pytest.mark.parametrize("form", LogForm)
def test_what_others_wrote_stays_on_its_line(form):
    line = LineFormatter(form).format(record("a\nb", text="\x1b[31mred\nnext"))
    assert "\n" not in line
    assert "\x1b" not in line


def test_an_event_that_names_no_search_is_about_the_one_of_the_process(capsys):
    with logging_to_stderr(), logs.about("digits"):
        LOG.warning("worker lost", extra={"worker": 3})
        LOG.warning("worker lost", extra={"search": "other"})
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("worker lost ")[2] for line in lines] == ["search=digits worker=3", "search=other"]


def test_lines_go_where_stderr_is_at_the_moment_and_one_that_can_t_be_written_ends_nothing(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise OSError("nobody reads it")

    with logging_to_stderr():
        now = io.StringIO()
        monkeypatch.setattr(sys, "stderr", now)
        LOG.warning("seen")
        monkeypatch.setattr(sys, "stderr", Closed())
        LOG.warning("not seen")
    assert "seen" in now.getvalue()


def test_afterwards_logging_is_as_it_was(capsys):
    before = LOG.parent.level, list(LOG.parent.handlers)
    with logging_to_stderr():
        logs.choose(level=LogLevel.DEBUG, form=LogForm.JSON)
        assert logs.chosen() == {"GASEARCH_LOG_LEVEL": "debug", "GASEARCH_LOG_FORMAT": "json"}
        assert logs.stands_in()
        assert logs.said_as_json("done")
    assert json.loads(capsys.readouterr().err)["event"] == "done"
    assert (LOG.parent.level, list(LOG.parent.handlers)) == before
    assert logs.chosen() == {}
    assert not logs.stands_in()
    assert not logs.said_as_json("done")
