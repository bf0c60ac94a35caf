import pytest
from gasearch_workers.data import DataError, DataOptions


@pytest.mark.parametrize("name", ["length", "vocabulary"])
def test_numbers_of_the_options_must_be_positive(name):
    with pytest.raises(ValueError, match=rf"{name} must be at least 1; got 0"):
        DataOptions(**{name: 0})


def test_a_word_that_nobody_knows_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"channels must be one of first, last; got 'middle'"):
        DataOptions(channels="middle")


def test_every_named_column_says_by_which_option():
    options = DataOptions(target="y", features=("a", "b"), categorical=("b",))
    assert options.named_columns == {"a": "features", "b": "categorical", "y": "target"}


def test_an_option_that_a_source_cannot_heed_is_refused():
    options = DataOptions(header=False)
    options.refuse(("target", "features"), "digits is read as it is")
    with pytest.raises(DataError, match=r"digits is read as it is; got task\.header = False"):
        options.refuse(("target", "header"), "digits is read as it is")
