"""How often an evaluation is tried before it is given up for good, and when a search stops trying altogether."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gasearch_workers.messages import Failure, FailureKind, Outcome

from gasearch.errors import GasearchError, Paused
from gasearch.search.problem import Pending
from gasearch.storage.records import EventRecord

MAX_TRIES = 2  #: Of one training; what is nobody's fault but the evaluation's counts.
MAX_LOSSES = 10  #: Of one training, through no fault of its own: whoever outlives ten workers is suspect.
MAX_FAILURES_IN_A_ROW = 20  #: With nothing measured in between, the fault is not the networks'.
MOST_TOLD_IN_FULL = 1_000  #: Failures of a search whose last words are kept whole: 32 KB each at most; of later ones
LATER_CHARACTERS = 1_000  #: so much of each text, from its end.
MAX_LOSSES_PER_WORKER = 3  #: In a row: so often may a node, or all of Ray, take all that is in flight along.


def may_go_on(failed: Sequence[FailureKind]) -> bool:
    """True where a training is tried again after attempts that failed so."""
    losses = failed.count(FailureKind.WORKER_LOST)
    return losses < MAX_LOSSES and len(failed) - losses < MAX_TRIES


def bounded(outcome: Outcome, *, failed_before: int) -> Outcome:
    """An outcome as it is stored: in a search where much fails, last words don't fill the database."""
    if not isinstance(outcome, Failure) or failed_before < MOST_TOLD_IN_FULL:
        return outcome
    return replace(outcome, traceback=outcome.traceback[-LATER_CHARACTERS:], output=outcome.output[-LATER_CHARACTERS:])


def retry_event(pending: Pending, failure: Failure) -> EventRecord:
    """The log's line on an attempt that is followed by another one."""
    return EventRecord(kind="retry", message=f"{failure.kind}: {failure.message}", candidate=pending.number)


def quarantine_event(pending: Pending, failure: Failure, failed: Sequence[FailureKind]) -> EventRecord:
    """The log's line on a training that could have been tried again, and isn't any more.

    Args:
        pending: Its last attempt.
        failure: What came of that.
        failed: What became of all its attempts, this one included.
    """
    return EventRecord(
        kind="quarantined",
        message=f"{pending.key} failed {len(failed)} times ({counted(failed)}) and is not tried again; the last time "
        f"with: {failure.message}",
        candidate=pending.number,
    )


def counted(kinds: Sequence[str]) -> str:
    """Kinds with how often each came, where that isn't once: "2 died, out_of_memory"."""
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in Counter(map(str, kinds)).items())


class Breaker:
    """Stops a search in which everything fails: what was made so far is worth more than twenty thousand failures."""

    def __init__(self) -> None:
        """Nothing has failed yet: a resumed search begins anew."""
        self._slots = 0  # the most that there were
        self._failed: list[FailureKind] = []  # finally, since something was measured
        self._losses = 0  # since a worker lived to the end of an evaluation
        self._message = ""

    def note_retry(self, failure: Failure) -> None:
        """Take note of a failure that is tried again."""
        self._note_life(failure)
        self._message = failure.message

    def note(self, outcome: Outcome) -> None:
        """Take note of a final outcome that was evaluated here."""
        self._note_life(outcome)
        if isinstance(outcome, Failure) and outcome.kind is not FailureKind.STOPPED:
            self._failed.append(outcome.kind)
            self._message = outcome.message
        else:
            self._failed.clear()

    def require_closed(self, again: str, *, slots: int) -> None:
        """Let the evaluations go on, unless too much has failed in a row.

        Args:
            again: The command that goes on.
            slots: How many evaluations can be in flight at once, now.

        Raises:
            Paused: where evaluations failed, with the cause, and how to go on.
            GasearchError: where only workers were lost.
        """
        mend = f"the last one with: {self._message}. Mend the cause, then go on with: {again}"
        self._slots = max(self._slots, slots)
        if self._losses >= max(MAX_FAILURES_IN_A_ROW, MAX_LOSSES_PER_WORKER * self._slots):
            raise GasearchError(  # costs no budget, and another start may find workers that live
                f"{self._losses} attempts in a row lost their worker, {mend} (none of them counts as an outcome)"
            )
        if len(self._failed) >= MAX_FAILURES_IN_A_ROW:
            raise Paused(
                f"{len(self._failed)} evaluations in a row failed ({counted(self._failed)}), {mend} "
                "(what failed stays failed; a new search tries it again)"
            )

    def _note_life(self, outcome: Outcome) -> None:
        is_lost = isinstance(outcome, Failure) and outcome.kind is FailureKind.WORKER_LOST
        self._losses = self._losses + 1 if is_lost else 0
