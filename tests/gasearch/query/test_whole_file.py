"""Files that are there whole or not at all."""

from __future__ import annotations

import pytest

from gasearch.errors import BadInput
from gasearch.query.whole_file import write_whole


def test_text_bytes_and_writers_replace_what_was_there(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "ä")
    assert path.read_bytes() == "ä".encode()
    write_whole(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    write_whole(path, lambda beside: beside.write_text("by a writer") and None)
    assert path.read_text() == "by a writer"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def half(beside):
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(BadInput, match=f"can't write {path}: No space left on device"):
        write_whole(path, half)
    with pytest.raises(ZeroDivisionError):
        write_whole(path, lambda beside: 1 / 0)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    with pytest.raises(BadInput, match="can't write"):
        write_whole(tmp_path / "no" / "file", "text")
