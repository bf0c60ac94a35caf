import gzip

import pytest
from gasearch_workers.data import DataError, DataOptions, files, load_dataset

TABLE = "age,colour,label\n" + "".join(
    f"{20 + n},{'red' if n % 3 else 'blue'},{'yes' if n % 2 else 'no'}\n" for n in range(40)
)


def change(line: int, text: str) -> str:
    """The table with one line, counted from 1, replaced."""
    lines = TABLE.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


def test_the_same_cells_give_the_same_data_whatever_the_file_is_like(save):
    plain = load_dataset(save(TABLE))
    others = [
        save(TABLE.replace("\n", "\r\n"), "crlf.csv"),
        save(TABLE.replace(",", "\t"), "tabs.tsv"),
        save(TABLE.replace(",", ", "), "spaces.csv"),
        save("\ufeff" + TABLE, "mark.csv"),
        save(TABLE.replace("\n", "\n\n"), "empty_lines.csv"),
        save(TABLE.removesuffix("\n"), "no_end.csv"),
        save(TABLE.replace("red", '"red"'), "quoted.csv"),
        save(gzip.compress(TABLE.encode()), "packed.csv.gz"),
    ]
    assert {load_dataset(path).fingerprint for path in others} == {plain.fingerprint}


def test_a_quoted_cell_may_hold_the_delimiter_and_ends_of_line(save):
    data = load_dataset(save(TABLE.replace("red", '"red, or\nalmost ""red"""')))
    assert data.vocabularies == (("<missing>", "blue", 'red, or\nalmost "red"'),)


def test_lines_are_counted_where_a_row_begins_even_below_cells_of_several_lines(save):
    lines = TABLE.splitlines()
    lines[2] = '21,"two\nlines",yes'
    lines[5] = "24,blue"
    with pytest.raises(DataError, match=r"set\.csv:7: expected 3 cells as in the header; got 2"):
        load_dataset(save("\n".join(lines)))


def test_quotes_are_plain_characters_in_a_tsv(save):
    lines = "".join(f'"he said {word}\t{label}\n' for word, label in (("yes", 1), ("no", 0)) for _ in range(10))
    assert '"' in load_dataset(save(lines, "set.tsv")).vocabularies[0]


BAD_FILES = [
    (change(4, "22,red"), r"set\.csv:4: expected 3 cells as in the header; got 2"),
    (change(9, "22,red,yes,1"), r"set\.csv:9: expected 3 cells as in the header; got 4"),
    (change(1, "age,age,label"), r"set\.csv:1: expected different names .* got 'age' for the columns 1 and 2"),
    (change(1, "age,,label"), r"set\.csv:1: expected a name for every column; column 2 has none"),
    (change(6, '22,"red,yes'), r"set\.csv:6: expected a row of CSV; it can't be read \(unexpected end of data\)"),
    (change(6, '22,"red"x,yes'), r"set\.csv:6: expected a row of CSV; it can't be read \('.' expected after"),
    (change(6, "22," + "x" * 200_000 + ",yes"), r"set\.csv:6: expected a row of CSV; .*larger than field limit"),
    (TABLE.replace(",", "~"), r"set\.csv:1: expected at least 2 columns; got 1, 'age~colour~label'"),
    (TABLE.splitlines()[0], r"set\.csv: expected rows below the header; got none"),
    ("", r"set\.csv: expected data; the file is empty \(0 bytes\)"),
    (" \n\n", r"set\.csv: expected data; the file holds nothing but white space"),
    (change(5, "22,red\0,yes"), r"set\.csv:5: expected text; got a zero byte"),
    (TABLE.encode().replace(b"30,red", b"30,r\xe9d"), r"set\.csv:12: expected text in UTF-8; got the byte 0xe9"),
    (TABLE.encode("utf-16"), r"set\.csv:1: expected text; got a zero byte"),
    ("5,2\n3,4\n", r"set\.csv:1: expected a header with the columns' names; got 5, 2"),
    ("1,2\n3,4\n", r"set\.csv:1: expected a first row that is a header .*consecutive numbers \(task\.header: true or"),
    ("a,b\n", r"set\.csv: expected rows below the first; got none"),
]


