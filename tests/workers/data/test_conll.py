import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset
from gasearch_workers.data.tokens import SHAPES

FILE = "set.conll"

SENTENCE = "Ann\tB-person\nvisits\tO\nNew\tB-place\nYork\tI-place\n.\tO\n"
SHORT = "fine\tO\n!\tO\n"
TEXT = "\n".join([SENTENCE, SHORT] * 10)


def test_tokens_become_words_and_shapes_and_tags_their_numbers(save):
    data = load_dataset(save(TEXT))
    assert (data.kind, data.input_kind, data.input_shape) == ("tagging", "tokens", (5, 2))
    assert (data.labels, data.outputs) == (("B-person", "B-place", "I-place", "O"), 4)
    assert data.categories == (9, len(SHAPES))
    assert data.vocabularies[1] == SHAPES
    assert (data.train.x.dtype, data.train.y.dtype) == (np.int32, np.int64)
    whole = next(row for row in range(len(data.train)) if data.train.y[row, -1] >= 0)
    assert [data.vocabularies[0][code] for code in data.train.x[whole, :, 0]] == ["ann", "visits", "new", "york", "."]
    assert [SHAPES[code] for code in data.train.x[whole, :, 1]] == ["Title", "lower", "Title", "Title", "punctuation"]
    assert [data.labels[tag] for tag in data.train.y[whole]] == ["B-person", "O", "B-place", "I-place", "O"]


def test_padding_has_no_tag_and_the_code_zero(save):
    data = load_dataset(save(TEXT))
    for split in (data.train, data.validation, data.test):
        is_padding = split.x[..., 0] == 0
        assert (is_padding == (split.y == -1)).all()
        assert (is_padding == (split.x[..., 1] == 0)).all()
        assert set(is_padding.sum(axis=1)) <= {0, 3}


def test_the_same_tokens_give_the_same_data_whatever_the_file_is_like(save):
    plain = load_dataset(save(TEXT))
    others = [
        TEXT.replace("\t", " "),
        TEXT.replace("\t", "\tNN\t"),
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT.replace("York", "York\ufeff"),
        TEXT + "\n\n\ufeff\n\n",
        "-DOCSTART-\tO\n\n" + TEXT,
        TEXT.replace("\n\n", "\n\t\n"),
    ]
    found = [load_dataset(save(content, f"other{number}.conll")) for number, content in enumerate(others)]
    assert [data.fingerprint for data in found] == [plain.fingerprint] * len(others)


def test_a_token_may_be_a_hash_or_hold_a_blank_between_tabs(save):
    data = load_dataset(save(TEXT.replace("visits\t", "# see\t").replace("!\t", "#\t")))
    assert {"# see", "#"} <= set(data.vocabularies[0])


def test_long_sentences_are_cut_and_it_is_said(save):
    data = load_dataset(save(TEXT), DataOptions(length=3))
    assert data.input_shape == (3, 2)
    assert data.notes == (
        "10 of 20 sentences are cut to 3 tokens, which cuts 10 of 20 entities: these count as missed (task.length)",
    )


def test_case_is_kept_in_words_where_it_is_asked_for(save):
    assert "Ann" in load_dataset(save(TEXT), DataOptions(is_lower=False)).vocabularies[0]


@pytest.mark.parametrize("test", ["test.conll", "test.annotated.conll"])
def test_a_folder_of_files_per_part_is_one_dataset(save, tmp_path, test):
    for name, content in (("train.conll", TEXT), ("dev.conll", SHORT), (test, SENTENCE)):
        save(content, f"entities/{name}")
    data = load_dataset(str(tmp_path / "entities"))
    assert data.name == "entities"
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 1, 1)


def test_parts_may_be_named_one_by_one(save):
    data = load_dataset(save(TEXT), DataOptions(validation=save(SHORT, "a.conll"), test=save(SENTENCE, "b.conll")))
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 1, 1)


def test_without_given_parts_sentences_are_held_out_by_seed(save):
    first, again = load_dataset(save(TEXT)), load_dataset(save(TEXT))
    assert (len(first.train), len(first.validation), len(first.test)) == (13, 3, 4)
    assert (first.test.x == again.test.x).all()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (TEXT + "\nalone\n", r"set\.conll:91: expected a token and its tag, separated by a tab or blanks; got 'alone'"),
        (TEXT + "\na b c O\n", r"set\.conll:91: expected 2 columns as in the first line; got 4"),
        (TEXT + "\n\tO\n", r"set\.conll:91: expected a token and its tag; the token is empty"),
        (TEXT + "\na\t\n", r"set\.conll:91: expected a token and its tag; the tag is empty"),
        (
            TEXT + "\n" + "x" * 1_001 + "\tO\n",
            r"set\.conll:91: expected words of at most 1000 characters; got one of 1001",
        ),
        (TEXT.encode() + b"\na\xe9\tO\n", r"set\.conll:91: expected text in UTF-8; got the byte 0xe9"),
        (SHORT * 9, r"set\.conll:1: expected at least 2 different tags; got 'O' for every token"),
        ("\n\n\ufeff\n", r"set\.conll: expected lines of a token and its tag; the file holds none"),
        ("", r"set\.conll: expected data; the file is empty"),
    ],
)
def test_sentences_that_cannot_be_used_are_refused_with_their_line(save, content, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save(content))


def test_a_tag_that_only_a_given_part_has_is_refused_with_its_line(save):
    given = save(SHORT + "\n" + SENTENCE.replace("I-place", "I-person"), "dev.conll")
    with pytest.raises(
        DataError, match=r"dev\.conll:7: expected a tag of the training part, B-person, .*got 'I-person'"
    ):
        load_dataset(save(TEXT), DataOptions(validation=given))


def test_options_that_tags_cannot_heed_are_refused(save):
    with pytest.raises(DataError, match=r"the first column is the token, the last its tag; got task\.target = 'tag'"):
        load_dataset(save(TEXT), DataOptions(target="tag"))
    with pytest.raises(DataError, match=r"set\.conll:1: sentences with one tag per token serve tagging; got 'rating'"):
        load_dataset(save(TEXT), DataOptions(kind="rating"))
