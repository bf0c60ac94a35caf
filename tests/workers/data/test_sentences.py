import json

import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

from tests.doubles.texts import BAD, GOOD, LINES, words

FILE = "set.tsv"


def test_a_sentence_and_a_label_per_line_need_no_header(save):
    data = load_dataset(save(LINES))
    assert (data.kind, data.input_kind, data.labels, data.outputs) == ("classification", "tokens", ("0", "1"), 2)
    assert data.input_shape == (6,)
    assert (data.train.x.dtype, data.train.y.dtype) == (np.int32, np.int64)
    assert data.vocabularies[0][:5] == ("<padding>", "<unknown>", ",", "a", "bad")
    assert data.categories == (len(data.vocabularies[0]),)
    for row, label in zip(data.train.x, data.train.y, strict=True):
        found = words(data, row)
        assert found[1:4] == [["bad", "film", ","], ["good", "film", ","]][label]


def test_padding_stands_at_the_end(save):
    data = load_dataset(save("".join(f"{'word ' * (n % 5 + 1)}\t{n % 2}\n" for n in range(40))))
    lengths = (data.train.x != 0).sum(axis=1)
    assert all((row[:length] != 0).all() for row, length in zip(data.train.x, lengths, strict=True))
    assert set(lengths) == {1, 2, 3, 4, 5}


def test_words_of_validation_and_test_that_training_lacks_are_unknown(save):
    data = load_dataset(save(LINES), DataOptions(test=save(LINES.replace("film", "movie"), "test.tsv")))
    assert "movie" not in data.vocabularies[0]
    assert (data.test.x[:, 2] == 1).all()


def test_columns_may_be_named_in_any_order_and_case(save):
    rows = "".join(f'{n},{"pos" if n % 2 else "neg"},"{(GOOD if n % 2 else BAD).format(n)}"\n' for n in range(40))
    data = load_dataset(save("id,Label,Sentence\n" + rows, "set.csv"))
    assert (data.input_kind, data.labels) == ("tokens", ("neg", "pos"))
    chosen = load_dataset(save("id,mood,words\n" + rows, "other.csv"), DataOptions(text="words", target="mood"))
    assert (chosen.train.x == data.train.x).all()


def test_labels_may_be_words(save):
    data = load_dataset(save(LINES.replace("\t0", "\tnegative").replace("\t1", "\tpositive")))
    assert data.labels == ("negative", "positive")


def test_long_sentences_are_cut_and_it_is_said(save):
    data = load_dataset(save(LINES), DataOptions(length=3))
    assert data.input_shape == (3,)
    assert data.notes == ("40 of 40 sentences are cut to 3 tokens",)
    assert data.describe()["notes"] == list(data.notes)
    assert load_dataset(save(LINES)).notes == ()


def test_the_vocabulary_and_the_case_are_as_asked_for(save):
    assert load_dataset(save(LINES), DataOptions(vocabulary=5)).categories == (7,)
    cased = load_dataset(save(LINES), DataOptions(is_lower=False)).vocabularies[0]
    assert {"A", "a", "BAD", "bad"} <= set(cased)


def test_the_fingerprint_follows_text_labels_and_options_and_not_the_seed(save):
    path = save(LINES)
    base = load_dataset(path).fingerprint
    assert load_dataset(path, seed=5).fingerprint == base
    options = [{"length": 3}, {"vocabulary": 5}, {"is_lower": False}, {"test": path}]
    others = [load_dataset(path, DataOptions(**changes)).fingerprint for changes in options]
    others += [load_dataset(save(LINES.replace("film", "fild"), "b.tsv")).fingerprint]
    others += [load_dataset(save(LINES.replace("\t1", "\t2"), "c.tsv")).fingerprint]
    assert len({base, *others}) == 7


def test_what_is_described_leaves_the_vocabulary_out(save):
    described = json.dumps(load_dataset(save(LINES)).describe())
    assert "good" not in described
    assert '"labels": ["0", "1"]' in described


BAD_LINES = [
    (LINES + "\t1\n", {}, r"set\.tsv:41: expected a sentence; got no word"),
    (LINES + "words\t\n", {}, r"set\.tsv:41: expected a label; got none"),
    (LINES + "words\n", {}, r"set\.tsv:41: expected 2 cells as in the first row; got 1"),
    (LINES + "x" * 1_200 + "\t1\n", {}, r"set\.tsv:41: expected words of at most 1000 characters; got one of 1200"),
    (LINES.replace("\t0", "\t1"), {}, r"set\.tsv:1: expected at least 2 classes; got the label '1' in every row"),
    (LINES + "words\t3\n", {}, r"the validation part must hold every class; it leaves out '3'"),
    (LINES, {"kind": "tagging"}, r"sentences with one label each serve classification; got kind 'tagging'"),
    ("text,a,b\nx,1,2\n", {"text": "text"}, r"expected the column of labels in task\.target, another than the text"),
    (
        "text,label\n" + "word x,1\nword y,2\n" * 9,
        {"text": "text", "features": ("text",)},
        r"classes are told from the text 'text' alone; got task\.features",
    ),
]


@pytest.mark.parametrize(("content", "options", "text"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_sentences_that_cannot_be_used_are_refused_with_their_line(save, content, options, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save(content, "set.csv" if content.startswith("text") else "set.tsv"), DataOptions(**options))


def test_a_label_that_only_a_given_part_has_is_refused_with_its_line(save):
    given = save(LINES + "words\t7\n", "dev.tsv")
    with pytest.raises(DataError, match=r"dev\.tsv:41: expected a label of the training part, 0, 1; got '7'"):
        load_dataset(save(LINES), DataOptions(validation=given))
