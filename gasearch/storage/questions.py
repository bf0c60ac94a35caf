"""Questions of readers as SQL: each is answered from an index."""

from __future__ import annotations

from gasearch_workers.messages import STANDARD_METRICS, FailureKind
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.types import Double

from gasearch.storage.records import REUSED
from gasearch.storage.rows import OF_OUTCOME
from gasearch.storage.tables import (
    HAS_FAILED,
    IS_CURRENT,
    IS_FINAL,
    IS_NEWEST,
    candidates,
    database_clock,
    evaluations,
    front,
    replicates,
    searches,
)

SEARCHES = select(
    searches,
    and_(searches.c.owner.is_not(None), searches.c.lease_until > database_clock()).label("is_owned"),
)
IS_RETRIED = text("evaluations.arrival < 0")
OF_CANDIDATE = and_(evaluations.c.search_id == candidates.c.search_id, evaluations.c.candidate == candidates.c.number)
IS_MEMBER = and_(front.c.search_id == candidates.c.search_id, front.c.candidate == candidates.c.number)
ON_FRONT = and_(IS_MEMBER, IS_CURRENT)
SHOWN = (
    *(column for column in candidates.columns if column.name not in ("search_id", "born_at", "checksum")),
    *(evaluations.c[name] for name in (*STANDARD_METRICS, "others", "arrival", "curve", "versions", *OF_OUTCOME)),
    front.c.candidate.is_not(None).label("is_on_front"),
)
#: `IS_FINAL` and `IS_NEWEST` where few candidates are asked about: the plus keeps SQLite from walking through all final
#: outcomes of the search in the order of arrival, where the primary key finds those of a candidate.
IS_FINAL_OF_FEW = text("+evaluations.arrival >= 0")
IS_NEWEST_OF_FEW = text("+evaluations.arrival >= 0 AND evaluations.replaced IS NULL")
#: Candidates with a final outcome, with the newest that came of them.
NETWORKS = select(*SHOWN).select_from(
    evaluations.join(candidates, OF_CANDIDATE).outerjoin(front, ON_FRONT)
).where(IS_NEWEST)  # fmt: skip
#: The same, and the candidates in flight too.
ALL_NETWORKS = select(*SHOWN).select_from(
    candidates.outerjoin(evaluations, and_(OF_CANDIDATE, IS_NEWEST_OF_FEW)).outerjoin(front, ON_FRONT)
)
IS_NO_STOP = text(f"evaluations.failure <> '{FailureKind.STOPPED}'")
_FAILED_ATTEMPTS = select(
    *(evaluations.c[name] for name in ("candidate", "attempt", "key", "failure")),
    evaluations.c.failure_message.label("message"),
    (evaluations.c.arrival < 0).label("is_retried"),
)
FAILURES = _FAILED_ATTEMPTS.where(HAS_FAILED, IS_NO_STOP).order_by(evaluations.c.candidate, evaluations.c.attempt)
#: The newest final failure of a kind: the last entry of an index.
NEWEST_FAILURE = (
    _FAILED_ATTEMPTS.where(evaluations.c.search_id == bindparam("of_search"), IS_FINAL)
    .where(evaluations.c.failure == bindparam("kind"))
    .order_by(evaluations.c.arrival.desc())
    .limit(1)
)
#: As `EvaluationResult.duration_s`.
WORKED_S = func.coalesce(
    evaluations.c.seconds,
    case(
        (evaluations.c.finished_at > evaluations.c.started_at, evaluations.c.finished_at - evaluations.c.started_at),
        else_=0.0,
    ),
)
IS_REUSED = evaluations.c.worker == REUSED
#: Of outcomes by what came of them: how many there are, and the time that they took. Where all final ones of a search
#: are asked about, `ix_evaluations_counted` has everything, in this order.
_SUMS = (
    func.count().label("outcomes"),
    func.count(case((IS_REUSED, 1))).label("reused"),
    func.count(evaluations.c.replicate).label("replicates"),
    func.count(case((~IS_REUSED, 1))).label("attempts"),
    func.coalesce(func.sum(case((~IS_REUSED, WORKED_S))), literal(0.0, Double())).label("seconds"),
)
TOTALS = select(evaluations.c.failure, *_SUMS).group_by(evaluations.c.failure)
#: The same of the newest outcomes, "" for a measurement. Not by the column itself: for its order SQLite would walk
#: through all of that index, where the place of arrival finds the few that are asked about.
_KIND: ColumnElement[str] = literal_column("coalesce(evaluations.failure, '')")
NEWEST_TOTALS = select(_KIND.label("failure"), *_SUMS).group_by(_KIND)
#: As `HAS_FAILED`, said so that the retried ones of each kind are found in `ix_evaluations_failed`.
_HAS_KIND = text(f"evaluations.failure IN ({', '.join(repr(str(kind)) for kind in FailureKind)})")
_OF_SEARCH: BindParameter[int] = bindparam("of_search")
_OF_THIS_SEARCH = evaluations.c.search_id == _OF_SEARCH
_NEWEST_FINAL = select(evaluations.c.arrival).where(_OF_THIS_SEARCH, IS_FINAL).order_by(evaluations.c.arrival.desc())
_NEWEST_CANDIDATE = (
    select(candidates.c.number).where(candidates.c.search_id == _OF_SEARCH).order_by(candidates.c.number.desc())
)
#: How far a search is, beyond what was known of it (see counting.py), and whether that still holds: one statement for
#: all. Each part reads an index, at its end or the few entries that there are.
SIZES = select(
    select(searches.c.created_at).where(searches.c.id == _OF_SEARCH)
    .scalar_subquery().label("created_at"),
    select(evaluations.c.checksum)
    .where(_OF_THIS_SEARCH, IS_FINAL, evaluations.c.arrival == bindparam("known_arrival", type_=Integer))
    .scalar_subquery().label("checksum"),
    select(func.count()).select_from(candidates)
    .where(candidates.c.search_id == _OF_SEARCH, candidates.c.number >= bindparam("from_candidate", type_=Integer))
    .scalar_subquery().label("newer_candidates"),
    _NEWEST_CANDIDATE.limit(1).scalar_subquery().label("newest_candidate"),
    _NEWEST_CANDIDATE.with_only_columns(candidates.c.generation).limit(1).scalar_subquery().label("generation"),
    _NEWEST_FINAL.limit(1).scalar_subquery().label("arrival"),
    _NEWEST_FINAL.with_only_columns(evaluations.c.checksum).limit(1).scalar_subquery().label("newest_checksum"),
    select(func.count()).select_from(evaluations)
    .where(_OF_THIS_SEARCH, _HAS_KIND, IS_RETRIED)
    .scalar_subquery().label("retried"),
    select(func.count()).select_from(front).where(front.c.search_id == _OF_SEARCH, IS_CURRENT)
    .scalar_subquery().label("front_size"),
)  # fmt: skip
#: What a search's front follows from: another outcome, search or restored backup has another one of these.
NEWEST_OUTCOME = select(
    select(searches.c.created_at).where(searches.c.id == _OF_SEARCH).scalar_subquery(),
    _NEWEST_FINAL.limit(1).scalar_subquery(),
    _NEWEST_FINAL.with_only_columns(evaluations.c.checksum).limit(1).scalar_subquery(),
)
OPERATORS = (
    select(
        candidates.c.operator,
        func.count().label("children"),
        func.count(case((evaluations.c.failure.is_(None), 1))).label("measured"),
        func.count(front.c.candidate).label("entered"),
        func.coalesce(func.sum(evaluations.c.gain), literal(0.0, Double())).label("gain"),
    )
    .select_from(
        evaluations.join(candidates, OF_CANDIDATE).outerjoin(
            front,
            and_(
                front.c.search_id == evaluations.c.search_id,
                front.c.candidate == evaluations.c.candidate,
                front.c.entered == evaluations.c.arrival,
            ),
        )
    )
    .where(IS_FINAL, evaluations.c.replicate.is_(None))
    .group_by(candidates.c.operator)
)
IS_REUSABLE = and_(IS_FINAL_OF_FEW, evaluations.c.replicate.is_(None), evaluations.c.failure.is_(None))
#: Candidates with what can be reused of them. Outer joins, here and below, for SQLite keeps their order: from a few
#: candidates to their outcomes, and not through all outcomes.
REUSABLE = select(evaluations).select_from(
    searches.join(candidates, candidates.c.search_id == searches.c.id).outerjoin(
        evaluations, and_(OF_CANDIDATE, IS_REUSABLE)
    )
)
#: The metrics of the members of fronts.
MEMBERS_METRICS = select(*(evaluations.c[name] for name in (*STANDARD_METRICS, "others"))).select_from(
    front.outerjoin(
        evaluations,
        and_(
            front.c.search_id == evaluations.c.search_id,
            front.c.candidate == evaluations.c.candidate,
            IS_NEWEST_OF_FEW,
        ),
    )
).where(IS_CURRENT, evaluations.c.failure.is_(None))  # fmt: skip
#: The members of fronts, with their outcomes.
MEMBERS = select(*SHOWN).select_from(
    front.outerjoin(candidates, IS_MEMBER).outerjoin(evaluations, and_(OF_CANDIDATE, IS_NEWEST_OF_FEW))
).where(IS_CURRENT)  # fmt: skip

