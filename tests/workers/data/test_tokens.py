import tracemalloc

import pytest
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.tokens import SHAPES, check_tokens, pad, shape_of, tokenize
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("It's 3.5!", ["it's", "3.5", "!"]),
        ("wo n't sit still .", ["wo", "n't", "sit", "still", "."]),
        ("@User says #NoWay :)", ["@user", "says", "#noway", ":", ")"]),
        ("see https://a.b/c?d=1, or www.x.org", ["see", "https://a.b/c?d=1,", "or", "www.x.org"]),
        ("1,000 at 12:30, the 1930s", ["1,000", "at", "12:30", ",", "the", "1930s"]),
        ("mis-\u00e0-jour\u2026", ["mis", "-", "\u00e0", "-", "jour", "\u2026"]),
        ("a_b \u4f60\u597d", ["a_b", "\u4f60\u597d"]),
        ("\U0001f600\U0001f600", ["\U0001f600", "\U0001f600"]),
        ("@ # '", ["@", "#", "'"]),
        ("", []),
        (" \t\u00a0", []),
    ],
)
def test_a_sentence_is_cut_into_words_numbers_and_single_characters(sentence, tokens):
    assert tokenize(sentence) == tokens


def test_case_is_kept_where_it_is_asked_for():
    assert tokenize("New York", is_lower=False) == ["New", "York"]


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_character_is_lost_or_doubled(sentence):
    assert "".join(tokenize(sentence, is_lower=False)) == "".join(sentence.split())


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        ("the", "lower"),
        ("n't", "lower"),
        ("New", "Title"),
        ("O'Hara", "Title"),
        ("USA", "UPPER"),
        ("U.S.", "UPPER"),
        ("I", "Single"),
        ("iPhone", "mixedCase"),
        ("McDonald", "mixedCase"),
        ("2017", "digits"),
        ("3,000.50", "digits"),
        ("B2B", "with-digit"),
        ("4th", "with-digit"),
        ("...", "punctuation"),
        ("@", "punctuation"),
        ("@user", "@mention"),
        ("#tag", "#hashtag"),
        ("http://t.co/x", "URL"),
        ("WWW.X.org", "URL"),
        ("\u4f60\u597d", "other"),
    ],
)
def test_a_word_has_one_shape(token, shape):
    assert SHAPES[shape_of(token)] == shape


@given(st.text(min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_every_token_has_a_shape_that_is_not_padding(token):
    assert 1 <= shape_of(token) < len(SHAPES)


def test_a_sentence_without_a_word_and_a_word_beyond_all_measure_are_refused():
    with pytest.raises(DataError, match=r"a\.txt:3: expected a sentence; got no word"):
        check_tokens([], "a.txt:3")
    with pytest.raises(DataError, match=r"a\.txt:3: expected words of at most 1000 characters; got one of 1001, 'xxxx"):
        check_tokens(["ok", "x" * 1001], "a.txt:3")
    check_tokens(["x" * 1000], "a.txt:3")


def test_short_rows_are_filled_and_long_ones_cut():
    assert pad([[1, 2, 3], [4], []], length=2, filler=-1).tolist() == [[1, 2], [4, -1], [-1, -1]]


def test_rows_are_filled_up_in_place():
    rows = [[number] for number in range(20_000)]
    tracemalloc.start()
    try:
        table = pad(rows, length=64, filler=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * table.nbytes


# --- vocabularies -----------------------------------------------------------------------------------------------
