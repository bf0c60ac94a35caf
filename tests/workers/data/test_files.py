import gzip
from pathlib import Path

import pytest
from gasearch_workers.data import DataError, files
from gasearch_workers.data.files import check_file, find_file, plain_stem, plain_suffix, read_lines, read_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@given(lines=st.lists(st.text(st.characters(blacklist_characters="\n\r\0", blacklist_categories=["Cs"]))))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_ends_of_lines_part_lines(tmp_path, lines):
    lines = [*lines, "last"]
    for end in ("\n", "\r\n"):
        for content in (end.join(lines), end.join([*lines, ""])):
            (tmp_path / "lines.txt").write_bytes(content.encode())
            assert read_lines(tmp_path / "lines.txt") == [lines[0].removeprefix("\ufeff"), *lines[1:]]


def test_packed_text_is_unpacked_and_its_twin_is_found(tmp_path):
    packed = tmp_path / "Set.TSV.gz"
    packed.write_bytes(gzip.compress("\ufeffcaf\u00e9".encode()))
    assert read_text(packed) == "caf\u00e9"
    assert find_file(tmp_path / "Set.TSV") == find_file(packed) == packed
    assert find_file(tmp_path / "other.tsv") is None
    assert (plain_suffix(packed), plain_stem(packed)) == (".tsv", "Set")


def test_text_of_another_encoding_is_read_where_it_is_named(tmp_path):
    path = tmp_path / "old.txt"
    path.write_bytes(b"one\ncaf\xe9\n")
    assert read_lines(path, fallback="latin-1") == ["one", "caf\u00e9"]
    with pytest.raises(DataError, match=r"old\.txt:2: expected text in UTF-8; got the byte 0xe9"):
        read_text(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b" \n", "the file holds nothing but white space"),
        (b"a\nb\0", ":2: expected text; got a zero byte"),
        (b"x" * 11, "expected at most 10 bytes of text, unpacked; got more"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, monkeypatch, content, text):
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    (tmp_path / "set.txt").write_bytes(content)
    with pytest.raises(DataError, match=text):
        read_text(tmp_path / "set.txt")


def test_what_is_no_file_is_told_apart(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    found = {"none": "no such file", "": "this is a folder", "empty": r"empty \(0 bytes\)", "n" * 300: "can't be read"}
    for name, text in found.items():
        with pytest.raises(DataError, match=text):
            check_file(tmp_path / name)
    with pytest.raises(DataError, match="this is none"):
        check_file(Path("/dev/full"))
