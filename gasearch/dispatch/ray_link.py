"""What the controller and the process that hosts Ray say to each other.

Over a pair of sockets that nobody else holds, as Ray's own messages are: pickled, between two processes of one user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult

Identity = tuple[str, int]  #: Of a request: its key and its attempt.

# --- from the controller ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Start the pool; the first message."""

    options: dict[str, Any]  #: Of `RayPool`, but for its callbacks.


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Start an evaluation."""

    request: EvaluationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelQueued:
    """Forget what no worker has begun; answered by `Cancelled`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrate:
    """Give the yardstick of the device that measures latency; answered by `Calibrated` or `Failed`."""

    known: tuple[Calibration, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Release the workers, end Ray if it is ours, and end."""


Order = Open | Submit | CancelQueued | Calibrate | Close

# --- from the host ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The process lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """The pool takes requests."""

    slots: int
    free: int  #: As in `News`.
    session_folder: str | None  #: Where a Ray of our own keeps its logs; None: it isn't ours.


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Results, and how many more requests would begin at once."""

    results: tuple[EvaluationResult, ...]
    free: int
    seen: int  #: Requests that it has taken so far.


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the user should know."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What was forgotten."""

    identities: frozenset[Identity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """The yardstick."""

    calibration: Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """`WorkersUnavailable`, its sentence: another try would end the same way. The process ends."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Ray itself is gone, or can't be worked with; another one may. The process ends."""

    reason: str


Report = Beat | Up | News | Notice | Cancelled | Calibrated | Failed | Gone
