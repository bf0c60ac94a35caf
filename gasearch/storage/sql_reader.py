"""The archive's questions in SQL, each answered from an index, by a connection that can't write."""

# ruff: noqa: D102 - the contract in archive.py documents these methods, once for every implementation

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gasearch_workers.messages import STANDARD_METRICS, Calibration
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    LargeBinary,
    RowMapping,
    Select,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.types import Double

from gasearch.errors import UnknownSearch
from gasearch.objectives.constraints import SPREADS, Limit
from gasearch.objectives.fitness import Objective
from gasearch.storage import checksums, questions
from gasearch.storage.access import AuditRecord, TokenRecord
from gasearch.storage.checksums import Sum, require_intact
from gasearch.storage.columns import CHUNK, ColumnReading, OutcomeColumns, measured_somewhere
from gasearch.storage.counting import Counting
from gasearch.storage.faults import as_store_errors
from gasearch.storage.question import answering
from gasearch.storage.queue import SubmissionRecord
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
    OperatorCounts,
    ReplicateRecord,
    SearchRecord,
    Stay,
    TuningTrial,
    VerificationRecord,
)
from gasearch.storage.rows import evaluated_network, evaluation_record, metrics_of, record_of
from gasearch.storage.schema import require_current
from gasearch.storage.sql_access import AUDITS, TOKENS, token_record
from gasearch.storage.sql_queue import IN_TURN, SUBMISSIONS, submission_record
from gasearch.storage.tables import (
    HAS_FAILED,
    IS_FINAL,
    IS_OPEN,
    audit,
    candidates,
    evaluations,
    exports,
    finals,
    front,
    replicates,
    searches,
    submissions,
    tokens,
    tuning_trials,
    verifications,
)
from gasearch.storage.values import storable

T = TypeVar("T")
_CHUNK = 500  #: Rows per transaction of a stream: a reader that pauses must hold no snapshot, or the WAL would grow.
MOST_FRONTS = 16  #: Remembered: one of a thousand networks takes about a megabyte.
_METRIC_COLUMNS = frozenset({*STANDARD_METRICS, "flops"})


