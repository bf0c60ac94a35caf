import gzip

import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

from tests.doubles.texts import LINES, words

FILE = "set.tsv"


@pytest.mark.parametrize("dev", ["dev", "validation", "valid", "val", "Dev"])
def test_a_folder_of_files_per_part_is_one_dataset(save, tmp_path, dev):
    for name, count in (("train", 40), (dev, 8), ("test", 6)):
        save("".join(LINES.splitlines(keepends=True)[:count]), f"corpus/{name}.tsv")
    data = load_dataset(str(tmp_path / "corpus"))
    assert data.name == "corpus"
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 8, 6)


def test_a_part_that_a_folder_lacks_is_held_out(save, tmp_path):
    save(gzip.compress(LINES.encode()), "corpus/train.tsv.gz")
    save(LINES, "corpus/test.tsv")
    data = load_dataset(str(tmp_path / "corpus"))
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 8, 40)


def test_a_folder_of_several_training_files_is_refused(save, tmp_path):
    save(LINES, "corpus/train.tsv")
    save(LINES, "corpus/train.csv")
    with pytest.raises(DataError, match=r"corpus: expected one file for each part of the data; got train\.csv, train"):
        load_dataset(str(tmp_path / "corpus"))


def test_a_folder_names_its_parts_itself(save, tmp_path):
    test = save(LINES, "corpus/train.tsv")
    with pytest.raises(DataError, match=r"corpus: a folder names its parts itself; got task\.test = "):
        load_dataset(str(tmp_path / "corpus"), DataOptions(test=test))


@pytest.fixture
def tweets(save, tmp_path):
    """Texts and labels in two files per part, with the labels' names."""
    for part, count in (("train", 40), ("val", 8), ("test", 6)):
        save("".join(f"a {'glad' if n % 2 else 'sad'} tweet\n" for n in range(count)), f"mood/{part}_text.txt")
        save("".join(f"{n % 2}\n" for n in range(count)), f"mood/{part}_labels.txt")
    save("0\tsadness\n1\tjoy", "mood/mapping.txt")
    return tmp_path / "mood"


def test_texts_and_labels_may_stand_in_two_files(tweets):
    data = load_dataset(str(tweets))
    assert data.labels == ("sadness", "joy")
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 8, 6)
    assert words(data, data.test.x[1]) == ["a", "glad", "tweet"]
    assert data.test.y[1] == 1


def test_other_line_ends_of_unicode_end_no_line(tweets):
    lines = ["a glad\u2028 tweet\x85", "a sad\x0b tweet"] * 3
    (tweets / "test_text.txt").write_bytes("\r\n".join(lines).encode())
    assert len(load_dataset(str(tweets)).test) == 6


def test_labels_keep_their_numbers_without_names(tweets):
    (tweets / "mapping.txt").unlink()
    assert load_dataset(str(tweets)).labels == ("0", "1")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("val_labels.txt", "0\n1\n", r"val_labels\.txt: expected one label per line of val_text\.txt, 8; got 2"),
        (
            "test_labels.txt",
            "0\n1\n2\n0\n0\n0\n",
            r"test_text\.txt:3: expected a label of the training part, 0, 1; got",
        ),
        ("val_text.txt", "a\n\nb\nc\nd\ne\nf\ng\n", r"val_text\.txt:2: expected a sentence; got no word"),
        ("mapping.txt", "0 sadness\n", r"mapping\.txt:1: expected a label, a tab and its name; got '0 sadness'"),
        ("mapping.txt", "0\tx\n1\tx\n", r"mapping\.txt:2: expected a name that no other label has; got 'x' again"),
        ("val_text.txt", b"a\nb\xff\n", r"val_text\.txt:2: expected text in UTF-8; got the byte 0xff"),
        ("test_labels.txt", None, r"mood: expected test_text\.txt and test_labels\.txt together"),
    ],
)
def test_files_of_lines_that_do_not_fit_are_refused(tweets, save, name, content, text):
    if content is None:
        (tweets / name).unlink()
    else:
        save(content, f"mood/{name}")
    with pytest.raises(DataError, match=text):
        load_dataset(str(tweets))


def test_files_of_lines_have_no_columns(tweets):
    with pytest.raises(DataError, match=r"mood: files of lines have no columns; got task\.text = 'tweet'"):
        load_dataset(str(tweets), DataOptions(text="tweet"))


def test_two_files_by_polarity_are_read_as_latin_1(save, tmp_path):
    save("a clich\u00e9 film\n".encode("latin-1") * 20, "mr/rt-polarity.neg")
    save(b"a fine film\n" * 20, "mr/rt-polarity.pos")
    data = load_dataset(str(tmp_path / "mr"))
    assert data.labels == ("negative", "positive")
    assert "clich\u00e9" in data.vocabularies[0]
    assert words(data, data.train.x[data.train.y == 1][0]) == ["a", "fine", "film"]
    (tmp_path / "mr" / "rt-polarity.pos").unlink()
    with pytest.raises(DataError, match=r"mr: expected rt-polarity\.pos and rt-polarity\.neg together"):
        load_dataset(str(tmp_path / "mr"))
