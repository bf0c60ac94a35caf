"""Files that are written whole or not at all, and whether a machine shares the controller's folder."""

import os
import subprocess
import sys
import time

import pytest
from gasearch_workers.machine.files import alone_in, replaced, why_not_shared

#: Says that it waits, takes the folder of its argument, and says so.
TAKING = """
import sys
from pathlib import Path
from gasearch_workers.machine.files import alone_in

print("waiting", flush=True)
with alone_in(Path(sys.argv[1])) as sync:
    sync()
    print("in", flush=True)
"""


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


def test_a_folder_that_another_process_holds_is_waited_for(tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    with alone_in(taken):
        other = subprocess.Popen([sys.executable, "-c", TAKING, taken], stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "waiting\n"
        time.sleep(0.1)
        assert other.poll() is None
        (taken / "mine").touch()
    assert other.communicate(timeout=60)[0] == "in\n"
    assert other.returncode == 0


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
