"""Weights of a module from a file."""

import pytest
import torch
from gasearch_workers.modules.stored_module import read_state
from safetensors.torch import save_file


def test_the_tensors_of_a_safetensors_file_come_back(tmp_path) -> None:
    save_file({"a": torch.arange(3.0)}, tmp_path / "a.safetensors")
    assert read_state(tmp_path / "a.safetensors")["a"].tolist() == [0, 1, 2]


def test_a_pickle_is_refused_with_how_to_write_the_right_file(tmp_path) -> None:
    torch.save({"a": torch.arange(3.0)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a.pt is no safetensors file .*safetensors.torch.save_file"):
        read_state(tmp_path / "a.pt")
