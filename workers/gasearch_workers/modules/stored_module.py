"""The weights of a torch module in a file that holds nothing but tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from torch import Tensor


def read_state(path: Path) -> Mapping[str, Tensor]:
    """A module's `state_dict` from a safetensors file.

    Raises:
        OSError: if there is no such file, or it can't be read.
        ValueError: if it is none, saying how to write one.
    """
    try:
        return read_tensors(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no safetensors file ({error}): write one with "
            "safetensors.torch.save_file(module.state_dict(), path)"
        ) from error