class SqlReader:
    """An `ArchiveReader` over a read-only engine; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        """Read through an engine whose schema is known to be current."""
        self._engine = engine
        self._counting = Counting()
        self._fronts: dict[int, tuple[tuple[Any, ...], list[dict[str, float]]]] = {}

    def searches(self) -> list[SearchRecord]:
        statement = questions.SEARCHES.order_by(searches.c.id.desc())
        return [record_of(SearchRecord, row) for row in self._fetch(statement)]

    def search(self, name: str) -> SearchRecord:
        found = self._fetch(questions.SEARCHES.where(searches.c.name == storable(name)))
        if not found:
            raise self._unknown(name)
        return record_of(SearchRecord, found[0], checksums.SEARCHES, checksums.STANDINGS)

    def counts(self, search_id: int) -> Counts:
        with as_store_errors(self._engine.url):
            return self._read(lambda connection: self._counting.counts(connection, search_id))

    def front(self, search_id: int) -> list[EvaluatedNetwork]:
        return self._networks(questions.MEMBERS.where(front.c.search_id == search_id).order_by(front.c.candidate))

    def front_metrics(self, search_id: int) -> list[dict[str, float]]:
        with as_store_errors(self._engine.url):
            return list(self._read(lambda connection: self._front_metrics(connection, search_id)))

    def _front_metrics(self, connection: Connection, search_id: int) -> list[dict[str, float]]:
        """Those of the front as it stands, read anew only where an outcome came since."""
        newest = tuple(connection.execute(questions.NEWEST_OUTCOME, {"of_search": search_id}).one())
        known, metrics = self._fronts.get(search_id, (None, []))
        if known != newest:
            statement = questions.MEMBERS_METRICS.where(front.c.search_id == search_id).order_by(front.c.candidate)
            metrics = [metrics_of(row) for row in connection.execute(statement).mappings()]
            if len(self._fronts) >= MOST_FRONTS:
                self._fronts.clear()
            self._fronts[search_id] = (newest, metrics)
        return metrics

    def best(
        self,
        search_id: int,
        *,
        metric: str,
        is_maximized: bool,
        limits: Sequence[Limit] = (),
        count: int = 1,
    ) -> list[EvaluatedNetwork]:
        if not {metric, *(limit.metric for limit in limits)} <= _METRIC_COLUMNS:
            return self._best_by_own_metrics(search_id, metric, is_maximized, limits, count)
        column = evaluations.c[metric]
        statement = (
            questions.NETWORKS.where(evaluations.c.search_id == search_id, column.is_not(None), *map(_within, limits))
            .order_by(column.desc() if is_maximized else column.asc(), evaluations.c.candidate)
            .limit(count)
        )
        return self._networks(statement)

    def _best_by_own_metrics(
        self, search_id: int, metric: str, is_maximized: bool, limits: Sequence[Limit], count: int
    ) -> list[EvaluatedNetwork]:
        """The same where a metric has no column (efficiency, a custom evaluator's own): every outcome is looked at."""
        from gasearch.storage.measured import Measured, judged_by

        order = Objective(metric=metric, is_maximized=is_maximized)
        every = Measured.of(self.outcomes(search_id, [metric, *judged_by(limits)]))
        numbers = every.having([metric]).within(limits).best([order], count)
        found = {network.number: network for network in self.numbered(search_id, numbers)}
        return [found[number] for number in numbers]

    def network(self, search_id: int, key: str) -> EvaluatedNetwork:
        first = storable(key)
        matches = self._fetch(
            questions.ALL_NETWORKS.where(
                candidates.c.search_id == search_id,
                candidates.c.key >= first,
                candidates.c.key < first + "~",  # keys are ASCII, compared bytewise: all that begin so, and no other
            )
            .order_by(candidates.c.key)
            .limit(4)
        )
        if not matches:
            raise UnknownSearch(f"no network of this search has a key that begins with {key!r}")
        if len(matches) > 1 and matches[0]["key"] != key:
            shown = ", ".join(row["key"] for row in matches[:3]) + (", ..." if len(matches) > 3 else "")
            raise UnknownSearch(f"more than one network has a key that begins with {key!r}: {shown}")
        return evaluated_network(matches[0])

    def networks(self, search_id: int) -> Iterator[EvaluatedNetwork]:
        statement = questions.NETWORKS.where(evaluations.c.search_id == search_id)
        for row in self._stream(statement, evaluations.c.arrival):
            yield evaluated_network(row)

    def numbered(self, search_id: int, numbers: Sequence[int]) -> list[EvaluatedNetwork]:
        found: list[EvaluatedNetwork] = []
        ordered = sorted(set(numbers))
        for start in range(0, len(ordered), _CHUNK):
            some = candidates.c.number.in_(ordered[start : start + _CHUNK])
            of_search = questions.ALL_NETWORKS.where(candidates.c.search_id == search_id, some)
            found += self._networks(of_search.order_by(candidates.c.number))
        return found

    def newest(self, search_id: int, *, count: int) -> list[EvaluatedNetwork]:
        return self._newest(search_id, count)

    def failed(self, search_id: int, *, count: int) -> list[EvaluatedNetwork]:
        return self._newest(search_id, count, HAS_FAILED, questions.IS_NO_STOP)

    def _newest(self, search_id: int, count: int, *conditions: Any) -> list[EvaluatedNetwork]:
        of_search = questions.NETWORKS.where(evaluations.c.search_id == search_id, *conditions)
        return self._networks(of_search.order_by(evaluations.c.arrival.desc()).limit(count))

    def newest_failures(self, search_id: int, kinds: Sequence[str]) -> list[FailedAttempt]:
        found = [self._fetch(questions.NEWEST_FAILURE.params(of_search=search_id, kind=kind)) for kind in kinds]
        return [FailedAttempt(**row) for newest in found for row in newest]

    def failures(self, search_id: int) -> list[FailedAttempt]:
        of_search = questions.FAILURES.where(evaluations.c.search_id == search_id)
        return [FailedAttempt(**row) for row in self._fetch(of_search)]

    def candidates(self, search_id: int) -> Iterator[CandidateRecord]:
        statement = select(candidates).where(candidates.c.search_id == search_id)
        for row in self._stream(statement, candidates.c.number):
            yield record_of(CandidateRecord, row, checksums.CANDIDATES)

    def evaluations(self, search_id: int, *, with_curves: bool = True) -> Iterator[EvaluationRecord]:
        statement = select(evaluations).where(evaluations.c.search_id == search_id, IS_FINAL)
        for row in self._stream(statement, evaluations.c.arrival):
            yield evaluation_record(row, with_curve=with_curves)

    def outcomes(self, search_id: int, metrics: Sequence[str]) -> OutcomeColumns:
        reading = ColumnReading(search_id, metrics)
        streamed = reading.statement.execution_options(yield_per=CHUNK)
        with as_store_errors(self._engine.url):
            return self._read(lambda connection: reading.collect(connection.execute(streamed).partitions()))

    def has_metric(self, search_id: int, metric: str) -> bool:
        return bool(self._fetch(measured_somewhere(search_id, storable(metric))))

    def trainings(self, search_id: int, numbers: Sequence[int]) -> list[EvaluationRecord]:
        of_these = evaluations.c.candidate.in_(numbers), questions.IS_FINAL_OF_FEW
        return self._attempts(search_id, *of_these, by=evaluations.c.arrival)

    def retried(self, search_id: int) -> list[EvaluationRecord]:
        return self._attempts(search_id, HAS_FAILED, questions.IS_RETRIED, by=evaluations.c.candidate)

    def attempts_of(self, search_id: int, number: int) -> list[EvaluationRecord]:
        return self._attempts(search_id, evaluations.c.candidate == number, by=evaluations.c.candidate)

    def _attempts(self, search_id: int, *conditions: Any, by: Column[int]) -> list[EvaluationRecord]:
        of_search = select(evaluations).where(evaluations.c.search_id == search_id, *conditions)
        return list(map(evaluation_record, self._fetch(of_search.order_by(by, evaluations.c.attempt))))

    def stays(self, search_id: int, number: int) -> list[Stay]:
        of_candidate = questions.STAYS.where(front.c.search_id == search_id, front.c.candidate == number)
        return [Stay(**row) for row in self._fetch(of_candidate.order_by(front.c.entered))]

    def hypervolume(self, search_id: int) -> float | None:
        newest = select(evaluations.c.hypervolume).where(evaluations.c.search_id == search_id, IS_FINAL)
        found = self._fetch(newest.order_by(evaluations.c.arrival.desc()).limit(1))
        return found[0]["hypervolume"] if found else None

    def falls(self, search_id: int) -> list[Fall]:
        found = [
            Fall(arrival=row["arrival"], key=row["key"], by=row["before"] - row["after"])
            for row in self._fetch(questions.RETRAINED.where(replicates.c.search_id == search_id))
            if row["before"] is not None and row["after"] is not None and row["before"] > row["after"]
        ]
        return sorted(found, key=lambda fall: fall.arrival)

    def replicates(self, search_id: int) -> list[ReplicateRecord]:
        return self._records(ReplicateRecord, checksums.REPLICATES, search_id, by="id")

    def operators(self, search_id: int) -> list[OperatorCounts]:
        statement = questions.OPERATORS.where(evaluations.c.search_id == search_id)
        found = [OperatorCounts(**row) for row in self._fetch(statement)]
        return sorted(found, key=lambda counts: (-counts.gain, counts.operator))

    def reusable(self, context: str, keys: Sequence[str]) -> dict[str, list[EvaluationRecord]]:
        if not context or not keys:
            return {}
        statement = questions.REUSABLE.where(searches.c.context == context, candidates.c.key.in_(keys))
        found: dict[str, list[EvaluationRecord]] = {}
        for row in self._fetch(statement.order_by(searches.c.id)):
            if row["key"] is not None:
                found.setdefault(row["key"], []).append(evaluation_record(row))
        return found

    def generations(self, search_id: int) -> list[GenerationRecord]:
        return self._records(GenerationRecord, checksums.GENERATIONS, search_id, by="number")

    def events(self, search_id: int) -> list[EventRecord]:
        return self._records(EventRecord, checksums.EVENTS, search_id, by="id")

    def calibrations(self, search_id: int) -> tuple[Calibration, ...]:
        return tuple(self._records(Calibration, checksums.CALIBRATIONS, search_id, by="device"))

    def trials(self, search_id: int, key: str) -> list[TuningTrial]:
        of_network = tuning_trials.c.key == key
        return self._records(TuningTrial, checksums.TUNING_TRIALS, search_id, of_network, by="id")

    def finals(self, search_id: int, key: str | None = None) -> list[FinalRecord]:
        of_network = () if key is None else (finals.c.key == key,)
        return self._records(FinalRecord, checksums.FINALS, search_id, *of_network, by="id")

    def final_network(self, search_id: int, final_id: int) -> bytes:
        of_training = select(finals).where(finals.c.search_id == search_id, finals.c.id == final_id)
        found = self._fetch(of_training.where(finals.c.packed.is_not(None)))
        if not found:
            raise UnknownSearch(f"no network of a final training {final_id} is stored")
        require_intact(found[0], checksums.FINALS, checksums.FINAL_NETWORKS)
        return bytes(found[0]["packed"])

    def exports(self, search_id: int, key: str) -> list[ExportRecord]:
        return self._records(ExportRecord, checksums.EXPORTS, search_id, exports.c.key == key, by="id")

    def verifications(self, search_id: int, key: str | None = None) -> list[VerificationRecord]:
        of_network = () if key is None else (verifications.c.key == key,)
        return self._records(VerificationRecord, checksums.VERIFICATIONS, search_id, *of_network, by="id")

    def tokens(self) -> list[TokenRecord]:
        return [token_record(row) for row in self._fetch(TOKENS.order_by(tokens.c.id))]

    def token(self, digest: str) -> TokenRecord | None:
        found = self._fetch(TOKENS.where(tokens.c.digest == digest))
        return token_record(found[0]) if found else None

    def audits(self, *, count: int, before: int | None = None) -> list[AuditRecord]:
        older = () if before is None else (audit.c.id < before,)
        rows = self._fetch(AUDITS.where(*older).limit(count))
        return [record_of(AuditRecord, row, checksums.AUDIT) for row in rows]

    def submissions(self) -> list[SubmissionRecord]:
        return list(map(submission_record, self._fetch(SUBMISSIONS.where(IS_OPEN).order_by(*IN_TURN))))

    def ended_submissions(self, *, count: int) -> list[SubmissionRecord]:
        ended = SUBMISSIONS.where(submissions.c.ended_at.is_not(None))
        newest = ended.order_by(submissions.c.ended_at.desc(), submissions.c.id.desc()).limit(count)
        return list(map(submission_record, self._fetch(newest)))

    def submission(self, name: str) -> SubmissionRecord | None:
        of_name = SUBMISSIONS.where(submissions.c.name == storable(name))
        found = self._fetch(of_name.order_by(submissions.c.id.desc()).limit(1))
        return submission_record(found[0]) if found else None

    def require_current(self) -> None:
        require_current(self._engine)

    def _records(self, kind: type[T], sum_: Sum, search_id: int, *conditions: Any, by: str) -> list[T]:
        """All records of a kind that a search has, in the order of a column; their bytes are asked for one by one."""
        columns = (column for column in sum_.table.columns if not isinstance(column.type, LargeBinary))
        of_search = select(*columns).where(sum_.table.c.search_id == search_id, *conditions)
        return [record_of(kind, row, sum_) for row in self._fetch(of_search.order_by(sum_.table.c[by]))]

    def _networks(self, statement: Executable) -> list[EvaluatedNetwork]:
        return list(map(evaluated_network, self._fetch(statement)))

    def close(self) -> None:
        self._engine.dispose()

    def _fetch(self, statement: Executable) -> Sequence[RowMapping]:
        """All rows of a statement, in a transaction of its own."""
        with as_store_errors(self._engine.url):
            return self._read(lambda connection: connection.execute(statement).mappings().all())

    def _read(self, question: Callable[[Connection], T]) -> T:
        """Answer a question in one transaction."""
        with self._engine.connect() as connection, answering(connection):
            return question(connection)

    def _stream(self, statement: Select[Any], position: Column[int]) -> Iterator[RowMapping]:
        """The rows of a statement in the order of a unique column, a chunk at a time."""
        last = -1
        while chunk := self._fetch(statement.where(position > last).order_by(position).limit(_CHUNK)):
            yield from chunk
            last = chunk[-1][position.name]

    def _unknown(self, name: str) -> UnknownSearch:
        names = [row["name"] for row in self._fetch(select(searches.c.name))]
        match difflib.get_close_matches(name, names, n=1, cutoff=0.5):
            case [nearest]:
                return UnknownSearch(f"there is no search named {name!r}; did you mean {nearest!r}?")
            case _:
                return UnknownSearch(f"there is no search named {name!r}; `gasearch list` shows all of them")


def _within(limit: Limit) -> ColumnElement[bool]:
    """`Limit.is_kept_by` as a condition: with the spread where there is one; a missing metric keeps none."""
    value: ColumnElement[float] = type_coerce(evaluations.c[limit.metric], Double())  # the bound may be a fraction
    if limit.metric in SPREADS:
        spread = func.coalesce(evaluations.c[SPREADS[limit.metric]], literal(0.0, Double()))
        value = value + spread if limit.is_upper else value - spread
    condition: ColumnElement[bool] = limit.is_met(value)
    return condition
