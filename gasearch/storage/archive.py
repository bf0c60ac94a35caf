"""The contract of the archive; every implementation passes the archive's contracts in `tests/contracts`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from gasearch_workers.messages import Calibration

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.access import Actor, AuditRecord, NewToken, TokenRecord
from gasearch.storage.columns import OutcomeColumns
from gasearch.storage.queue import Claim, NewSubmission, SubmissionRecord
from gasearch.storage.records import (
    CandidateRecord,
    Counts,
    EvaluatedNetwork,
    EvaluationRecord,
    EventRecord,
    ExportRecord,
    FailedAttempt,
    Fall,
    FinalRecord,
    GenerationRecord,
    Lease,
    NewSearch,
    OperatorCounts,
    ReplicateRecord,
    SearchRecord,
    SearchStatus,
    Stay,
    TuningTrial,
    VerificationRecord,
)


class ArchiveReader(Protocol):
    """Questions that anyone may ask, at any moment, without hindering the writer.

    Unknown names raise `UnknownSearch`, naming the nearest known one; a database that fails raises `StoreError`. What
    is asked about a candidate's outcome is answered by the newest of its trainings; `evaluations` gives them all.
    """

    def searches(self) -> list[SearchRecord]:
        """All searches, newest first."""

    def search(self, name: str) -> SearchRecord:
        """One search by its name.

        Raises:
            UnknownSearch: if there is none.
        """

    def counts(self, search_id: int) -> Counts:
        """How far it is."""

    def front(self, search_id: int) -> list[EvaluatedNetwork]:
        """The current Pareto front, by candidate number."""

    def front_metrics(self, search_id: int) -> list[dict[str, float]]:
        """The metrics of the same, and nothing else of them."""

    def best(
        self, search_id: int, *, metric: str, is_maximized: bool, limits: Sequence[Limit] = (), count: int = 1
    ) -> list[EvaluatedNetwork]:
        """The best measured networks, by the metric, then by candidate number; of all evaluations, not of the front.

        Args:
            search_id: Of the search.
            metric: Networks without it are left out.
            is_maximized: Whether more of it is better.
            limits: All of them are kept.
            count: At most so many.
        """

    def network(self, search_id: int, key: str) -> EvaluatedNetwork:
        """One candidate by its key or a unique beginning of it.

        Raises:
            UnknownSearch: if no key, or more than one, begins so.
        """

    def networks(self, search_id: int) -> Iterator[EvaluatedNetwork]:
        """Every candidate that has a final outcome, in the order of arrival."""

    def numbered(self, search_id: int, numbers: Sequence[int]) -> list[EvaluatedNetwork]:
        """The candidates with these numbers, in flight or not, by number; unknown numbers are left out."""

    def newest(self, search_id: int, *, count: int) -> list[EvaluatedNetwork]:
        """The networks whose final outcomes came last, newest first, at most so many."""

    def failed(self, search_id: int, *, count: int) -> list[EvaluatedNetwork]:
        """The networks that failed for good, newest first, at most so many; a stopped training is no failure."""

    def newest_failures(self, search_id: int, kinds: Sequence[str]) -> list[FailedAttempt]:
        """The newest final failure of each of these kinds that there is."""

    def failures(self, search_id: int) -> list[FailedAttempt]:
        """Every attempt that failed, retried ones included, by candidate and attempt; a stopped one is no failure."""

    def candidates(self, search_id: int) -> Iterator[CandidateRecord]:
        """Every stored candidate by number."""

    def evaluations(self, search_id: int, *, with_curves: bool = True) -> Iterator[EvaluationRecord]:
        """Every final outcome, equal to the one recorded, in the order of arrival.

        Without the curves and what failures printed, which not everybody needs, a long search is read faster.
        """

    def outcomes(self, search_id: int, metrics: Sequence[str]) -> OutcomeColumns:
        """Every final outcome in the order of arrival, with these metrics alone, as columns.

        200,000 take about a second; checksums aren't looked at.
        """

    def has_metric(self, search_id: int, metric: str) -> bool:
        """Whether any final outcome has that metric."""

    def trainings(self, search_id: int, numbers: Sequence[int]) -> list[EvaluationRecord]:
        """The final outcomes of these candidates, replicates and what they replaced included, in order of arrival."""

    def stays(self, search_id: int, number: int) -> list[Stay]:
        """The times that a candidate was on the front, in order."""

    def hypervolume(self, search_id: int) -> float | None:
        """The hypervolume after the newest final outcome; None where it wasn't taken then."""

    def falls(self, search_id: int) -> list[Fall]:
        """The further trainings that lowered the hypervolume, in their order; nothing else lowers it."""

    def retried(self, search_id: int) -> list[EvaluationRecord]:
        """Every attempt that failed and was made again, by candidate and attempt."""

    def attempts_of(self, search_id: int, number: int) -> list[EvaluationRecord]:
        """Every stored attempt of one candidate, retried ones included, in order."""

    def replicates(self, search_id: int) -> list[ReplicateRecord]:
        """Every decision to train a candidate again, in the order in which they were stored."""

    def operators(self, search_id: int) -> list[OperatorCounts]:
        """Outcomes of each operator's children, greatest gain first."""

    def reusable(self, context: str, keys: Sequence[str]) -> dict[str, list[EvaluationRecord]]:
        """By key, the first trainings' measurements of the searches with that context, the oldest search's first.

        An outcome that was itself reused counts too.
        """

    def generations(self, search_id: int) -> list[GenerationRecord]:
        """Finished generations in order."""

    def events(self, search_id: int) -> list[EventRecord]:
        """All events in order."""

    def calibrations(self, search_id: int) -> tuple[Calibration, ...]:
        """The reference latency of each device that the search has used."""

    def trials(self, search_id: int, key: str) -> list[TuningTrial]:
        """The tuning trials of one network, in order."""

    def finals(self, search_id: int, key: str | None = None) -> list[FinalRecord]:
        """The final trainings of the search, or of one of its networks, in the order in which they were stored."""

    def final_network(self, search_id: int, final_id: int) -> bytes:
        """The packed network of a final training.

        Raises:
            UnknownSearch: if there is none.
        """

    def exports(self, search_id: int, key: str) -> list[ExportRecord]:
        """The artifacts that were written of a network, in the order in which they were stored."""

    def verifications(self, search_id: int, key: str | None = None) -> list[VerificationRecord]:
        """What came of running exported files of the search, or of one of its networks, in order."""

    def tokens(self) -> list[TokenRecord]:
        """All tokens, revoked ones too, in the order in which they were made."""

    def token(self, digest: str) -> TokenRecord | None:
        """The token whose secret has that digest, revoked or expired as it may be; None where there is none."""

    def audits(self, *, count: int, before: int | None = None) -> list[AuditRecord]:
        """What was done, newest first: at most so many, and only what is older than the entry with that id."""

    def submissions(self) -> list[SubmissionRecord]:
        """The submissions that have not ended, in the order of their turns."""

    def ended_submissions(self, *, count: int) -> list[SubmissionRecord]:
        """Those that have ended, newest first, at most so many."""

    def submission(self, name: str) -> SubmissionRecord | None:
        """The newest submission of a search, ended or not; None where there is none."""

    def require_current(self) -> None:
        """Check that the database answers, and has the schema that this version reads.

        Raises:
            StoreError: if not, saying what to do.
        """

    def close(self) -> None:
        """Release all connections."""


