"""A failed evaluation says where it was and what it printed, however it ended."""

import dataclasses

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement
from gasearch_workers.sandbox.host import TrialHost

from tests.doubles import talkative
from tests.doubles.requests import custom_request

ALL = {"by print", "half a line", "by logging", "by the system", "by C", "by a child"}


@pytest.fixture(scope="module")
def host():
    host = TrialHost(None)
    yield host
    host.close()


def failure_of(host, name, *, limit_s=30.0, memory_mb=None, **choices):
    request = custom_request(evaluator=f"tests.doubles.talkative:{name}", x=1, **choices)
    memory = None if memory_mb is None else memory_mb * 10**6
    result, _ = host.prepare(dataclasses.replace(request, time_limit_s=limit_s, memory_limit_bytes=memory))
    assert isinstance(result.outcome, Failure), result.outcome
    return result.outcome


def at(mark, function):
    return f"{talkative.__file__}, line {talkative.line_of(mark)} in {function}"


def frame(mark, function):
    return f'File "{talkative.__file__}", line {talkative.line_of(mark)}, in {function}'


def test_what_raises_keeps_its_frames_its_cause_and_all_that_it_printed(host):
    failed = failure_of(host, "raises")
    assert frame("cause", "raises") in failed.traceback
    assert "KeyError: 'missing'\n\nThe above exception was the direct cause" in failed.traceback
    assert failed.traceback.endswith("RuntimeError: on top")
    assert "gasearch_workers" not in failed.traceback
    assert set(failed.output.splitlines()) == ALL


def test_a_complaint_of_ours_within_the_evaluator_is_told_with_the_evaluators_line(host):
    failed = failure_of(host, "reports_wrongly")
    assert frame("report", "reports_wrongly") in failed.traceback
    assert "note" not in failed.traceback


def test_an_answer_that_is_none_has_no_place(host):
    failed = failure_of(host, "answers_wrongly")
    assert (failed.traceback, failed.output) == ("", "just so\n")


def test_an_evaluator_that_can_t_be_imported_says_where(host, tmp_path, monkeypatch):
    (tmp_path / "broken_evaluator.py").write_text("print('importing')\nimport json\njson.loads('{')\n")
    monkeypatch.syspath_prepend(tmp_path)
    fresh = TrialHost(None)
    result, _ = fresh.prepare(custom_request(evaluator="broken_evaluator:evaluate"))
    fresh.close()
    failed = result.outcome
    assert f'File "{tmp_path / "broken_evaluator.py"}", line 3, in <module>' in failed.traceback
    assert failed.traceback.splitlines()[1].endswith("in <module>")
    assert "JSONDecodeError" in failed.traceback.splitlines()[-1]
    assert set(failed.output.splitlines()) == {"importing"}


@pytest.mark.parametrize("has_thread", [False, True])
def test_a_crash_names_the_evaluators_line_and_no_other_that_it_prints(host, has_thread):
    failed = failure_of(host, "segfaults", has_thread=has_thread)
    assert failed.kind is FailureKind.DIED
    assert failed.message.endswith(f"killed by signal 11 (segmentation fault) at {at('crash', 'segfaults')}")
    assert "string_at" in failed.traceback
    assert "x.py" not in failed.traceback
    assert set(failed.output.splitlines()) >= {*ALL, *talkative.FAKE.splitlines()}


def test_an_abort_names_the_evaluators_line(host):
    failed = failure_of(host, "aborts")
    assert failed.message.endswith(f"killed by signal 6 (aborted) at {at('abort', 'aborts')}")
    assert failed.output == "not a whole line"


@pytest.mark.parametrize(
    ("name", "mark", "function"),
    [
        ("reports_its_crashes_itself", "own", "reports_its_crashes_itself"),
        ("is_given_up_by_python", "fatal", "is_given_up_by_python"),
        ("recurses_in_c", "endless", "__repr__"),
    ],
)
def test_crashes_of_other_kinds_name_the_evaluators_line_too(host, name, mark, function):
    failed = failure_of(host, name)
    assert failed.kind is FailureKind.DIED
    assert failed.message.endswith(f" at {at(mark, function)}")
    assert failed.traceback.startswith("Fatal Python error: ")


def test_a_crash_while_the_evaluator_is_imported_names_its_line(tmp_path, monkeypatch):
    (tmp_path / "crashing_evaluator.py").write_text("import ctypes\nctypes.string_at(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    fresh = TrialHost(None)
    result, _ = fresh.prepare(custom_request(evaluator="crashing_evaluator:evaluate"))
    fresh.close()
    assert result.outcome.message.endswith(f" at {tmp_path / 'crashing_evaluator.py'}, line 2 in <module>")


def test_an_exit_is_told_with_what_was_printed_last(host):
    failed = failure_of(host, "exits")
    assert failed.message.endswith("exit status 3; its last words: half a line")
    assert (failed.traceback, failed.output) == ("", "half a line")


def test_what_takes_too_long_says_where_it_is(host):
    failed = failure_of(host, "hangs", limit_s=1.0)
    assert failed.kind is FailureKind.TIMED_OUT
    assert failed.message == f"no answer within its time limit of 1 s; it was at {at('hang', 'hangs')}"
    assert f"line {talkative.line_of('hang')} in hangs" in failed.traceback
    assert set(failed.output.splitlines()) == ALL


def test_what_takes_too_much_memory_says_where_it_is(host):
    failed = failure_of(host, "takes_memory", memory_mb=150)
    assert failed.kind is FailureKind.OUT_OF_MEMORY
    assert "takes_memory" in failed.traceback
    assert failed.output == "taking\n"


def test_a_crash_of_a_child_is_told_beside_the_exception(host):
    failed = failure_of(host, "lets_a_child_crash")
    assert "RuntimeError: my child is gone\n\nA process that it started:\n" in failed.traceback
    assert f"line {talkative.line_of('in a child')} in lets_a_child_crash" in failed.traceback


def test_last_words_are_bounded(host):
    failed = failure_of(host, "says_too_much")
    assert len(failed.output.encode()) <= 2**14
    assert failed.output.endswith("the last\n")
    assert "\ufffd" not in failed.output
    assert len(failed.traceback) < 2**14 + 100
    assert "characters left out" in failed.traceback


def test_what_was_printed_before_belongs_to_no_later_failure(host):
    request = custom_request(evaluator="tests.doubles.talkative:is_quiet_but_once", x=0)
    assert isinstance(host.prepare(request)[0].outcome, Measurement)
    assert failure_of(host, "is_quiet_but_once").output == "x = 1\n"
