"""Searches that wait for a controller: what was submitted, by whom, and who runs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gasearch.storage.access import LOCAL


class SubmissionState(StrEnum):
    """Where a submission stands: it is queued, then claimed, perhaps handed back, and ends once."""

    QUEUED = "queued"
    CLAIMED = "claimed"  #: A controller runs it, or died while it did.
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubmission:
    """A wish to run a search, as soon as its turn comes."""

    name: str  #: Of the search; unique among the submissions that have not ended.
    spec_hash: str = ""  #: Of the spec, as `NewSearch` has it.
    spec_json: str | None = None  #: The full validated spec of a new search; None: go on with the stored one,
    evaluations: int | None = None  #: with this budget in all; None: as it is,
    hours: float | None = None  #: and with this wall time in all.
    priority: int = 0  #: A higher one goes first.
    submitter: str = LOCAL.name  #: The name of a token, or "local".
    searches: int | None = None  #: How many of the submitter's may run at once, as it was then; None: any number.
    device_hours: float | None = None  #: What the submitter's may take in all, as it was then; None: any number.


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to run a submission, and to end it; what would use an outdated one is refused."""

    submission_id: int
    controller: str
    epoch: int  #: Fencing number; greater than that of every earlier controller.


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRecord(NewSubmission):
    """A stored submission."""

    id: int  #: Greater than that of every earlier one.
    submitted_at: datetime
    state: SubmissionState
    is_stop_requested: bool
    controller: str | None  #: Who runs it, as owners of a search are called, or ran it when it ended.
    is_held: bool  #: Whether the controller's lease is still valid by the database's clock.
    epoch: int  #: How often it was claimed.
    exit_status: int | None  #: Of the command that ran it; None while it has not ended.
    message: str  #: Its last words; "" while it has not ended.
    ended_at: datetime | None
    seconds_before: float  #: What workers had spent on the search when it was submitted.
    worker_seconds: float | None  #: What they spent on it since, at its end; None while it has not ended.
    running: int  #: How many submissions of the same submitter are claimed.
    spent_seconds: float  #: What workers have spent on all of the submitter's submissions.

    @property
    def claim(self) -> Claim:
        """The right of the controller that the record names."""
        return Claim(submission_id=self.id, controller=self.controller or "", epoch=self.epoch)

    @property
    def has_time(self) -> bool:
        """Whether the submitter's searches may take more of the devices' time."""
        return self.device_hours is None or self.spent_seconds < 3600.0 * self.device_hours

    @property
    def may_begin(self) -> bool:
        """Whether the submitter's limits let it begin now."""
        return self.has_time and (self.searches is None or self.running < self.searches)
