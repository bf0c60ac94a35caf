"""The archive's writes in SQL: each one transaction, fenced by the lease, durable when it returns."""

# ruff: noqa: D102 - the contract in archive.py documents these methods, once for every implementation

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from gasearch_workers.messages import Calibration
from sqlalchemy import Connection, Engine, RowMapping, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from gasearch.errors import BadInput, StoreError, UnknownSearch, WrongState
from gasearch.objectives.fitness import FrontChange
from gasearch.storage import checksums
from gasearch.storage.access import Actor, AuditRecord, NewToken, TokenRecord
from gasearch.storage.checksums import Sum, require_intact, restamped, stamped
from gasearch.storage.engines import BUSY_S, IS_OVER, sqlite_path
from gasearch.storage.faults import as_store_errors, shown
from gasearch.storage.leases import HOLDS_LEASE, is_running, lease_values, own_search, require_lease, update_search
from gasearch.storage.owner import being_run
from gasearch.storage.patience import Patience
from gasearch.storage.questions import SEARCHES
from gasearch.storage.queue import Claim, NewSubmission, SubmissionRecord, SubmissionState
from gasearch.storage.records import (
    CandidateRecord,
    EvaluationRecord,
    EventRecord,
    ExportRecord,
    FinalRecord,
    GenerationRecord,
    Lease,
    NewSearch,
    ReplicateRecord,
    SearchRecord,
    SearchStatus,
    TuningTrial,
    VerificationRecord,
)
from gasearch.storage.rows import evaluation_row, record_of, row_of
from gasearch.storage.sql_access import insert_audit, insert_token, revoke_kept, token_of
from gasearch.storage.sql_queue import (
    HOLDERS,
    claim_next,
    end_claimed,
    hand_claimed_back,
    insert_submission,
    is_claimable,
    is_left,
    renew_claims,
    stop_open,
    submission_of,
)
from gasearch.storage.sql_reader import SqlReader
from gasearch.storage.sqlite_file import CHECKPOINT_EVERY_S, SqliteFile, checkpoint
from gasearch.storage.statements import Prepared, insert_fenced_evaluation, insert_once, is_stored
from gasearch.storage.tables import (
    IS_CURRENT,
    IS_NEWEST,
    audit,
    database_clock,
    evaluations,
    exports,
    finals,
    front,
    metadata,
    search_column,
    searches,
    submissions,
    tokens,
    verifications,
)
from gasearch.storage.values import Row, numbers_json, storable

T = TypeVar("T")
#: Work inside a transaction. It takes whether an earlier try may have been committed, unknown to us.
Work = Callable[[Connection, bool], T]

_EXIT_FRONT = (
    update(front)
    .where(front.c.search_id == bindparam("of_search"), front.c.candidate == bindparam("leaving"), IS_CURRENT)
    .values(exited=bindparam("arrival"))
)
_REPLACE = (
    update(evaluations)
    .where(evaluations.c.search_id == bindparam("of_search"), evaluations.c.candidate == bindparam("of_candidate"))
    .where(IS_NEWEST, evaluations.c.arrival < bindparam("by"))
    .values(replaced=bindparam("by"))
)
_SAME_OUTCOME = ("search_id", "candidate", "checksum")
_FREE = {"owner": None, "lease_until": 0.0, "is_stop_requested": False}