EARLIER = evaluations.alias("earlier")
#: Further trainings with the hypervolumes before and after them; outer joins as above, from the few that there are.
RETRAINED = select(
    evaluations.c.arrival,
    candidates.c.key,
    EARLIER.c.hypervolume.label("before"),
    evaluations.c.hypervolume.label("after"),
).select_from(
    replicates.outerjoin(
        evaluations,
        and_(
            evaluations.c.search_id == replicates.c.search_id,
            evaluations.c.candidate == replicates.c.candidate,
            evaluations.c.replicate == replicates.c.replicate,
            IS_FINAL_OF_FEW,
        ),
    )
    .outerjoin(candidates, OF_CANDIDATE)
    .outerjoin(
        EARLIER,
        and_(
            EARLIER.c.search_id == evaluations.c.search_id,
            EARLIER.c.arrival == evaluations.c.arrival - 1,
            text("earlier.arrival >= 0"),
        ),
    )
)
#: Stays with the candidate of the outcome that ended them.
STAYS = select(front.c.entered, front.c.exited, evaluations.c.candidate.label("exited_by")).select_from(
    front.outerjoin(
        evaluations,
        and_(evaluations.c.search_id == front.c.search_id, evaluations.c.arrival == front.c.exited, IS_FINAL),
    )
)
