"""Rows of a file as ratings, sentences or a table."""

import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

ROWS = [("good" if n % 2 else "bad", f"a {'good' if n % 2 else 'bad'} film", n % 5, n % 7) for n in range(40)]


@pytest.fixture
def save(tmp_path):
    def write(header, *places):
        lines = [",".join(str(row[place]) for place in places) for row in ROWS]
        path = tmp_path / "set.csv"
        path.write_text("\n".join([header, *lines] if header else lines) + "\n")
        return str(path)

    return write


@pytest.mark.parametrize(
    ("header", "places", "options", "kind"),
    [
        ("label,sentence", (0, 1), {}, "tokens"),
        ("sentence,label", (1, 0), {}, "tokens"),
        (None, (1, 0), {}, "tokens"),
        ("mood,words", (0, 1), {"text": "words"}, "tokens"),
        ("label,text", (0, 2), {}, "table"),  # numbers are no sentences, whatever they are called
        ("label,sentence,size", (0, 2, 3), {"features": ("size",)}, "table"),
        ("user,item,rating", (2, 3, 2), {}, "ids"),
        ("user,item,label", (2, 3, 0), {}, "table"),
        ("user,item,stars", (2, 3, 2), {"kind": "rating", "target": "stars"}, "ids"),
    ],
)
def test_rows_are_what_their_columns_or_the_options_say(save, header, places, options, kind):
    assert load_dataset(save(header, *places), DataOptions(**options)).input_kind == kind


@pytest.mark.parametrize(
    ("header", "places", "options", "text"),
    [
        (None, (2, 3, 0), {}, r"set\.csv:1: expected a header with the columns' names; got 0, 0, bad"),
        ("label,sentence", (0, 1), {"user": "label", "kind": "classification"}, "users and items belong to the kind"),
        ("a,b,words", (2, 3, 1), {"text": "words"}, "expected the column of labels in task.target, another than the"),
        ("label,sentence", (0, 1), {"decimal": ","}, r"classes are told from the text 'sentence' alone; got task\.dec"),
    ],
)
def test_rows_that_are_nothing_for_sure_are_refused(save, header, places, options, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save(header, *places), DataOptions(**options))
