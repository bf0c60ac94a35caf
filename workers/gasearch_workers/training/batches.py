"""The samples that a training shows, their order, and changes of images; all of it follows from the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gasearch_workers.messages import Fidelity, Recipe
from gasearch_workers.network.steps import PADDING
from gasearch_workers.training.resident import ResidentSplit

SHIFT_SHARE = 8  #: Images are shifted by at most the side divided by this, in both directions.

#: Batches whose sentences are sorted by length before they are cut: what is left of the padding is a few percent, and
#: each batch is still drawn from a thousand sentences or more.
POOL = 16


class Batch(NamedTuple):
    """One batch, still to be gathered."""

    samples: Tensor  #: (B,) indices into the data, on its device.
    pixels: tuple[Tensor, Tensor] | None  #: Where images are augmented, the rows (B, H) and columns (B, W) to take.
    tokens: int | None  #: How many tokens to show of each sequence; None for all, and of what is no sequence.


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The batches of every epoch of one training; a share of the samples, the smaller part of the larger.

    A batch of one sample, for which normalization is not defined, is left out.
    """

    data: ResidentSplit
    recipe: Recipe
    samples: Tensor  #: (count,) indices into the data, on the CPU.
    order: torch.Generator
    changes: torch.Generator  #: Of augmentation, so that the order is the same without it.
    lengths: Tensor | None = None  #: (count of the data,) tokens to show of each sequence, on the CPU; None for all.

    @property
    def updates(self) -> int:
        """Steps of the optimizer in an epoch."""
        full, rest = divmod(len(self.samples), self.recipe.batch_size)
        return -(-(full + (rest > 1)) // self.recipe.accumulate)

    def epoch(self) -> Iterator[Sequence[Batch]]:
        """One pass in a new order: for each step of the optimizer its batches."""
        size, device = self.recipe.batch_size, self.data.x.device
        shuffled = self.samples[torch.randperm(len(self.samples), generator=self.order)]
        if len(shuffled) % size == 1:  # Which one is left out is chance, not its length.
            shuffled = shuffled[:-1]
        if self.lengths is not None:
            batches = self._sorted(shuffled, self.lengths)
        elif self.recipe.augment:
            rows, columns = (torch.split(places.to(device), size) for places in self._pixels())
            parts = torch.split(shuffled.to(device), size)  # perhaps without the last sample, and its pixels
            batches = [Batch(*places, None) for places in zip(parts, zip(rows, columns, strict=True), strict=False)]
        else:
            batches = [Batch(part, None, None) for part in torch.split(shuffled.to(device), size)]
        for start in range(0, len(batches), self.recipe.accumulate):
            yield batches[start : start + self.recipe.accumulate]

    def _sorted(self, shuffled: Tensor, lengths: Tensor) -> list[Batch]:
        """Batches whose sentences are about equally long, and are shown without common padding."""
        size, device = self.recipe.batch_size, self.data.x.device
        pools = torch.split(shuffled, POOL * size)
        parts = [part for pool in pools for part in torch.split(pool[lengths[pool].argsort(stable=True)], size)]
        order = torch.randperm(len(parts), generator=self.order).tolist()
        return [Batch(parts[place].to(device), None, int(lengths[parts[place]].max())) for place in order]

    def show(self, batch: Batch) -> Tensor:
        """The raw samples of a batch: (B, *input_shape), sequences without the padding at the end of all of them."""
        samples, pixels, tokens = batch
        if pixels is None:
            x = self.data.x if tokens is None else self.data.x[:, :tokens]
            return x.index_select(0, samples)
        rows, columns = pixels
        # One gather picks samples, shifts and flips them; it gives (B, H, W, C), which is channels-last memory.
        picked = self.data.x[samples[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2)

    def _pixels(self) -> tuple[Tensor, Tensor]:
        """For each sample of an epoch which rows (count, H) and columns (count, W) of its image to show.

        What a shift uncovers repeats the nearest pixel of the edge: the background of digits, the surroundings of
        photographs; zero would be black on both, and an edge of its own.
        """
        height, width = self.data.x.shape[2:]
        count = len(self.samples)
        rows, columns = torch.arange(height).expand(count, -1), torch.arange(width).expand(count, -1)
        if "shift" in self.recipe.augment:
            rows, columns = self._shifted(rows, height), self._shifted(columns, width)
        if "flip" in self.recipe.augment:
            is_flipped = torch.randint(2, (count, 1), generator=self.changes, dtype=torch.bool)
            columns = torch.where(is_flipped, columns.flip(1), columns)
        return rows, columns

    def _shifted(self, places: Tensor, side: int) -> Tensor:
        most = side // SHIFT_SHARE
        shifts = torch.randint(-most, most + 1, (len(places), 1), generator=self.changes)
        return (places + shifts).clamp_(0, side - 1)


def make_batches(
    data: ResidentSplit, recipe: Recipe, fidelity: Fidelity, *, seed: int, reach: int | None = None
) -> Batches:
    """The batches of a training.

    Args:
        data: What to show.
        recipe: Says how many samples at a time, and what to do to images.
        fidelity: On what share of the data.
        seed: Of all that is drawn.
        reach: For sequences, how many tokens of padding behind the last one can change what a network computes; None
            shows all of the padding.

    Raises:
        ValueError: if a batch would hold a single sample, or what is to be augmented is no image.
    """
    if recipe.batch_size < 2 or len(data) < 2:
        raise ValueError(
            f"batches must hold at least 2 samples; got a batch size of {recipe.batch_size} and {len(data)} samples"
        )
    if recipe.augment and data.x.dim() != 4:
        raise ValueError(f"{' and '.join(recipe.augment)} are for images; the samples have {data.x.dim() - 1} axes")
    return Batches(
        data=data,
        recipe=recipe,
        samples=subset(len(data), fidelity.data_share, seed),
        order=make_generator("order", seed),
        changes=make_generator("augment", seed),
        lengths=None if reach is None else _lengths(data.x, reach),
    )


def make_generator(purpose: str, seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own.

    Args:
        purpose: That it serves alone.
        seed: Of the training.
        device: Where it draws.
    """
    digest = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=7).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest))


def subset(count: int, share: float, seed: int) -> Tensor:
    """Indices of a share of the samples, at least 2; a smaller share is part of a larger one.

    Args:
        count: Of all samples.
        share: Of them, up to 1.
        seed: Of the training.
    """
    if share >= 1:
        return torch.arange(count)
    chosen = max(2, round(count * share))
    return torch.randperm(count, generator=make_generator("subset", seed))[:chosen]


def _lengths(x: Tensor, reach: int) -> Tensor:
    """Tokens to show of each sequence: those that are no padding and `reach` more; (N, T) or (N, T, F) -> (N,)."""
    codes = x if x.dim() == 2 else x[..., 0]
    return (codes != PADDING).sum(dim=1).add(reach).clamp_(1, x.shape[1]).cpu()
