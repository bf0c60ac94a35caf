"""Whether a machine shares the controller's folder."""

import os

import pytest
from gasearch_workers.machine.shared_folder import why_not_shared


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
