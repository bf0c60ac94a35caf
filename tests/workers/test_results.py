import pytest
from gasearch_workers.messages import FailureKind, Measurement
from gasearch_workers.results import MESSAGE_CHARACTERS, failure, make_result, one_line

from tests.doubles.requests import custom_request


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "is_named", "message"),
    [
        (ValueError("two\n lines"), False, "two lines"),
        (ValueError("text"), True, "ValueError: text"),
        (ValueError(), False, "ValueError"),
        (Speechless(), True, "Speechless: its text can't be made"),
        (ValueError("x" * 1000), False, "x" * MESSAGE_CHARACTERS),
    ],
)
def test_an_exception_is_told_on_one_line(error, is_named, message):
    assert failure(FailureKind.USER_ERROR, error, is_named=is_named).message == message


def test_what_no_terminal_shows_is_replaced():
    assert one_line(" a\0 b\a\tc ") == "a\ufffd b\ufffd c"


def test_a_result_says_who_made_it_and_how_long_it_took():
    result = make_result(custom_request("0a"), lambda request: Measurement(accuracy=0.5), device="cpu", versions="1")
    assert (result.key, result.attempt, result.device, result.versions) == ("0a", 1, "cpu", "1")
    assert result.outcome == Measurement(accuracy=0.5)
    assert 0.0 <= result.seconds <= 60.0
