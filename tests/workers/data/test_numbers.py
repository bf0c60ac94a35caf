"""Numbers as people write them: read alike in every format, or refused with the key that settles it."""

import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

COUNT = 120
VALUES = [((n * 7_919) % 250_000 - 20_000) / 4 for n in range(COUNT)]  #: From -5,000 to 57,500, quarters.


def table(cells, count=COUNT):
    return {"amount": cells, "b": [n % 7 for n in range(count)], "label": ["low", "high"] * (count // 2)}


def grouped(value, mark=",", point="."):
    return f"{value:,.2f}".replace(",", "~").replace(".", point).replace("~", mark)


FORMATS = {
    "plain": str,
    "exponent": lambda value: f"{value:e}",
    "plus": lambda value: f"{value:+}",
    "thousands": grouped,
    "decimal comma": lambda value: str(value).replace(".", ","),
    "german": lambda value: grouped(value, ".", ","),
    "swiss": lambda value: grouped(value, "'"),
    "typographic": lambda value: grouped(value, "\u2019"),
    "french": lambda value: grouped(value, "\u202f", ","),
    "blank": lambda value: grouped(value, " "),
    "no-break": lambda value: grouped(value, "\u00a0", ",") + "\u00a0\u20ac",
    "dollars": lambda value: f"-${grouped(-value)}" if value < 0 else f"${grouped(value)}",
    "minus behind the dollar": lambda value: f"${grouped(value)}",
    "code": lambda value: f"CHF {grouped(value)}",
    "euro behind": lambda value: f"{grouped(value, '.', ',')} \u20ac",
    "percent": lambda value: f"{value} %",
    "percent at once": lambda value: f"{value}%",
    "accounts": lambda value: f"({grouped(-value)})" if value < 0 else grouped(value),
    "accounts in dollars": lambda value: f"($ {grouped(-value)})" if value < 0 else f"$ {grouped(value)}",
    "unit": lambda value: f"{value} kg",
    "unit at once": lambda value: f"{grouped(value)}km/h",
    "underscores": lambda value: grouped(value, "_"),
    "minus sign": lambda value: str(value).replace("-", "\u2212"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_are_read_alike_in_every_format(save_columns, name):
    cells = [FORMATS[name](value) for value in VALUES]
    plain = load_dataset(save_columns(table(VALUES), "plain.csv"))
    found = load_dataset(save_columns(table(cells)))
    assert found.categories == ()
    assert found.fingerprint == plain.fingerprint
    target = {"b": list(range(COUNT)), "target": cells}
    assert (
        load_dataset(save_columns(target)).fingerprint
        == load_dataset(save_columns(target | {"target": VALUES})).fingerprint
    )


def test_whole_numbers_with_marks_of_thousands_are_told_by_those_below_a_thousand(save_columns):
    whole = [(n * 7_919) % 5_000 for n in range(COUNT)]
    found = load_dataset(save_columns(table([f"{value:,}" for value in whole])))
    assert found.fingerprint == load_dataset(save_columns(table(whole), "plain.csv")).fingerprint


@pytest.mark.parametrize(("decimal", "factor"), [(",", 1), (".", 1000)])
def test_a_comma_that_may_be_either_is_settled_by_a_key(save_columns, decimal, factor):
    cells = [f"{1 + n % 9},{100 + n}" for n in range(COUNT)]
    path = save_columns(table(cells))
    with pytest.raises(
        DataError, match=r"set\.csv:2: expected numbers that can be read in one way in .*'amount'; .*task\.decimal: ','"
    ):
        load_dataset(path)
    data = load_dataset(path, DataOptions(decimal=decimal))
    wanted = {round((1 + n % 9 + (100 + n) / 1000) * factor, 3) for n in range(COUNT)}
    assert {
        round(float(value), 3) for split in (data.train, data.validation, data.test) for value in split.x[:, 0]
    } == (wanted)


def test_points_beside_a_column_of_decimal_commas_are_asked_about(save_columns):
    given = table([f"{n}.{100 + n}" for n in range(1, COUNT + 1)]) | {"b": [f"{n},5" for n in range(COUNT)]}
    path = save_columns(given, delimiter=";")
    with pytest.raises(
        DataError, match=r"'b' has decimal commas, and the points in the column 'amount' may be .*task\.dec"
    ):
        load_dataset(path)
    assert load_dataset(path, DataOptions(decimal=",")).train.x[:, 0].max() > 100_000
    assert load_dataset(save_columns(given | {"b": VALUES}), DataOptions()).train.x[:, 0].max() < 200


MARKS = ["NA", "N/A", "n/a", "None", "none", "null", "NULL", "nan", "NaN", "-", ".", "?", "", "#N/A", "<NA>", "unknown"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("every", [60, 7, 2])
def test_a_usual_mark_of_a_missing_value_is_one_at_any_share(save_columns, mark, every):
    def marked(text):
        return table([text if n % every == 0 else VALUES[n] for n in range(COUNT)])

    data = load_dataset(save_columns(marked(mark)))
    assert data.fingerprint == load_dataset(save_columns(marked(""), "empty.csv")).fingerprint
    said = (
        ()
        if mark in ("", "?")
        else (f"the column 'amount': {-(-COUNT // every)} cells with {mark!r} hold no value (task.missing)",)
    )
    assert data.notes == said


def test_other_marks_are_named_and_then_the_usual_ones_are_words(save_columns):
    path = save_columns(table(["n.v." if n % 3 == 0 else VALUES[n] for n in range(COUNT)]))
    with pytest.raises(
        DataError, match=r"set\.csv:2: expected a number in the column 'amount', .*'n\.v\.' \(task\.missing"
    ):
        load_dataset(path)
    data = load_dataset(path, DataOptions(missing=("n.v.",)))
    assert (data.columns, data.categories, data.notes) == (("amount", "b"), (), ())
    words = save_columns(table(["NA", "EU", "AS"] * (COUNT // 3)))
    assert load_dataset(words).vocabularies == (("<missing>", "AS", "EU"),)
    assert load_dataset(words, DataOptions(missing=())).vocabularies == (("<missing>", "AS", "EU", "NA"),)


def test_a_mark_of_a_missing_value_is_no_class_unless_it_is_said(save_columns):
    path = save_columns(table(VALUES) | {"label": ["NA", "EU", "AS"] * (COUNT // 3)})
    with pytest.raises(DataError, match=r"set\.csv:2: expected a label; got 'NA'"):
        load_dataset(path)
    assert load_dataset(path, DataOptions(missing=())).labels == ("AS", "EU", "NA")


def test_plus_and_minus_are_classes(save_columns):
    assert load_dataset(save_columns(table(VALUES) | {"label": ["+", "-"] * (COUNT // 2)})).labels == ("+", "-")


REFUSED = {
    "units": (
        [f"{n} {'kg' if n % 2 else 'g'}" for n in range(COUNT)],
        r"numbers of one unit, as in '1 kg', .*got '10 g'",
    ),
    "currencies": ([f"{'$' if n % 2 else chr(8364)}{n}" for n in range(COUNT)], r"numbers of one unit"),
    "some with a unit": ([f"{n} %" if n % 2 else f"{n}" for n in range(COUNT)], r"numbers of one unit"),
    "only parentheses": ([f"({n})" for n in range(COUNT)], r"some in parentheses where these are a minus"),
    "bad groups": ([f"{n},12,3456" for n in range(COUNT)], r"a number with the decimal mark"),
    "both decimal": ([f"{n}.5" if n % 2 else f"{n},25" for n in range(COUNT)], r"a number with the decimal mark"),
    "dates": (
        [f"2024-01-{1 + n % 28:02}" for n in range(COUNT)],
        r"got '2024-01-01', which looks like a date, .*\(write it in",
    ),
    "german dates": ([f"{1 + n % 28}.1.2024" for n in range(COUNT)], r"got '1\.1\.2024', which looks like a date"),
    "times": ([f"{n % 24}:30" for n in range(COUNT)], r"got '0:30', which looks like a date, a time"),
    "hexadecimal": ([hex(n % 40) for n in range(COUNT)], r"a fraction or a hexadecimal number"),
    "fractions": ([f"{n % 5}/8" for n in range(COUNT)], r"a fraction or a hexadecimal number"),
    "numbers and words": (
        ["many" if n % 2 else n for n in range(COUNT)],
        r"expected a number .*as in .* rows; got 'many'",
    ),
    "a few numbers": (["many" if n % 4 else n for n in range(COUNT)], r"as in other rows; got 'many'"),
    "infinity": (["inf" if n % 30 == 0 else f"{n} %" for n in range(COUNT)], r"as in most rows; got 'inf'"),
    "a date": (["1.2.24" if n % 30 == 0 else f"{n},5" for n in range(COUNT)], r"as in most rows; got '1\.2\.24'"),
    "open ends": ([f"{n % 3}" if n % 4 else "3+" for n in range(COUNT)], r"as in most rows; got '3\+'"),
    "names": (
        [f"name {n}" for n in range(COUNT)],
        r"categories that recur in the column 'amount'; 120 of 120 cells are",
    ),
    "most names": (
        [f"name {n * (n % 3 > 0)}" for n in range(COUNT)],
        r"categories that recur .* 80 of 120 cells are names",
    ),
    "far too large": (
        [10**17 + n for n in range(COUNT)],
        r"that float64 tells apart in the column 'amount'; 120 different",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_neither_number_nor_category_for_sure_is_refused_with_the_key(save_columns, name):
    cells, text = REFUSED[name]
    path = save_columns(table(cells))
    with pytest.raises(DataError, match=text) as caught:
        load_dataset(path)
    assert "task.categorical" in str(caught.value)
    data = load_dataset(path, DataOptions(categorical=("amount",)))
    assert (data.columns, len(data.categories)) == (("b", "amount"), 1)


def test_words_that_recur_are_categories_as_ever(save_columns):
    for cells in (
        ["12a", "Oslo", "x-1"],
        ["10-20", "20-30", "30+"],
        ["HS-grad", "11th", "5th-6th"],
        ["A1", "B2", "C3"],
    ):
        assert load_dataset(save_columns(table(cells * (COUNT // 3)))).vocabularies == (("<missing>", *sorted(cells)),)


@pytest.mark.parametrize("words", [("True", "false"), ("TRUE", "False"), ("yes", "No"), ("T", "f"), ("Y", "n")])
def test_true_and_false_in_any_case_are_two_categories_and_two_classes(save_columns, words):
    mixed = [words[n % 2] if n % 3 else words[n % 2].swapcase() for n in range(COUNT)]
    plain = [words[n % 2].lower() for n in range(COUNT)]
    data = load_dataset(save_columns(table(mixed)))
    assert data.vocabularies == (("<missing>", *sorted({word.lower() for word in words})),)
    assert data.fingerprint == load_dataset(save_columns(table(plain), "plain.csv")).fingerprint
    assert data.is_boolean == (True,)
    assert load_dataset(save_columns(table(VALUES) | {"label": mixed})).labels == tuple(
        sorted({word.lower() for word in words})
    )


def test_sentences_have_two_classes_of_true_and_false_too(save_columns):
    rows = {"sentence": ["good film", "bad film"] * 30, "label": ["True", "false", "TRUE", "FALSE"] * 15}
    assert load_dataset(save_columns(rows)).labels == ("false", "true")
    rows["label"] = ["pro", "NaN"] * 30
    with pytest.raises(DataError, match=r"set\.csv:3: expected a label; got 'NaN' \(task\.missing"):
        load_dataset(save_columns(rows))
    assert load_dataset(save_columns(rows), DataOptions(missing=())).labels == ("NaN", "pro")


def test_true_and_false_in_one_case_keep_their_spelling(save_columns):
    assert load_dataset(save_columns(table(["True", "False"] * (COUNT // 2)))).vocabularies == (
        ("<missing>", "False", "True"),
    )


def test_a_part_is_read_in_the_format_of_the_training_part(save_columns):
    train = save_columns(table([grouped(value, ".", ",") for value in VALUES]))
    test = save_columns(table(["1.234", "5,5"] * 3, 6), "test.csv")
    data = load_dataset(train, DataOptions(test=test))
    assert set(data.test.x[:, 0]) == {1234.0, 5.5}
    wrong = save_columns(table(["1.234", "5 kg"] * 3, 6), "wrong.csv")
    with pytest.raises(DataError, match=r"wrong\.csv:3: expected numbers of one unit, as in .*; got '5 kg'"):
        load_dataset(train, DataOptions(test=wrong))
