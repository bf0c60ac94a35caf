import numpy as np
import pytest
from gasearch_workers.data import DataError
from gasearch_workers.data.labels import in_one_case, is_boolean, name_classes, number_names, shown, sort_names
from hypothesis import given
from hypothesis import strategies as st


def at(sample: int) -> str:
    return f"set.csv:{sample + 2}"


@given(st.lists(st.integers(-999, 999), min_size=1))
def test_whole_numbers_are_in_the_order_of_numbers(numbers):
    assert sort_names(map(str, numbers)) == tuple(map(str, sorted(set(numbers))))


def test_other_names_are_in_the_order_of_the_alphabet():
    assert sort_names(["b", "10", "9", "a"]) == ("10", "9", "a", "b")


def test_names_become_the_numbers_of_the_known_ones():
    assert number_names(["b", "a", "b"], ("a", "b"), at).tolist() == [1, 0, 1]
    assert number_names([], ("a", "b"), at).dtype == np.int64
    with pytest.raises(DataError, match=r"set\.csv:3: expected a tag of the training part, a, b; got 'c'"):
        number_names(["b", "c"], ("a", "b"), at, what="tag")


def test_true_and_false_in_several_cases_become_one():
    assert is_boolean(["TRUE", "false"])
    assert not is_boolean(["true", "no"])
    assert in_one_case([["True", "false", "?"], ["TRUE"]], ("?",)) == [["true", "false", "?"], ["true"]]
    assert in_one_case([["True", "False"]]) == [["True", "False"]]
    assert in_one_case([["Red", "red", "RED"]]) == [["Red", "red", "RED"]]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a", "", "b"], r"set\.csv:3: expected a label; got none"),
        (["a", "NA", "b"], r"set\.csv:3: expected a label; got 'NA' \(task\.missing lists what is no label"),
        (["a", "a"], r"set\.csv:2: expected at least 2 classes; got the label 'a' in every row"),
        (list(map(str, range(1_001))), r"set\.csv:2: expected at most 1000 classes; got 1001, 0, 1, .* and 989 more"),
    ],
)
def test_labels_that_make_no_classes_are_refused(names, text):
    with pytest.raises(DataError, match=text):
        name_classes(names, at, missing=("", "NA"))


def test_an_error_shows_the_first_names_alone():
    assert shown(["a", "b"]) == "a, b"
    assert shown(["x"] * 15).endswith("x, x and 3 more")
