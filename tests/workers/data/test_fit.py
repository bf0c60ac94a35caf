import numpy as np
from gasearch_workers.data.dataset import Split
from gasearch_workers.data.fit import fit
from gasearch_workers.data.source import Parts, Source
from hypothesis import given, settings
from hypothesis import strategies as st


def source(words: tuple[str, ...], most: int = 0) -> Source:
    split = Split(x=np.zeros((1, 1), dtype=np.int32), y=np.zeros(1, dtype=np.int64))
    return Source(
        name="t",
        kind="classification",
        input_kind="tokens",
        parts=Parts("t", split),
        outputs=2,
        words=(words,),
        most_words=most,
    )


def ids(rows: list[list[int]]) -> Split:
    return Split(x=np.array(rows, dtype=np.int32), y=np.zeros(len(rows), dtype=np.int64))


def test_words_are_numbered_by_frequency_in_the_training_split_then_by_alphabet():
    words = ("ape", "bee", "cat", "dog")  # Raw ids 1 to 4.
    found = fit(source(words), (ids([[3, 3, 2], [1, 0, 0]]), ids([[4, 4, 1]])))
    assert found.vocabularies == (("<padding>", "<unknown>", "cat", "ape", "bee"),)
    assert found.splits[0].x.tolist() == [[2, 2, 4], [3, 0, 0]]
    assert found.splits[1].x.tolist() == [[1, 1, 3]]  # "dog" occurs in no training sentence.


def test_rarer_words_than_the_most_kept_are_unknown():
    found = fit(source(("ape", "bee", "cat"), most=1), (ids([[3, 3, 2, 1]]),))
    assert found.vocabularies == (("<padding>", "<unknown>", "cat"),)
    assert found.splits[0].x.tolist() == [[2, 2, 1, 1]]


@given(st.lists(st.lists(st.integers(1, 9), min_size=4, max_size=4), min_size=1, max_size=8), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_a_smaller_vocabulary_is_the_larger_one_with_high_codes_unknown(rows, most):
    words = tuple("abcdefghi")
    large = fit(source(words), (ids(rows),)).splits[0].x
    small = fit(source(words, most), (ids(rows),)).splits[0].x
    assert (small == np.where(large >= most + 2, 1, large)).all()


def test_a_table_s_gaps_are_filled_by_the_training_split_alone():
    splits = [np.array(rows, dtype=np.float32) for rows in ([[1, 2], [3, 0], [np.nan, 2]], [[np.nan, 1]])]
    train, test = (Split(x=x, y=np.zeros(len(x), dtype=np.int64)) for x in splits)
    table = Source(
        name="t", kind="classification", input_kind="table", parts=Parts("t", train), outputs=2, words=(("a", "b"),)
    )
    found = fit(table, (train, test))
    assert found.missing_numbers == (2.0,)
    assert found.vocabularies == (("<missing>", "b"),)  # No training sample has "a".
    assert [split.x.tolist() for split in found.splits] == [[[1, 1], [3, 0], [2, 1]], [[2, 0]]]
    assert np.isnan(train.x[2, 0])  # The source's arrays stay as they are.
