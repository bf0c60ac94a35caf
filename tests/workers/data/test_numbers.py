"""Numbers as people write them: read alike in every format, or refused with the key that settles it."""

import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset
from gasearch_workers.data.normalize import fit_input

COUNT = 120
VALUES = [((n * 7_919) % 250_000 - 20_000) / 4 for n in range(COUNT)]  #: From -5,000 to 57,500, quarters.


@pytest.fixture
def save(tmp_path):
    def write(columns: dict[str, list], name: str = "set.csv", delimiter: str = ",") -> str:
        path = tmp_path / name
        rows = [columns, *zip(*columns.values(), strict=True)]
        quoted = (delimiter.join(f'"{cell}"' if delimiter in str(cell) else str(cell) for cell in row) for row in rows)
        path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
        return str(path)

    return write


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
def test_numbers_are_read_alike_in_every_format(save, name):
    cells = [FORMATS[name](value) for value in VALUES]
    plain = load_dataset(save(table(VALUES), "plain.csv"))
    found = load_dataset(save(table(cells)))
    assert found.categories == ()
    assert found.fingerprint == plain.fingerprint
    target = {"b": list(range(COUNT)), "target": cells}
    assert load_dataset(save(target)).fingerprint == load_dataset(save(target | {"target": VALUES})).fingerprint


def test_whole_numbers_with_marks_of_thousands_are_told_by_those_below_a_thousand(save):
    whole = [(n * 7_919) % 5_000 for n in range(COUNT)]
    found = load_dataset(save(table([f"{value:,}" for value in whole])))
    assert found.fingerprint == load_dataset(save(table(whole), "plain.csv")).fingerprint


@pytest.mark.parametrize(("decimal", "factor"), [(",", 1), (".", 1000)])
def test_a_comma_that_may_be_either_is_settled_by_a_key(save, decimal, factor):
    cells = [f"{1 + n % 9},{100 + n}" for n in range(COUNT)]
    path = save(table(cells))
    with pytest.raises(
        DataError, match=r"set\.csv:2: expected numbers that can be read in one way in .*'amount'; .*task\.decimal: ','"
    ):
        load_dataset(path)
    data = load_dataset(path, DataOptions(decimal=decimal))
    wanted = {round((1 + n % 9 + (100 + n) / 1000) * factor, 3) for n in range(COUNT)}
    assert {
        round(float(value), 3) for split in (data.train, data.validation, data.test) for value in split.x[:, 0]
    } == (wanted)


def test_points_beside_a_column_of_decimal_commas_are_asked_about(save):
    given = table([f"{n}.{100 + n}" for n in range(1, COUNT + 1)]) | {"b": [f"{n},5" for n in range(COUNT)]}
    path = save(given, delimiter=";")
    with pytest.raises(
        DataError, match=r"'b' has decimal commas, and the points in the column 'amount' may be .*task\.dec"
    ):
        load_dataset(path)
    assert load_dataset(path, DataOptions(decimal=",")).train.x[:, 0].max() > 100_000
    assert load_dataset(save(given | {"b": VALUES}), DataOptions()).train.x[:, 0].max() < 200


