from gasearch_workers.machine.tracebacks import LONGEST, shortened, traceback_of


def raised(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("it raises nothing")


def test_a_traceback_ends_with_the_exception_and_names_the_line():
    text = traceback_of(raised(lambda: 1 // 0))
    assert f'File "{__file__}"' in text
    assert text.endswith("ZeroDivisionError: integer division or modulo by zero")


def test_an_exception_without_a_frame_of_the_evaluators_has_no_traceback():
    assert traceback_of(ValueError("never raised")) == ""


def test_a_long_text_keeps_its_head_and_more_of_its_end():
    text = shortened("a" * 5000 + "b" * LONGEST)
    assert text.startswith("aaaa")
    assert text.endswith("bbbb")
    assert "[5,000 characters left out]" in text
    assert shortened("\nshort\n") == "short"
