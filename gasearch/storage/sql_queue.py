"""The queue in SQL: what is done inside a transaction of the archive's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, and_, case, func, insert, or_, select, text, update

from gasearch.errors import LeaseLost, UnknownSearch, WrongState
from gasearch.storage import checksums
from gasearch.storage.checksums import require_intact, restamped, stamped
from gasearch.storage.owner import describe, is_gone
from gasearch.storage.queue import Claim, NewSubmission, SubmissionRecord, SubmissionState
from gasearch.storage.rows import record_of, row_of
from gasearch.storage.statements import is_stored
from gasearch.storage.tables import IS_OPEN, database_clock, searches, submissions
from gasearch.storage.values import Row, storable

LONGEST_MESSAGE = 4000
STOPPED = 130  #: The exit status of what a user stopped.
CANCELLED = "taken out of the queue"

_QUEUED, _CLAIMED, _ENDED = map(str, SubmissionState)
_every = submissions.alias("every")
_taken = case(
    (_every.c.state == _ENDED, func.coalesce(_every.c.worker_seconds, 0.0)),
    (searches.c.worker_seconds > _every.c.seconds_before, searches.c.worker_seconds - _every.c.seconds_before),
    else_=0.0,
)
#: What each submitter uses. Summed once, not for each row: a long queue would be quadratic.
_USAGE = (
    select(
        _every.c.submitter,
        func.sum(case((_every.c.state == _CLAIMED, 1), else_=0)).label("running"),
        func.sum(_taken).label("spent_seconds"),
    )
    .select_from(_every.outerjoin(searches, and_(_every.c.state != _ENDED, searches.c.name == _every.c.name)))
    .group_by(_every.c.submitter)
    .subquery("usage")
)
_IS_HELD = and_(submissions.c.state == _CLAIMED, submissions.c.lease_until > database_clock())
#: Submissions, with what their submitters use.
SUBMISSIONS = select(submissions, _IS_HELD.label("is_held"), _USAGE.c.running, _USAGE.c.spent_seconds).join(
    _USAGE, _USAGE.c.submitter == submissions.c.submitter
)
#: Who stands in the queue, few rows however long it is: whether there may be something to claim, at little cost.
HOLDERS = select(submissions.c.state, submissions.c.controller, _IS_HELD.label("is_held")).where(IS_OPEN).distinct()
IN_TURN = (submissions.c.priority.desc(), submissions.c.id)
_MAY_BEGIN = and_(
    submissions.c.state == _QUEUED,
    or_(submissions.c.searches.is_(None), _USAGE.c.running < submissions.c.searches),
    or_(submissions.c.device_hours.is_(None), _USAGE.c.spent_seconds < 3600.0 * submissions.c.device_hours),
)


def submission_record(row: Row) -> SubmissionRecord:
    """The submission that a row of `SUBMISSIONS` holds.

    Raises:
        StoreError: if it isn't the one that was written.
    """
    return record_of(SubmissionRecord, row, checksums.SUBMISSIONS)


def submission_of(connection: Connection, submission_id: int) -> SubmissionRecord:
    """The submission of that id."""
    return submission_record(connection.execute(SUBMISSIONS.where(submissions.c.id == submission_id)).mappings().one())


def is_claimable(holder: Row) -> bool:
    """Whether one of `HOLDERS` leaves something to claim: what it waits for, or what its controller left behind."""
    return holder["state"] == _QUEUED or not holder["is_held"] or is_gone(holder["controller"])


def insert_submission(connection: Connection, new: NewSubmission, now: float) -> int:
    """Store a submission; returns its id.

    Args:
        connection: In the transaction.
        new: The submission.
        now: By the database's clock.

    Raises:
        WrongState: if one of that name has not ended, or the name of a new search is taken.
        UnknownSearch: if there is no search to go on with.
    """
    _lock_queue(connection)
    if connection.execute(select(submissions.c.id).where(IS_OPEN, submissions.c.name == new.name)).first() is not None:
        raise WrongState(f"{new.name!r} is in the queue already: see `gasearch queue`, or choose another name")
    spent: float | None = connection.execute(
        select(searches.c.worker_seconds).where(searches.c.name == new.name)
    ).scalar()
    if spent is not None and new.spec_json is not None:
        raise WrongState(f"there is a search named {new.name!r} already: choose another name")
    if spent is None and new.spec_json is None:
        raise UnknownSearch(f"there is no search named {new.name!r} to go on with")
    row = row_of(new) | {"submitted_at": now, "seconds_before": spent or 0.0, "state": _QUEUED, "message": ""}
    row |= {"is_stop_requested": False, "controller": None, "epoch": 0, "lease_until": 0.0}
    row |= dict.fromkeys(("exit_status", "ended_at", "worker_seconds"))
    stored = insert(submissions).values(stamped(row, checksums.SUBMISSIONS)).returning(submissions.c.id)
    found: int = connection.execute(stored).scalar_one()
    return found


def claim_next(connection: Connection, controller: str, ttl_s: float, now: float) -> SubmissionRecord | None:
    """Claim whose turn it is; None where nothing may begin.

    Args:
        connection: In the transaction.
        controller: Who will run it,
        ttl_s: holding it for so long.
        now: By the database's clock.

    Raises:
        StoreError: if its row isn't the one that was written.
    """
    _lock_queue(connection)  # else two claims at once would each count what runs without the other's
    rows = connection.execute(SUBMISSIONS.where(IS_OPEN, submissions.c.state == _CLAIMED)).mappings().all()
    left = [row for row in rows if is_claimable(row)]
    first = SUBMISSIONS.where(IS_OPEN, _MAY_BEGIN).order_by(*IN_TURN).limit(1)
    turn = sorted([*left, *connection.execute(first).mappings()], key=lambda row: (-row["priority"], row["id"]))
    if not turn:
        return None
    row = turn[0]
    require_intact(row, checksums.SUBMISSIONS)
    held = {"controller": controller, "epoch": row["epoch"] + 1, "lease_until": now + ttl_s}
    _change(connection, row, {"state": _CLAIMED, **held})
    return submission_of(connection, row["id"])


def renew_claims(connection: Connection, controller: str, ttl_s: float, now: float) -> list[SubmissionRecord]:
    """Prolong all that a controller holds; returns it.

    Args:
        connection: In the transaction.
        controller: The holder,
        ttl_s: for so long from now on.
        now: By the database's clock.
    """
    own = select(submissions).where(IS_OPEN, submissions.c.controller == controller).order_by(submissions.c.id)
    rows = connection.execute(own.with_for_update()).mappings().all()
    for row in rows:
        _change(connection, row, {"lease_until": now + ttl_s})
    return [submission_of(connection, row["id"]) for row in rows]


def end_claimed(connection: Connection, claim: Claim, exit_status: int, message: str, now: float) -> None:
    """End a submission.

    Args:
        connection: In the transaction.
        claim: Of its controller.
        exit_status: Of the command that ran it,
        message: and its last words.
        now: By the database's clock.

    Raises:
        LeaseLost: if it is another controller's by now, or has ended.
    """
    row = _own(connection, claim)
    end = {"exit_status": exit_status, "message": storable(message)[:LONGEST_MESSAGE], "state": _ENDED}
    _change(connection, row, {**end, "ended_at": now, "worker_seconds": _spent_since(connection, row)})


def hand_claimed_back(connection: Connection, claim: Claim) -> None:
    """Put a submission back into the queue, at its old place.

    Raises:
        LeaseLost: if it is another controller's by now, or has ended.
    """
    _change(connection, _own(connection, claim), {"state": _QUEUED, "controller": None, "lease_until": 0.0})


def stop_open(connection: Connection, name: str, now: float) -> int | None:
    """End a submission that is queued, or ask the controller of one that isn't; returns its id, None without any.

    Args:
        connection: In the transaction.
        name: Of the search.
        now: By the database's clock.
    """
    row = _locked(connection, IS_OPEN, submissions.c.name == storable(name))
    if row is None:
        return None
    if row["state"] == _QUEUED:
        end = {"state": _ENDED, "exit_status": STOPPED, "message": CANCELLED, "ended_at": now}
        _change(connection, row, end | {"worker_seconds": _spent_since(connection, row)})
    else:
        _change(connection, row, {"is_stop_requested": True})
    found: int = row["id"]
    return found


def is_left(connection: Connection, claim: Claim, state: SubmissionState) -> bool:
    """Whether what that controller held, and nobody since, has that state.

    Args:
        connection: In the transaction.
        claim: Of the controller.
        state: The state.
    """
    left = {"id": claim.submission_id, "epoch": claim.epoch, "state": str(state)}
    return is_stored(connection, submissions, left, *left)


def _own(connection: Connection, claim: Claim) -> RowMapping:
    held = {"controller": claim.controller, "epoch": claim.epoch, "state": _CLAIMED}
    same = (submissions.c[name] == value for name, value in held.items())
    row = _locked(connection, submissions.c.id == claim.submission_id, *same)
    if row is None:
        raise LeaseLost(
            f"submission {claim.submission_id} no longer belongs to {describe(claim.controller)} (epoch "
            f"{claim.epoch}): another controller has taken it over, or it has ended; nothing more was written"
        )
    return row


def _locked(connection: Connection, *conditions: Any) -> RowMapping | None:
    """The one row that fulfils the conditions, locked until the commit."""
    return connection.execute(select(submissions).where(*conditions).with_for_update()).mappings().one_or_none()


def _spent_since(connection: Connection, row: Row) -> float:
    """What workers have spent on the search since it was submitted."""
    of_name = select(searches.c.worker_seconds).where(searches.c.name == row["name"])
    spent = (connection.execute(of_name).scalar() or 0.0) - row["seconds_before"]
    return max(0.0, float(spent))


def _change(connection: Connection, row: Row, changes: dict[str, Any]) -> None:
    values = restamped(row, changes, table=submissions)
    connection.execute(update(submissions).where(submissions.c.id == row["id"]).values(values))


def _lock_queue(connection: Connection) -> None:
    """Let nobody else submit, claim or end until the commit; SQLite has locked the whole file already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE submissions IN SHARE ROW EXCLUSIVE MODE"))
