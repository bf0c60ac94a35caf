"""Files that are written whole or not at all, and whether a machine shares the controller's folder."""

import os

import pytest
from gasearch_workers.machine.files import replaced, why_not_shared


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


def test_a_folder_with_the_controller_s_file_is_shared(tmp_path):
    (tmp_path / "mark").touch()
    assert why_not_shared(str(tmp_path / "mark")) == ""


def test_a_folder_without_it_is_another_one_even_if_it_has_the_same_name(tmp_path):
    assert why_not_shared(str(tmp_path / "mark")).endswith(f"doesn't see what the controller has in {tmp_path}")
    assert "doesn't see" in why_not_shared(str(tmp_path / "nowhere/mark"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_folder_that_can_only_be_read_is_not_shared(tmp_path):
    (tmp_path / "mark").touch()
    tmp_path.chmod(0o500)
    assert why_not_shared(str(tmp_path / "mark")).endswith(f"can't write to {tmp_path}")
