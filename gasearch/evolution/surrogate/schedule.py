"""What a surrogate may cost: when its models are fitted anew, and how much of its work a training pays for.

Measured time enters only as outcomes record it, never by a running clock: a resume finds the same pace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EVERY = 32  #: A fit serves for a thirty-second of the evaluations that it knew;
FEW, EVERY_OF_FEW = 192, 64  #: while there are few, each of which counts most, for a sixty-fourth.
EVERY_SCALES = 16  #: The scales of distances are found anew after a sixteenth: that is most of a fit's work.

SHARE = 0.1  #: Of the mean measured time of a training: what a proposal by the surrogate may take,
FLOOR_S = 0.003  #: or so many CPU seconds, a few times what the rest of the controller takes,
STEP = 4.0  #: times a power of this: far apart, so that the noise of measured times seldom tips one into the next.
FULL_S = 0.05  #: What is allowed so much or more isn't bounded: no proposal takes longer.
#: What the parts take, in CPU seconds of one core: a choice; each offspring of a brood; holding other evaluations in
#: a model; finding its scales.
CHOICE_S, OFFSPRING_S, HOLDING_S, SCALES_S = 0.001, 0.00005, 0.005, 0.025


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The most that a surrogate may do."""

    brood: float  #: Offspring per proposal.
    between_fits: float  #: Outcomes between two fits, at least.
    between_scales: float  #: Outcomes between two searches for the scales, at least.


UNBOUNDED = Pace(brood=math.inf, between_fits=1.0, between_scales=1.0)


def allowed_seconds(training_seconds: float | None) -> float | None:
    """CPU seconds that a proposal may take, by the mean measured time of a training.

    Returns:
        None where nothing bounds it: trainings are long, or none was measured.
    """
    if training_seconds is None or SHARE * training_seconds >= FULL_S:
        return None
    steps = math.log(max(SHARE * training_seconds / FLOOR_S, 1.0), STEP)
    return float(FLOOR_S * STEP ** math.floor(steps))


def pace(training_seconds: float | None, models: int) -> Pace:
    """How a surrogate with so many models keeps within what is allowed: half of it for a brood, half for fits.

    Args:
        training_seconds: Mean over the measured trainings; None: not measured, or not to be looked at.
        models: How many are fitted.
    """
    allowed = allowed_seconds(training_seconds)
    if allowed is None:
        return UNBOUNDED
    return Pace(
        brood=(allowed / 2 - CHOICE_S) / OFFSPRING_S,
        between_fits=max(1.0, models * HOLDING_S / (allowed / 4)),
        between_scales=max(1.0, models * SCALES_S / (allowed / 4)),
    )


def is_due(completed: int, completed_at_last_fit: int, *, least: float = 1.0, part: int | None = None) -> bool:
    """Return whether enough was completed since the last fit (0: none yet): each outcome at first, then ever less.

    Args:
        completed: Outcomes so far.
        completed_at_last_fit: Of these, those that the model in use knows.
        least: Outcomes between two fits at least.
        part: A fit serves for one part of so many of the outcomes that it knew; None: by their number.
    """
    if part is None:
        part = EVERY_OF_FEW if completed_at_last_fit < FEW else EVERY
    return completed - completed_at_last_fit >= max(least, completed_at_last_fit // part)
