"""Where the token of our own Ray lies, and who can read it."""

import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gasearch.dispatch.ray_token import token_file
from gasearch.errors import WorkersUnavailable


@pytest.fixture
def state(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    monkeypatch.setenv("GASEARCH_STATE", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_is_made_once_for_this_user_alone(state):
    path = token_file()
    assert path == state / "ray_token"
    assert (mode_of(path), mode_of(state)) == (0o600, 0o700)
    token = path.read_text()
    assert len(bytes.fromhex(token)) == 32
    assert token_file().read_text() == token
    assert os.listdir(state) == ["ray_token"]


def test_many_first_starts_at_once_agree_on_one_token(state):
    with ThreadPoolExecutor(8) as threads:
        tokens = set(threads.map(lambda _: token_file().read_text(), range(40)))
    assert len(tokens) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_token_that_others_could_read_is_replaced(state, mode):
    path = token_file()
    before = path.read_text()
    path.chmod(mode)
    assert token_file().read_text() != before
    assert mode_of(path) == 0o600


def test_a_file_that_holds_no_token_is_replaced(state):
    path = token_file()
    path.write_text("half")
    assert len(token_file().read_text()) == 64


def test_a_link_in_its_place_is_replaced_and_its_target_left_alone(state, tmp_path):
    state.mkdir()
    (tmp_path / "other").write_text(64 * "a")
    (tmp_path / "other").chmod(0o600)
    (state / "ray_token").symlink_to(tmp_path / "other")
    path = token_file()
    assert not path.is_symlink()
    assert path.read_text() != (tmp_path / "other").read_text() == 64 * "a"


def test_a_folder_that_others_may_enter_is_closed_to_them(state):
    state.mkdir(mode=0o755)
    token_file()
    assert mode_of(state) == 0o700


def test_a_state_folder_that_can_t_be_made_gives_way_to_one_of_ours_among_the_temporary_ones(state, tmp_path):
    state.write_text("a file")
    path = token_file()
    assert path == tmp_path / f"gasearch-{os.getuid()}" / "ray_token"
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)


def test_no_folder_at_all_is_an_error_that_names_a_way_out(state, tmp_path, monkeypatch):
    state.write_text("a file")
    (tmp_path / f"gasearch-{os.getuid()}").symlink_to(tmp_path)  # as somebody else might put it there
    with pytest.raises(WorkersUnavailable, match=r"can't be kept in .*: it is somebody else's; .* by GASEARCH_STATE"):
        token_file()


def test_without_a_home_the_token_lies_among_the_temporary_files(monkeypatch, tmp_path):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("GASEARCH_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert token_file().parent.parent == tmp_path