class SqlArchive(SqlReader):
    """An `Archive`: reads as any reader does, and writes through one held connection; `renew` has its own."""

    def __init__(self, engine: Engine, reading: Engine) -> None:
        """Write through the one engine, read through the other; both over the same, current schema."""
        super().__init__(reading)
        self._writing = engine
        self._held: Connection | None = None
        is_sqlite = engine.dialect.name == "sqlite"
        self._file = SqliteFile(sqlite_path(engine.url), shown(engine.url)) if is_sqlite else None
        self._checkpointed_at = time.monotonic()
        self._patience = Patience(engine.url)
        self._add_evaluation = Prepared(insert_fenced_evaluation(engine, HOLDS_LEASE), engine)
        self._replace = Prepared(_REPLACE, engine)
        self._enter_front = Prepared(insert(front), engine)
        self._exit_front = Prepared(_EXIT_FRONT, engine)

    def be_patient(
        self, seconds: float, *, notice: Callable[[str], None], is_over: Callable[[], bool] = lambda: False
    ) -> None:
        self._patience.seconds, self._patience.notice, self._patience.is_over = seconds, notice, is_over
        for engine in (self._writing, self._engine):
            engine.update_execution_options(**{IS_OVER: is_over})

    # --- the lease --------------------------------------------------------------------------------------------------

    def create_search(self, new: NewSearch, *, owner: str, ttl_s: float) -> Lease:
        row = row_of(new) | _FREE | {"state": str(SearchStatus.RUNNING), "reason": "", "owner": owner, "epoch": 1}
        row |= {"active_seconds": 0.0, "worker_seconds": 0.0, "reference_point": None, "reference_ideal": None}

        def work(connection: Connection, is_repeat: bool) -> Lease:
            now = _now(connection)
            times = {"created_at": now, "updated_at": now, "lease_until": now + ttl_s}
            values = stamped(row | times, checksums.SEARCHES, checksums.STANDINGS, checksums.LEASES)
            create = insert_once(connection, searches).values(values).returning(searches.c.id)
            search_id = connection.execute(create).scalar_one_or_none()
            if search_id is None:  # there is one of that name, perhaps made at the same moment
                taken = connection.execute(SEARCHES.where(searches.c.name == new.name)).mappings().one()
                if not (is_repeat and taken["owner"] == owner and taken["epoch"] == 1):
                    raise WrongState(
                        f"there is a search named {taken['name']!r} already: go on with `gasearch resume "
                        f"{taken['name']}`, or choose another name"
                    )
                search_id = taken["id"]
            return Lease(search_id=search_id, owner=owner, epoch=1)

        return self._transact(work)

    def claim(self, name: str, *, owner: str, ttl_s: float) -> Lease:
        self._require_sound_file()

        def work(connection: Connection, is_repeat: bool) -> Lease:
            row = self._locked_search(connection, name)
            if row["owner"] != owner and is_running(row):
                raise WrongState(being_run(name, row["owner"]))
            require_intact(row, checksums.SEARCHES, checksums.STANDINGS)
            taken = _FREE | {"owner": owner, "epoch": row["epoch"] + 1, "lease_until": row["now"] + ttl_s}
            taken |= {"state": str(SearchStatus.RUNNING), "reason": "", "updated_at": row["now"]}
            values = stamped({**row, **taken}, checksums.LEASES)  # what it was before has no meaning any more
            taken = restamped(row, taken) | {"lease_checksum": values["lease_checksum"]}
            connection.execute(update(searches).where(searches.c.id == row["id"]).values(taken))
            return Lease(search_id=row["id"], owner=owner, epoch=row["epoch"] + 1)

        return self._transact(work)

    def renew(self, lease: Lease, *, ttl_s: float, active_s: float = 0.0, worker_s: float = 0.0) -> bool:
        self._require_same_file()
        with as_store_errors(self._writing.url), self._writing.begin() as connection:  # not the held one: other thread
            row = own_search(connection, lease)
            later = {"lease_until": row["now"] + ttl_s, "active_seconds": row["active_seconds"] + active_s}
            later |= {"worker_seconds": row["worker_seconds"] + worker_s, "updated_at": row["now"]}
            update_search(connection, row, later)
        if time.monotonic() - self._checkpointed_at >= CHECKPOINT_EVERY_S:
            self._checkpoint(patience_s=0.0)  # who is in its way now is not at the next turn
        return bool(row["is_stop_requested"])

    def release(self, lease: Lease, *, state: SearchStatus, reason: str) -> None:
        values = _FREE | {"state": str(state), "reason": storable(reason)}
        released = {"id": lease.search_id, "epoch": lease.epoch, "owner": None}

        def work(connection: Connection, is_repeat: bool) -> None:
            if is_repeat and is_stored(connection, searches, released, "id", "epoch", "owner"):
                return  # by the try before this one
            row = own_search(connection, lease)
            update_search(connection, row, values | {"updated_at": row["now"]})

        self._transact(work)

    def request_stop(self, name: str) -> SearchRecord:
        def work(connection: Connection, is_repeat: bool) -> SearchRecord:
            row = self._locked_search(connection, name)
            if not is_running(row):
                standing = "interrupted" if row["state"] == SearchStatus.RUNNING else row["state"]
                raise WrongState(f"search {name!r} can't be stopped: nobody runs it (it is {standing})")
            update_search(connection, row, {"is_stop_requested": True})
            return record_of(SearchRecord, row)

        return self._transact(work)

    def delete_search(self, name: str) -> SearchRecord:
        self._require_sound_file()
        deleted: list[SearchRecord] = []

        def work(connection: Connection, is_repeat: bool) -> SearchRecord:
            try:
                row = self._locked_search(connection, name)
            except UnknownSearch:
                if is_repeat and deleted:  # the first try went through, though its answer got lost
                    return deleted[0]
                raise
            if is_running(row):
                raise WrongState(being_run(name, row["owner"]))
            for table in reversed(metadata.sorted_tables):  # whatever refers to a row goes before it
                if (column := search_column(table)) is not None:
                    connection.execute(delete(table).where(column == row["id"]))
            deleted[:] = [record_of(SearchRecord, row)]
            return deleted[0]

        return self._transact(work)

    # --- the search -------------------------------------------------------------------------------------------------

    def update_spec(self, lease: Lease, *, spec_json: str) -> None:
        def work(connection: Connection, is_repeat: bool) -> None:
            row = own_search(connection, lease)
            update_search(connection, row, {"spec_json": spec_json, "updated_at": row["now"]})

        self._transact(work)

    def set_context(self, lease: Lease, *, context: str) -> None:
        def work(connection: Connection, is_repeat: bool) -> None:
            row = own_search(connection, lease)
            update_search(connection, row, {"context": context, "updated_at": row["now"]})

        self._transact(work)

    def set_reference(self, lease: Lease, *, ideal: tuple[float, ...], point: tuple[float, ...]) -> None:
        corners = {"reference_ideal": numbers_json(ideal), "reference_point": numbers_json(point)}

        def work(connection: Connection, is_repeat: bool) -> None:
            row = own_search(connection, lease)
            if row["reference_point"] is None:
                update_search(connection, row, corners)

        self._transact(work)

    def add_candidates(self, lease: Lease, records: Sequence[CandidateRecord]) -> None:
        self._add_all(lease, checksums.CANDIDATES, records, "search_id", "number", "key", stamp="born_at")

    def add_replicates(self, lease: Lease, records: Sequence[ReplicateRecord]) -> None:
        self._add_all(lease, checksums.REPLICATES, records, "search_id", "candidate", "replicate")

    def add_evaluations(self, lease: Lease, outcomes: Sequence[tuple[EvaluationRecord, FrontChange]]) -> bool:
        new = [evaluation_row(lease.search_id, record) for record, _ in outcomes]
        values = [row | lease_values(lease) for row in new]

        def work(connection: Connection, is_repeat: bool) -> bool:
            added = self._add_evaluation.execute(connection, values).rowcount
            if added < len(new):
                require_lease(connection, lease)
                if is_repeat and not added and is_stored(connection, evaluations, new[0], *_SAME_OUTCOME):
                    return True  # by the try before this one, all of them
                connection.rollback()
                return False
            for row, (record, change) in zip(new, outcomes, strict=True):
                self._note_consequences(connection, row, record, change)
            return True

        return not new or self._transact(work)

    def _note_consequences(
        self, connection: Connection, row: Row, record: EvaluationRecord, change: FrontChange
    ) -> None:
        """Let an outcome replace the one before of its candidate, and change the front."""
        of_search = {"of_search": row["search_id"]}
        if record.replicate > 0 and record.arrival >= 0 and row["replaced"] is None:
            self._replace.execute(connection, [of_search | {"of_candidate": record.candidate, "by": record.arrival}])
        if change.left:
            leaving = [of_search | {"arrival": record.arrival, "leaving": number} for number in change.left]
            self._exit_front.execute(connection, leaving)
        if change.entered:
            entry = {"search_id": row["search_id"], "entered": record.arrival, "exited": None}
            entering = [stamped(entry | {"candidate": number}, checksums.FRONT) for number in change.entered]
            self._enter_front.execute(connection, entering)

    def add_generation(self, lease: Lease, record: GenerationRecord) -> None:
        self._add(lease, checksums.GENERATIONS, row_of(record) | {"search_id": lease.search_id})

    def add_event(self, lease: Lease, event: EventRecord) -> None:
        row = row_of(event) | {"search_id": lease.search_id, "token": secrets.token_hex(16), "epoch": lease.epoch}
        self._add(lease, checksums.EVENTS, row, stamp="at")

    def add_calibration(self, lease: Lease, calibration: Calibration) -> None:
        row = row_of(calibration) | {"search_id": lease.search_id}
        self._add(lease, checksums.CALIBRATIONS, row, stamp="created_at")

    def add_trial(self, search_id: int, trial: TuningTrial) -> None:
        row = row_of(trial) | {"search_id": search_id}
        self._add(search_id, checksums.TUNING_TRIALS, row, stamp="created_at")

    def add_final(self, search_id: int, record: FinalRecord, packed: bytes | None = None) -> None:
        row = row_of(record) | {"search_id": search_id, "packed": packed, "size_bytes": len(packed or b"")}
        row["recipe_digest"] = hashlib.blake2b(record.recipe_json.encode(), digest_size=16).hexdigest()
        del row["id"]
        same = (finals.c[name] == row[name] for name in ("search_id", "key", "recipe_digest", "number"))
        failed_before = delete(finals).where(*same, finals.c.failure.is_not(None))

        def work(connection: Connection, is_repeat: bool) -> None:
            now = _lock_search(connection, search_id)  # else two at once could leave the failed one
            values = stamped(row | _at(now, "created_at"), checksums.FINALS, checksums.FINAL_NETWORKS)
            connection.execute(failed_before)
            connection.execute(insert_once(connection, finals), values)

        self._transact(work)

    def add_export(self, search_id: int, record: ExportRecord) -> None:
        row = row_of(record) | {"search_id": search_id}

        def work(connection: Connection, is_repeat: bool) -> None:
            now = _lock_search(connection, search_id)
            connection.execute(
                insert_once(connection, exports), stamped(row | _at(now, "created_at"), checksums.EXPORTS)
            )

        self._transact(work)

    def add_verification(self, search_id: int, record: VerificationRecord) -> None:
        row = row_of(record) | {"search_id": search_id}
        tried: list[dict[str, Any]] = []

        def work(connection: Connection, is_repeat: bool) -> None:
            now = _lock_search(connection, search_id)
            same = ("search_id", "checksum")  # which covers the time of the try
            if is_repeat and any(is_stored(connection, verifications, one, *same) for one in tried):
                return  # by a try before this one
            tried.append(stamped(row | _at(now, "created_at"), checksums.VERIFICATIONS))
            connection.execute(insert(verifications), tried[-1])

        self._transact(work)

    # --- who may ask ------------------------------------------------------------------------------------------------

    def add_token(self, new: NewToken, *, lifetime_s: float | None, actor: Actor) -> TokenRecord:
        def work(connection: Connection, is_repeat: bool) -> TokenRecord:
            if not (is_repeat and is_stored(connection, tokens, row_of(new), "digest")):
                insert_token(connection, new, lifetime_s, _now(connection))
                insert_audit(connection, _audited(actor, "token.create", new.name), _now(connection))
            return token_of(connection, tokens.c.digest == new.digest)

        return self._transact(work)

    def revoke_token(self, name: str, *, actor: Actor) -> TokenRecord:
        revoked: list[TokenRecord] = []

        def work(connection: Connection, is_repeat: bool) -> TokenRecord:
            found = revoke_kept(connection, name, _now(connection))
            if found is None and is_repeat and revoked:  # by the try before this one
                return revoked[0]
            if found is None:
                raise BadInput(f"there is no token named {name!r} to revoke; `gasearch token list` shows all")
            insert_audit(connection, _audited(actor, "token.revoke", name), _now(connection))
            revoked[:] = [found]
            return found

        return self._transact(work)

    def note_token_use(self, token_id: int) -> None:
        self._transact(
            lambda connection, _: connection.execute(
                update(tokens).where(tokens.c.id == token_id).values(used_at=database_clock())
            )
        )

    def add_audit(self, record: AuditRecord) -> None:
        tried: list[dict[str, Any]] = []

        def work(connection: Connection, is_repeat: bool) -> None:
            if not (is_repeat and any(is_stored(connection, audit, one, "checksum") for one in tried)):
                tried.append(insert_audit(connection, record, _now(connection)))

        self._transact(work)

    # --- the queue --------------------------------------------------------------------------------------------------

    def submit(self, new: NewSubmission, *, actor: Actor) -> SubmissionRecord:
        tried: list[float] = []

        def work(connection: Connection, is_repeat: bool) -> SubmissionRecord:
            for at in tried if is_repeat else ():
                stored = select(submissions.c.id).where(
                    submissions.c.name == new.name, submissions.c.submitted_at == at
                )
                if (found := connection.execute(stored).scalar()) is not None:  # by a try before this one
                    return submission_of(connection, found)
            tried.append(_now(connection))
            submission_id = insert_submission(connection, new, tried[-1])
            insert_audit(connection, _audited(actor, "search.submit", new.name), tried[-1])
            return submission_of(connection, submission_id)

        return self._transact(work)

    def claim_submission(self, *, controller: str, ttl_s: float) -> SubmissionRecord | None:
        if not any(map(is_claimable, self._fetch(HOLDERS))):
            return None  # as most times; nothing was locked for it
        tried: list[SubmissionRecord] = []

        def work(connection: Connection, is_repeat: bool) -> SubmissionRecord | None:
            for one in tried if is_repeat else ():
                if is_left(connection, one.claim, SubmissionState.CLAIMED):  # by a try before this one
                    return submission_of(connection, one.id)
            found = claim_next(connection, controller, ttl_s, _now(connection))
            tried.extend([] if found is None else [found])
            return found

        return self._transact(work)

    def renew_submissions(self, *, controller: str, ttl_s: float) -> list[SubmissionRecord]:
        return self._transact(lambda connection, _: renew_claims(connection, controller, ttl_s, _now(connection)))

    def end_submission(self, claim: Claim, *, exit_status: int, message: str) -> None:
        def work(connection: Connection, is_repeat: bool) -> None:
            if not (is_repeat and is_left(connection, claim, SubmissionState.ENDED)):
                end_claimed(connection, claim, exit_status, message, _now(connection))

        self._transact(work)

    def hand_back(self, claim: Claim) -> None:
        def work(connection: Connection, is_repeat: bool) -> None:
            if not (is_repeat and is_left(connection, claim, SubmissionState.QUEUED)):
                hand_claimed_back(connection, claim)

        self._transact(work)

    def stop_submission(self, name: str, *, actor: Actor) -> SubmissionRecord | None:
        tried: list[int] = []

        def work(connection: Connection, is_repeat: bool) -> SubmissionRecord | None:
            found = stop_open(connection, name, _now(connection))
            if found is not None:
                insert_audit(connection, _audited(actor, "search.stop", name), _now(connection))
                tried.append(found)
            elif is_repeat and tried:  # by the try before this one
                found = tried[-1]
            return None if found is None else submission_of(connection, found)

        return self._transact(work)

    # --- transactions -----------------------------------------------------------------------------------------------

    def _transact(self, work: Work[T]) -> T:
        """Do work in one transaction, again and again as long as patience lasts and it may succeed yet."""

        def attempt(is_repeat: bool) -> T:
            self._require_same_file()
            connection = self._connection()
            with connection.begin():
                result = work(connection, is_repeat)
            return result

        return self._patience.keep(attempt, self._drop_connection)

    def _read(self, question: Callable[[Connection], T]) -> T:
        ask = super()._read
        return self._patience.keep(lambda _: ask(question), lambda: None)

    def _require_sound_file(self) -> None:
        """Refuse a SQLite file whose tables and indexes contradict each other: a resume could miss rows, and not know.

        Takes 0.3 s for 100,000 evaluations.
        """
        if self._file is not None:
            found = self._fetch(text("PRAGMA integrity_check(1)"))[0]["integrity_check"]
            if found != "ok":
                cause = " ".join(found.split())
                raise StoreError(
                    f"{shown(self._writing.url)} is damaged ({cause}): see `gasearch db check`, and restore a backup"
                )

    def _require_same_file(self) -> None:
        """Refuse to write where it would reach nobody: SQLite goes on writing to a file that was deleted."""
        if self._file is not None:
            self._file.require_same()

    def _checkpoint(self, *, patience_s: float) -> None:
        """Write SQLite's log back into the file; what can't be written back now stays in the log, which is as good."""
        if self._file is None:
            return
        self._checkpointed_at = time.monotonic()
        with suppress(StoreError, SQLAlchemyError, sqlite3.Error, UnicodeDecodeError):
            self._file.require_same()
            pooled = self._writing.raw_connection()
            try:
                driver: Any = pooled.driver_connection
                checkpoint(driver, patience_s=patience_s)
            finally:
                pooled.close()

    def _connection(self) -> Connection:
        if self._held is None:
            self._held = self._writing.connect()
        return self._held

    def _drop_connection(self) -> None:
        """Close the held connection for good: after a failed write nothing is known about its state."""
        held, self._held = self._held, None
        if held is not None:
            held.invalidate()
            held.close()

    def _add(self, of: Lease | int, sum_: Sum, row: dict[str, Any], stamp: str = "") -> None:
        """Insert a row of a search, leased or not, unless it is there; `stamp` names the column that takes the time."""

        def work(connection: Connection, is_repeat: bool) -> None:
            now = require_lease(connection, of) if isinstance(of, Lease) else _lock_search(connection, of)
            connection.execute(insert_once(connection, sum_.table), stamped(row | _at(now, stamp), sum_))

        self._transact(work)

    def _add_all(self, lease: Lease, sum_: Sum, records: Sequence[Any], *key: str, stamp: str = "") -> None:
        """Insert the rows of records that aren't there yet, all or none."""
        if not records:
            return
        new = [row_of(record) | {"search_id": lease.search_id} for record in records]

        def work(connection: Connection, is_repeat: bool) -> None:
            now = _at(require_lease(connection, lease), stamp)
            if is_repeat and is_stored(connection, sum_.table, new[0], *key):
                return  # by the try before this one, all of them
            connection.execute(insert(sum_.table), [stamped(row | now, sum_) for row in new])

        self._transact(work)

    def _locked_search(self, connection: Connection, name: str) -> RowMapping:
        """The row of a search, locked until the commit."""
        of_name = SEARCHES.add_columns(database_clock().label("now")).where(searches.c.name == storable(name))
        statement = of_name.with_for_update(key_share=True)
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise self._unknown(name)
        return row

    def close(self) -> None:
        self._drop_connection()
        super().close()  # first: what it still reads would keep a part of the log
        self._checkpoint(patience_s=BUSY_S)
        self._writing.dispose()


def _now(connection: Connection) -> float:
    now: float = connection.execute(select(database_clock())).scalar_one()
    return now


def _lock_search(connection: Connection, search_id: int) -> float:
    """Keep a search from being deleted, and others from writing to it, until the commit; returns the time."""
    of_search = select(database_clock()).select_from(searches).where(searches.c.id == search_id)
    now: float | None = connection.execute(of_search.with_for_update(key_share=True)).scalar()
    if now is None:
        raise UnknownSearch("the search was deleted meanwhile: nothing more was written")
    return now


def _audited(actor: Actor, action: str, subject: str) -> AuditRecord:
    return AuditRecord(who=actor.name, address=actor.address, action=action, subject=subject)


def _at(now: float, column: str) -> dict[str, float]:
    """The time as the value of a column; nothing for a table without one."""
    return {column: now} if column else {}
