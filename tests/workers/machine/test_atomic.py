"""Files that are written whole or not at all."""

import pytest
from gasearch_workers.machine.atomic import replaced


def test_a_file_takes_its_place_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "weights.npz"
    with replaced(path) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"before")

    def fail():
        with replaced(path) as file:
            file.write(b"half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match=r"^halfway$"):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
