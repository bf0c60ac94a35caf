"""What readers ask, as SQL: each question is answered from an index."""

from __future__ import annotations

from gasearch_workers.messages import STANDARD_METRICS, FailureKind
from sqlalchemy import BindParameter, and_, bindparam, case, func, literal, select, text
from sqlalchemy.types import Double

from gasearch.storage.records import REUSED
from gasearch.storage.tables import (
    HAS_FAILED,
    IS_CURRENT,
    IS_NEWEST,
    IS_TOLD,
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
    *(
        candidates.c[name]
        for name in ("number", "key", "generation", "parents", "operator", "network_json", "predicted")
    ),
    *(evaluations.c[name] for name in STANDARD_METRICS),
    *(evaluations.c[name] for name in ("others", "arrival", "failure", "failure_message", "curve", "worker", "device")),
    *(evaluations.c[name] for name in ("latency_device", "energy_source", "versions", "seed", "gain")),
    front.c.candidate.is_not(None).label("is_on_front"),
)
#: `IS_TOLD` and `IS_NEWEST` where few candidates are asked about: the plus keeps SQLite from walking through all told
#: outcomes of the search in the order of arrival, where the primary key finds those of a candidate.
IS_TOLD_OF_FEW = text("+evaluations.arrival >= 0")
IS_NEWEST_OF_FEW = text("+evaluations.arrival >= 0 AND evaluations.replaced IS NULL")
#: Told candidates, with the newest that came of them.
NETWORKS = select(*SHOWN).select_from(
    evaluations.join(candidates, OF_CANDIDATE).outerjoin(front, ON_FRONT)
).where(IS_NEWEST)  # fmt: skip
#: The same, and the candidates in flight too.
ALL_NETWORKS = select(*SHOWN).select_from(
    candidates.outerjoin(evaluations, and_(OF_CANDIDATE, IS_NEWEST_OF_FEW)).outerjoin(front, ON_FRONT)
)
IS_NO_STOP = text(f"evaluations.failure <> '{FailureKind.STOPPED}'")
FAILURES = (
    select(
        *(evaluations.c[name] for name in ("candidate", "attempt", "key", "failure")),
        evaluations.c.failure_message.label("message"),
        (evaluations.c.arrival < 0).label("is_retried"),
    )
    .where(HAS_FAILED, IS_NO_STOP)
    .order_by(evaluations.c.candidate, evaluations.c.attempt)
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
#: By what came of them: how many outcomes were told, how many attempts weren't, and the time that they took. One walk
#: through the rows: 0.1 s for 200,000.
TOTALS = select(
    evaluations.c.failure,
    func.count(case((IS_TOLD, 1))).label("told"),
    func.count(case((and_(IS_TOLD, IS_REUSED), 1))).label("reused"),
    func.count(case((and_(IS_TOLD, evaluations.c.replicate.is_not(None)), 1))).label("replicates"),
    func.count(case((IS_RETRIED, 1))).label("retried"),
    func.count(case((~IS_REUSED, 1))).label("attempts"),
    func.coalesce(func.sum(case((~IS_REUSED, WORKED_S))), literal(0.0, Double())).label("seconds"),
).group_by(evaluations.c.failure)
_OF_SEARCH: BindParameter[int] = bindparam("of_search")
#: How many candidates there are, how many on the front, and the generation of the newest: one statement for all.
SIZES = select(
    select(func.count()).select_from(candidates).where(candidates.c.search_id == _OF_SEARCH)
    .scalar_subquery().label("candidates"),
    select(func.count()).select_from(front).where(front.c.search_id == _OF_SEARCH, IS_CURRENT)
    .scalar_subquery().label("front_size"),
    select(candidates.c.generation).where(candidates.c.search_id == _OF_SEARCH)
    .order_by(candidates.c.number.desc()).limit(1)
    .scalar_subquery().label("generation"),
)  # fmt: skip
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
    .where(IS_TOLD, evaluations.c.replicate.is_(None))
    .group_by(candidates.c.operator)
)
IS_REUSABLE = and_(IS_TOLD_OF_FEW, evaluations.c.replicate.is_(None), evaluations.c.failure.is_(None))
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
            IS_TOLD_OF_FEW,
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
        and_(evaluations.c.search_id == front.c.search_id, evaluations.c.arrival == front.c.exited, IS_TOLD),
    )
)
FINAL = evaluations.alias("final")
#: The plus as above: without it SQLite walks through 100,000 outcomes for each replicate.
IS_FINAL = text("+final.arrival >= 0")
#: Retried attempts of trainings without a final outcome.
OPEN_FAILURES = (
    select(
        evaluations.c.candidate,
        evaluations.c.failure,
        func.count().label("attempts"),
        func.max(evaluations.c.attempt).label("newest"),
    )
    .where(HAS_FAILED, IS_RETRIED)
    .where(
        ~select(literal(1))
        .where(
            FINAL.c.search_id == evaluations.c.search_id,
            FINAL.c.candidate == evaluations.c.candidate,
            IS_FINAL,
            FINAL.c.replicate.is_not_distinct_from(evaluations.c.replicate),
        )
        .exists()
    )
    .group_by(evaluations.c.candidate, evaluations.c.failure)
    .order_by(evaluations.c.candidate, evaluations.c.failure)
)
#: The newest attempt of candidates with a decided replicate that has no final outcome.
BEFORE_OPEN_REPLICATES = (
    select(replicates.c.candidate, func.max(evaluations.c.attempt).label("newest"))
    .select_from(
        replicates.join(
            evaluations,
            and_(evaluations.c.search_id == replicates.c.search_id, evaluations.c.candidate == replicates.c.candidate),
        )
    )
    .where(
        ~select(literal(1))
        .where(
            FINAL.c.search_id == replicates.c.search_id,
            FINAL.c.candidate == replicates.c.candidate,
            IS_FINAL,
            FINAL.c.replicate == replicates.c.replicate,
        )
        .exists()
    )
    .group_by(replicates.c.candidate)
    .order_by(replicates.c.candidate)
)