class Archive(ArchiveReader, Protocol):
    """Writes; those that take a lease are its owner's alone.

    Every write is one transaction that first checks the lease: a write with an outdated epoch raises `LeaseLost` and
    changes nothing. When a method returns, what it wrote is durable. Not thread-safe, except `renew`.
    """

    def be_patient(
        self, seconds: float, *, notice: Callable[[str], None], is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait for a database that is away or locked; until then only a broken connection is made anew, once.

        Args:
            seconds: At most; `renew` never waits.
            notice: Takes sentences about it.
            is_over: Whether the user wants the end: then at most 3 s more.
        """

    def create_search(self, new: NewSearch, *, owner: str, ttl_s: float) -> Lease:
        """Store a new search.

        Args:
            new: The search.
            owner: Who holds its lease.
            ttl_s: For so long.

        Raises:
            WrongState: if the name is taken.
        """

    def claim(self, name: str, *, owner: str, ttl_s: float) -> Lease:
        """Become the owner of an existing search, with a greater epoch; its state becomes RUNNING.

        Args:
            name: Of the search.
            owner: Who holds its lease from now on.
            ttl_s: For so long.

        Raises:
            WrongState: while another owner's lease is valid, naming that owner.
        """

    def renew(self, lease: Lease, *, ttl_s: float, active_s: float = 0.0, worker_s: float = 0.0) -> bool:
        """Prolong the lease; returns whether a stop was requested. Thread-safe.

        Args:
            lease: On the search.
            ttl_s: For so long from now on.
            active_s: What is added to the time of controllers,
            worker_s: and to that of workers.
        """

    def release(self, lease: Lease, *, state: SearchStatus, reason: str) -> None:
        """Give the search up.

        Args:
            lease: On the search.
            state: Its new one,
            reason: and why, in one sentence.
        """

    def update_spec(self, lease: Lease, *, spec_json: str) -> None:
        """Replace the stored spec (an extended budget)."""

    def set_context(self, lease: Lease, *, context: str) -> None:
        """Replace what outcomes depend on besides the network, see `NewSearch.context`: the recipe was tuned."""

    def set_reference(self, lease: Lease, *, ideal: tuple[float, ...], point: tuple[float, ...]) -> None:
        """Fix the scaling of the hypervolume, once.

        Args:
            lease: On the search.
            ideal: One corner of the scaling, in maximized values,
            point: and the other: the reference point.
        """

    def add_candidates(self, lease: Lease, records: Sequence[CandidateRecord]) -> None:
        """Store proposals."""

    def add_replicates(self, lease: Lease, records: Sequence[ReplicateRecord]) -> None:
        """Store decisions to train candidates again."""

    def add_evaluations(self, lease: Lease, outcomes: Sequence[tuple[EvaluationRecord, FrontChange]]) -> bool:
        """Store outcomes, each with its change of the front, in the order of their arrival.

        All or none: False, and no effect, if a (candidate, attempt) of them is stored. A replicate's measurement
        replaces the candidate's earlier outcome in all answers; both stay stored. A replicate that failed replaces
        nothing, and stands in no answer but the counts.
        """

    def add_generation(self, lease: Lease, record: GenerationRecord) -> None:
        """Store the statistics of a generation; storing the same number again has no effect."""

    def add_event(self, lease: Lease, event: EventRecord) -> None:
        """Store an event."""

    def add_calibration(self, lease: Lease, calibration: Calibration) -> None:
        """Store a device's reference latency; the first one stays."""

    def request_stop(self, name: str) -> SearchRecord:
        """Ask the owner to stop; needs no lease. Returns the search as it stood.

        Raises:
            WrongState: if nobody runs it.
        """

    def delete_search(self, name: str) -> SearchRecord:
        """Delete a search with all that belongs to it; needs no lease. Returns it as it stood.

        Raises:
            WrongState: if somebody runs it.
        """

    def add_trial(self, search_id: int, trial: TuningTrial) -> None:
        """Store a tuning trial; needs no lease.

        Raises:
            UnknownSearch: if the search is gone.
        """

    def add_final(self, search_id: int, record: FinalRecord, packed: bytes | None = None) -> None:
        """Store a final training in place of one that failed; one that succeeded stays. Needs no lease.

        Args:
            search_id: Of the search.
            record: The training; its id, size and time are the store's to give.
            packed: The network as a packed file; None where the training failed.

        Raises:
            UnknownSearch: if the search is gone.
        """

    def add_export(self, search_id: int, record: ExportRecord) -> None:
        """Store an artifact as it was written; storing it again has no effect. Needs no lease.

        Raises:
            UnknownSearch: if the search is gone.
        """

    def add_verification(self, search_id: int, record: VerificationRecord) -> None:
        """Store what came of running a file of an artifact; needs no lease.

        Raises:
            UnknownSearch: if the search is gone.
        """

    def add_token(self, new: NewToken, *, lifetime_s: float | None, actor: Actor) -> TokenRecord:
        """Store a token, and in the audit log that it was made; needs no lease.

        Args:
            new: The token.
            lifetime_s: How long it may be used; None: for ever.
            actor: Who made it.

        Raises:
            WrongState: if another one has its name that is neither revoked nor expired.
        """

    def revoke_token(self, name: str, *, actor: Actor) -> TokenRecord:
        """Let nobody use a token any more, and note it in the audit log; needs no lease.

        Raises:
            BadInput: if there is none of that name that isn't revoked.
        """

    def note_token_use(self, token_id: int) -> None:
        """Store that a token was used now; needs no lease."""

    def add_audit(self, record: AuditRecord) -> None:
        """Store what was done; needs no lease."""

    def submit(self, new: NewSubmission, *, actor: Actor) -> SubmissionRecord:
        """Put a search into the queue, and note it in the audit log; needs no lease.

        Args:
            new: The submission.
            actor: Who submits it.

        Raises:
            WrongState: if one of that name has not ended, or the name of a new search is taken.
            UnknownSearch: if there is no search to go on with.
        """

    def claim_submission(self, *, controller: str, ttl_s: float) -> SubmissionRecord | None:
        """Claim the submission whose turn it is; of several controllers that ask at once each gets another one.

        It is the one of highest priority, then the oldest: of those that are queued and within their submitter's
        limits, and of those whose controller's lease is over, or that is known to be dead. None: there is none.

        Args:
            controller: Who will run it, as owners of a search are called.
            ttl_s: For so long, unless it is renewed.
        """

    def renew_submissions(self, *, controller: str, ttl_s: float) -> list[SubmissionRecord]:
        """Prolong all that a controller holds, and return it: what is missing is another controller's by now."""

    def end_submission(self, claim: Claim, *, exit_status: int, message: str) -> None:
        """End a submission, once and for all.

        Args:
            claim: Of its controller.
            exit_status: Of the command that ran it.
            message: Its last words; cut where they are long.

        Raises:
            LeaseLost: if it is another controller's by now, or has ended; nothing is changed.
        """

    def hand_back(self, claim: Claim) -> None:
        """Put a submission back into the queue, at its old place.

        Raises:
            LeaseLost: if it is another controller's by now, or has ended; nothing is changed.
        """

    def stop_submission(self, name: str, *, actor: Actor) -> SubmissionRecord | None:
        """Take a search out of the queue, or ask the controller that runs it to stop; notes it in the audit log.

        Returns:
            The submission as it stands now; None where none of that name is open.
        """