MARKS = ["NA", "N/A", "n/a", "None", "none", "null", "NULL", "nan", "NaN", "-", ".", "?", "", "#N/A", "<NA>", "unknown"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("every", [60, 7, 2])
def test_a_usual_mark_of_a_missing_value_is_one_at_any_share(save, mark, every):
    def marked(text):
        return table([text if n % every == 0 else VALUES[n] for n in range(COUNT)])

    data = load_dataset(save(marked(mark)))
    assert data.fingerprint == load_dataset(save(marked(""), "empty.csv")).fingerprint
    said = (
        ()
        if mark in ("", "?")
        else (f"the column 'amount': {-(-COUNT // every)} cells with {mark!r} hold no value (task.missing)",)
    )
    assert data.notes == said


def test_other_marks_are_named_and_then_the_usual_ones_are_words(save):
    path = save(table(["n.v." if n % 3 == 0 else VALUES[n] for n in range(COUNT)]))
    with pytest.raises(
        DataError, match=r"set\.csv:2: expected a number in the column 'amount', .*'n\.v\.' \(task\.missing"
    ):
        load_dataset(path)
    data = load_dataset(path, DataOptions(missing=("n.v.",)))
    assert (data.columns, data.categories, data.notes) == (("amount", "b"), (), ())
    words = save(table(["NA", "EU", "AS"] * (COUNT // 3)))
    assert load_dataset(words).vocabularies == (("<missing>", "AS", "EU"),)
    assert load_dataset(words, DataOptions(missing=())).vocabularies == (("<missing>", "AS", "EU", "NA"),)


def test_a_mark_of_a_missing_value_is_no_class_unless_it_is_said(save):
    path = save(table(VALUES) | {"label": ["NA", "EU", "AS"] * (COUNT // 3)})
    with pytest.raises(DataError, match=r"set\.csv:2: expected a label; got 'NA'"):
        load_dataset(path)
    assert load_dataset(path, DataOptions(missing=())).labels == ("AS", "EU", "NA")


def test_plus_and_minus_are_classes(save):
    assert load_dataset(save(table(VALUES) | {"label": ["+", "-"] * (COUNT // 2)})).labels == ("+", "-")


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
def test_what_is_neither_number_nor_category_for_sure_is_refused_with_the_key(save, name):
    cells, text = REFUSED[name]
    path = save(table(cells))
    with pytest.raises(DataError, match=text) as caught:
        load_dataset(path)
    assert "task.categorical" in str(caught.value)
    data = load_dataset(path, DataOptions(categorical=("amount",)))
    assert (data.columns, len(data.categories)) == (("b", "amount"), 1)


def test_words_that_recur_are_categories_as_ever(save):
    for cells in (
        ["12a", "Oslo", "x-1"],
        ["10-20", "20-30", "30+"],
        ["HS-grad", "11th", "5th-6th"],
        ["A1", "B2", "C3"],
    ):
        assert load_dataset(save(table(cells * (COUNT // 3)))).vocabularies == (("<missing>", *sorted(cells)),)


@pytest.mark.parametrize("words", [("True", "false"), ("TRUE", "False"), ("yes", "No"), ("T", "f"), ("Y", "n")])
def test_true_and_false_in_any_case_are_two_categories_and_two_classes(save, words):
    mixed = [words[n % 2] if n % 3 else words[n % 2].swapcase() for n in range(COUNT)]
    plain = [words[n % 2].lower() for n in range(COUNT)]
    data = load_dataset(save(table(mixed)))
    assert data.vocabularies == (("<missing>", *sorted({word.lower() for word in words})),)
    assert data.fingerprint == load_dataset(save(table(plain), "plain.csv")).fingerprint
    assert data.is_boolean == (True,)
    assert load_dataset(save(table(VALUES) | {"label": mixed})).labels == tuple(
        sorted({word.lower() for word in words})
    )


def test_sentences_have_two_classes_of_true_and_false_too(save):
    rows = {"sentence": ["good film", "bad film"] * 30, "label": ["True", "false", "TRUE", "FALSE"] * 15}
    assert load_dataset(save(rows)).labels == ("false", "true")
    rows["label"] = ["pro", "NaN"] * 30
    with pytest.raises(DataError, match=r"set\.csv:3: expected a label; got 'NaN' \(task\.missing"):
        load_dataset(save(rows))
    assert load_dataset(save(rows), DataOptions(missing=())).labels == ("NaN", "pro")


def test_true_and_false_in_one_case_keep_their_spelling(save):
    assert load_dataset(save(table(["True", "False"] * (COUNT // 2)))).vocabularies == (("<missing>", "False", "True"),)


def test_a_part_is_read_in_the_format_of_the_training_part(save):
    train = save(table([grouped(value, ".", ",") for value in VALUES]))
    test = save(table(["1.234", "5,5"] * 3, 6), "test.csv")
    data = load_dataset(train, DataOptions(test=test))
    assert set(data.test.x[:, 0]) == {1234.0, 5.5}
    wrong = save(table(["1.234", "5 kg"] * 3, 6), "wrong.csv")
    with pytest.raises(DataError, match=r"wrong\.csv:3: expected numbers of one unit, as in .*; got '5 kg'"):
        load_dataset(train, DataOptions(test=wrong))


# --- numbers that float32 can't tell apart ------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1_700_000_000, 1e12, -(2**40), 16_777_210])
def test_numbers_that_float32_cannot_tell_apart_are_taken_minus_an_offset(save, offset):
    near = [n % 60 for n in range(COUNT)]
    far = load_dataset(save(table([offset + n for n in near])))
    plain = load_dataset(save(table(near), "plain.csv"))
    assert (far.train.x[:, 0] + (far.offsets[0] - offset) == plain.train.x[:, 0]).all()
    assert far.notes[0].startswith(f"the column 'amount' is taken minus {far.offsets[0]!r}")
    assert far.offsets[1] == 0
    assert plain.offsets == ()


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint64])
def test_numbers_of_an_archive_are_taken_minus_an_offset_too(tmp_path, dtype):
    x = np.array([[1_700_000_000 + n % 60, n % 7] for n in range(COUNT)]).astype(dtype)
    y = 1e9 + np.arange(COUNT) / 8
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    data = load_dataset(str(tmp_path / "set.npz"))
    assert (data.test.x.astype(np.float64) + data.offsets == x).all()
    assert (data.test.y.astype(np.float64) + data.target_offset == y).all()
    assert data.describe()["target_mean"] == pytest.approx(y.mean(), abs=2)


def test_whole_numbers_that_float32_rounds_are_taken_minus_an_offset(save):
    """An hour apart they are still different in float32, but no longer an hour."""
    data = load_dataset(save(table([1_700_000_000 + 3_600 * n for n in range(COUNT)])))
    assert set(np.unique(np.diff(np.sort(data.train.x[:, 0]))) % 3_600) == {0}


def test_a_target_that_float32_cannot_tell_apart_is_taken_minus_an_offset(save):
    target = [f"{1_700_000_000 + n / 100:.2f}" for n in range(COUNT)]
    data = load_dataset(save({"b": [n % 7 for n in range(COUNT)], "target": target}))
    assert data.target_deviation == pytest.approx(0.35, abs=0.1)
    shown = {f"{value + data.target_offset:.2f}" for split in (data.train, data.test) for value in split.y.tolist()}
    assert shown <= set(target)


def test_an_outlier_does_not_hide_what_lies_close_together(save):
    cells = [0 if n % 20 == 0 else 1_700_000_000 + n for n in range(COUNT)]
    data = load_dataset(save(table(cells)))
    known = data.train.x[:, 0].astype(np.float64) + data.offsets[0]
    assert {cell for cell in cells if cell} >= set(known[known > 1e9].tolist())
    assert abs(known[known < 1e9]).max() < 100
    assert len(np.unique(known)) > 60


def test_numbers_of_two_far_places_are_refused_with_how_many_become_how_many(save, tmp_path):
    cells = [n + (10**12 if n % 2 else -(10**12)) for n in range(COUNT)]
    with pytest.raises(
        DataError, match=r"float32 tells apart; 120 different values of the column 'amount' become \d+ in f"
    ):
        load_dataset(save(table(cells)))
    x = np.array(cells, dtype=np.int64)[:, None]
    np.savez(tmp_path / "set.npz", x_train=x, y_train=np.arange(COUNT) % 2)
    with pytest.raises(
        DataError, match=r"set\.npz: .*120 different values of the column number 0 become \d+ in float32"
    ):
        load_dataset(str(tmp_path / "set.npz"))


def test_columns_of_tiny_numbers_are_no_constants(tmp_path):
    x = np.random.default_rng(0).normal(size=(COUNT, 2)) * [1e-20, 1.0]
    np.savez(tmp_path / "set.npz", x_train=x, y_train=np.arange(COUNT) % 2)
    data = load_dataset(str(tmp_path / "set.npz"))
    assert fit_input(data.train.x, input_bits=8).deviation == pytest.approx(data.train.x.std(axis=0))


def test_numbers_that_may_be_names_are_told(save):
    path = save(table([f"{n % 50:05}" for n in range(COUNT)]) | {"b": list(range(1, COUNT + 1))})
    assert [note.partition(",")[0] for note in load_dataset(path).notes] == [
        "the cells of the column 'amount' begin with zeros",
        "the cells of the column 'b' number the rows",
    ]


def test_ids_that_lose_a_few_values_are_told(save):
    rng = np.random.default_rng(0)
    ids = rng.choice(10**9, size=20_000, replace=False) + 10**9
    data = load_dataset(save(table(ids.tolist(), 20_000)))
    assert data.notes[-1].startswith("20000 different values of the column 'amount' become 19")


def test_times_of_a_year_keep_nearly_all_their_seconds(tmp_path):
    times = np.sort(np.random.default_rng(0).random(20_000)) * 3e7 + 1.7e9
    np.savez(tmp_path / "set.npz", x_train=times[:, None], y_train=np.arange(20_000) % 2)
    data = load_dataset(str(tmp_path / "set.npz"))
    assert data.offsets[0] > 1.7e9
    assert len(np.unique(data.train.x)) > 0.99 * len(data.train)


def test_fractions_of_many_digits_are_numbers_like_any_other(save):
    data = load_dataset(save(table(np.random.default_rng(0).random(20_000).tolist(), 20_000)))
    assert (data.notes, data.offsets) == ((), ())