@pytest.mark.parametrize(("content", "text"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_file_that_is_no_rectangle_of_text_is_refused_with_its_line(save, content, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save(content))


def test_a_damaged_gzip_file_is_refused(save):
    packed = gzip.compress(TABLE.encode())
    with pytest.raises(DataError, match=r"set\.csv\.gz: expected a text file; it can't be read"):
        load_dataset(save(packed[: len(packed) // 2], "set.csv.gz"))


def test_a_file_beyond_all_measure_is_refused_before_it_is_parsed(save, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    with pytest.raises(DataError, match=r"set\.csv\.gz: expected at most 100 bytes of text, unpacked; got more"):
        load_dataset(save(gzip.compress(TABLE.encode()), "set.csv.gz"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.tsv: no such file"):
        load_dataset(str(tmp_path / "none.tsv"))


def test_a_missing_column_is_refused_with_the_nearest_name(save):
    with pytest.raises(
        DataError, match=r"expected the column 'color', the features of the task; did you mean 'colour'"
    ):
        load_dataset(save(TABLE), DataOptions(features=("age", "color")))
    with pytest.raises(DataError, match=r"expected the column 'zzz', the target of the task; the columns are age, col"):
        load_dataset(save(TABLE), DataOptions(target="zzz"))


def test_parts_must_have_the_same_columns_in_any_order(save):
    turned = "\n".join(",".join(reversed(line.split(","))) for line in TABLE.splitlines())
    data = load_dataset(save(TABLE), DataOptions(test=save(turned, "turned.csv")))
    assert (len(data.test), data.columns) == (40, ("age", "colour"))
    other = save(TABLE.replace("age", "height"), "other.csv")
    with pytest.raises(DataError, match=r"other\.csv:1: expected the columns of .*missing age, more height"):
        load_dataset(save(TABLE), DataOptions(validation=other))


def label_rows(first):
    return first + "good film,pro\nbad film,con\n" * 20


HEADERS = [
    ("0,1,label\n" + "5,6,a\n7,8,b\n" * 20, {}, ("0", "1")),  # numbers as names
    ("0,1,2\n" + "5,6,a\n7,8,b\n" * 20, {"target": "2"}, ("0", "1")),  # numbers above words are names
    ("2019,2020,2021\n" + "5,6,1.5\n7,8,2.5\n" * 20, {"target": "2021"}, ("2019", "2020")),
    ("1,2,3\n" + "5,6,4\n7,8,9\n" * 20, {"target": "3", "header": True, "kind": "regression"}, ("1", "2")),
    ("x;z;label\n" + "1,5;2;a\n2,5;3;b\n" * 20, {}, ("x", "z")),
    ("\ufeffx\tz\tlabel\n" + "1\t2\ta\n2\t3\tb\n" * 20, {}, ("x", "z")),
    ("x|z|label\n" + "1|2|a\n2|3|b\n" * 20, {}, ("x", "z")),
    (label_rows("phrase,cat\n"), {"header": True, "text": "phrase"}, ()),
]


@pytest.mark.parametrize(("content", "options", "columns"), HEADERS, ids=range(len(HEADERS)))
def test_a_header_is_told_or_said(save, content, options, columns):
    data = load_dataset(save(content), DataOptions(**options))
    assert data.columns == columns
    assert len(data.train) + len(data.validation) + len(data.test) == 40


@pytest.mark.parametrize(
    ("content", "options", "why"),
    [
        ("1,2,3\n" + "5,6,4\n7,8,9\n" * 20, {"user": "1", "item": "2", "target": "3"}, "columns 1, 2, 3 are named"),
        ("0,1,2\n" + "5,6,4\n7,8,9\n" * 20, {}, "its cells are consecutive numbers"),
        (label_rows("phrase,cat\n"), {}, "'phrase' stands in no other row, where bad film, good film do"),
    ],
)
def test_a_first_row_that_may_be_either_is_asked_about(save, content, options, why):
    with pytest.raises(DataError, match=rf"set\.csv:1: expected a first row .*{why}.* \(task\.header: true or false\)"):
        load_dataset(save(content), DataOptions(**options))


def test_rows_without_a_header_keep_the_first_one(save):
    rows = "".join(
        f"{user}\t{item}\t{1 + (user + item) % 5}\t{880_000_000 + user}\n" for user in range(1, 9) for item in (1, 2, 3)
    )
    data = load_dataset(save(rows, "u.tsv"), DataOptions(user="1", item="2", target="3"))
    assert len(data.train) + len(data.validation) + len(data.test) == 24
    labels = load_dataset(save("good film,y\nbad film,n\n" * 20))  # "y" is the usual name of a target, too
    assert (labels.labels, len(labels.train) + len(labels.validation) + len(labels.test)) == (("n", "y"), 40)


def test_a_part_has_a_header_where_the_training_part_has_one(save):
    train = save("x,z,label\n" + "1,2,a\n2,3,b\n" * 20)
    with pytest.raises(
        DataError, match=r"test\.csv:1: expected the columns of .*, x, z, label; missing x, z, label, more 1"
    ):
        load_dataset(train, DataOptions(test=save("1,2,a\n2,3,b\n", "test.csv")))
    surplus = save("x,z,w,label\n1,2,0,a\n2,3,0,b\n", "more.csv")
    with pytest.raises(DataError, match=r"more\.csv:1: expected the columns of .*missing none, more w"):
        load_dataset(train, DataOptions(test=surplus))


def numbered(numbers):
    header, *lines = TABLE.splitlines()
    return "\n".join([f",{header}", *(f"{number},{line}" for number, line in zip(numbers, lines, strict=True))])


@pytest.mark.parametrize("numbers", [range(40), range(1, 41), [7 * n % 41 for n in range(1, 41)]])
def test_the_numbers_of_the_rows_are_left_out(save, numbers):  # as pandas writes them, shuffled or not
    data = load_dataset(save(numbered(numbers)))
    assert (data.columns, data.fingerprint) == (("age", "colour"), load_dataset(save(TABLE, "plain.csv")).fingerprint)
    assert [note for note in data.notes if "column 1 numbers the rows and is left out" in note]


def test_so_are_those_of_a_further_part_and_of_sentences(save):
    test = save(numbered(range(100, 140)), "test.csv")
    assert len(load_dataset(save(numbered(range(40))), DataOptions(test=test)).test) == 40
    lines = "".join(f"{n},{'good' if n % 2 else 'bad'} film {n % 5},{'pro' if n % 2 else 'con'}\n" for n in range(40))
    assert load_dataset(save(f",phrase,label\n{lines}"), DataOptions(text="phrase")).labels == ("con", "pro")


@pytest.mark.parametrize("cells", [["x", "y"] * 20, [1, 2] * 20, [n + 0.5 for n in range(40)], [-n for n in range(40)]])
def test_another_column_without_a_name_is_asked_about(save, cells):
    path = save(numbered(cells))
    with pytest.raises(DataError, match=rf"set\.csv:1: .*column 1 has none, .* such as {cells[0]}, .*\(task\.features"):
        load_dataset(path)
    data = load_dataset(path, DataOptions(features=("age", "colour")))
    assert data.columns == ("age", "colour")
    assert [note for note in data.notes if "column 1 has no name and is left out" in note]
    last = save("\n".join(f"{line}," for line in TABLE.splitlines()), "last.csv")
    with pytest.raises(DataError, match="column 4 has none"):
        load_dataset(last)


def test_numbers_of_rows_alone_are_no_table(save):
    with pytest.raises(DataError, match="expected at least 2 columns; got 1, 'label'"):
        load_dataset(save(",label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(40))))
