"""Labels beside marks, each where it covers nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gasearch.report.shapes import BOLD, GAP, RADIUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where something stands, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Says that both cover some place."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        """Says that the other one lies within this one."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


def placed(wanted: Iterable[tuple[float, float, str]], frame: Box, taken: Sequence[Box]) -> Iterator[tuple[str, Box]]:
    """The texts with their places; one for which there is no room is left out.

    Args:
        wanted: Places in pixels, each with the text that belongs beside it, what matters most first.
        frame: Where labels may stand.
        taken: What they may not cover.
    """
    covered = list(taken)
    for x, y, text in wanted:
        free = (box for box in _beside(x, y, text) if frame.holds(box) and not any(map(box.meets, covered)))
        if box := next(free, None):
            covered.append(box)
            yield text, box


def _beside(x: float, y: float, text: str) -> Iterator[Box]:
    width, height = BOLD * len(text), 16
    right, left = RADIUS + GAP, -width - RADIUS - GAP
    beside = [(right, -8.0), (left, -8.0), (-width / 2, -26.0), (-width / 2, 10.0)]
    further = [(dx, dy) for dy in (-26.0, 10.0, -44.0, 28.0) for dx in (right, left)]
    for dx, dy in [*beside, *further]:
        yield Box(left=x + dx, top=y + dy, right=x + dx + width, bottom=y + dy + height)
