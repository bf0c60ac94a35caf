"""Data on the device that trains, as the file holds them: put there once, read by every training."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gasearch_workers.data.dataset import Dataset, Split
from gasearch_workers.training.score import CLASSES, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentSplit:
    """A split on a device."""

    x: Tensor  #: As `Split.x` holds them.
    y: Tensor  #: As `Split.y` holds them.
    target: Target = CLASSES  #: What `y` is.
    teacher: Tensor | None = None  #: As `Split.teacher` holds them.
    cut: Tensor | None = None  #: As `Split.cut` holds them, on the CPU: only scores read them.

    def chosen(self, samples: Tensor) -> ResidentSplit:
        """Some of the samples, by their numbers (on any device)."""
        places = samples.to(self.x.device)
        teacher = None if self.teacher is None else self.teacher[places]
        cut = None if self.cut is None else self.cut[samples.cpu()]
        return replace(self, x=self.x[places], y=self.y[places], teacher=teacher, cut=cut)

    @property
    def truth(self) -> NDArray[Any]:
        """As `Split.truth`."""
        y = self.y.cpu().numpy()
        return y if self.cut is None else np.concatenate([y, self.cut.numpy()], axis=1)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentData:
    """A dataset on a device."""

    train: ResidentSplit
    validation: ResidentSplit
    test: ResidentSplit


def make_resident(dataset: Dataset, device: str | torch.device = "cpu") -> ResidentData:
    """Put a dataset on a device, once for many trainings. On a CPU it shares the arrays' memory."""
    target = target_of(dataset)
    splits = (dataset.train, dataset.validation, dataset.test)
    train, validation, test = (_resident_split(split, target, device) for split in splits)
    return ResidentData(train=train, validation=validation, test=test)


def target_of(dataset: Dataset) -> Target:
    """The target of the networks of a dataset."""
    return Target(kind=dataset.kind, outputs=dataset.outputs, labels=dataset.labels, tags=dataset.tags)


_before = threading.local()  #: How many threads torch had before it was given one: OpenMP counts them for each of ours.


def use_one_thread() -> None:
    """Let this process compute with one thread: faster beside other workers, and bit-reproducible."""
    if torch.get_num_threads() != 1:
        _before.threads = torch.get_num_threads()
        torch.set_num_threads(1)


def use_threads_as_before() -> None:
    """Give torch the threads back that `use_one_thread` took from it in this thread."""
    threads, _before.threads = getattr(_before, "threads", None), None
    if threads is not None:
        torch.set_num_threads(threads)


def _resident_split(split: Split, target: Target, device: str | torch.device) -> ResidentSplit:
    return ResidentSplit(
        x=_tensor(split.x, device),
        y=_tensor(split.y, device),
        target=target,
        teacher=None if split.teacher is None else _tensor(split.teacher, device),
        cut=None if split.cut is None else _tensor(split.cut, "cpu"),
    )


def _tensor(array: NDArray[Any], device: str | torch.device) -> Tensor:
    with warnings.catch_warnings():
        # Arrays from a shared-memory store are read-only; nothing here writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)
