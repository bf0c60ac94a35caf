"""When the models are fitted anew."""

from __future__ import annotations

EVERY = 32  #: A fit serves for a thirty-second of the evaluations that it knew;
FEW, EVERY_OF_FEW = 192, 64  #: while there are few, each of which counts most, for a sixty-fourth.


def is_due(completed: int, completed_at_last_fit: int, *, least: int = 1) -> bool:
    """Whether enough was told since the last fit (0: none yet): every tell at first, then ever less often.

    Args:
        completed: Outcomes so far.
        completed_at_last_fit: Of these, those that the model in use knows.
        least: Outcomes between two fits at least.
    """
    part = EVERY_OF_FEW if completed_at_last_fit < FEW else EVERY
    return completed - completed_at_last_fit >= max(least, completed_at_last_fit // part)
