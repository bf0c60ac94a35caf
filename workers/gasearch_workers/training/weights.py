"""Trained weights on disk, for the children that begin with them: one .npz file of plain arrays per network.

A file that is missing or damaged is no error: the child then begins from scratch, and its `images_seen` says so.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from gasearch_workers.machine.files import replaced

IMAGES_SEEN: Final = "images_seen"  #: The array that is no weight; no parameter is called so.


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The weights that a network left behind."""

    weights: Mapping[str, Tensor]  #: Its `state_dict`.
    images_seen: int  #: Samples shown to it and to the parents that it began with.


def save_weights(folder: Path | str, key: str, network: nn.Module, *, images_seen: int) -> None:
    """Keep a network's weights under its key; a file that is there already is replaced at once or not at all.

    Args:
        folder: Of all networks.
        key: Of this one.
        network: A trained one.
        images_seen: As `Parent.images_seen`.

    Raises:
        OSError: if the folder can't be written.
    """
    arrays = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    with replaced(Path(folder) / f"{key}.npz") as file:
        np.savez(file, allow_pickle=False, **arrays, **{IMAGES_SEEN: np.int64(images_seen)})


def find_parent(folder: Path | str, parents: Sequence[str]) -> Parent | None:
    """The first of the networks with these keys whose weights are there; None where there are none."""
    for key in parents:
        parent = _read(Path(folder) / f"{key}.npz")
        if parent is not None:
            return parent
    return None


def _read(path: Path) -> Parent | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images_seen = int(arrays[IMAGES_SEEN])
            weights = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != IMAGES_SEEN}
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):  # what NumPy raises for no .npz
        return None
    return Parent(weights=weights, images_seen=images_seen)
