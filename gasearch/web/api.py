"""The routes of version 1: searches, tokens and the audit log as JSON, each from one function of `query`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints

from gasearch.query import comparison, lineage
from gasearch.query.access import AuditEntry, TokenSummary, audit_entries, token_summaries
from gasearch.query.answers import FrontPoint, GenerationStats, Row, SearchDescription, SearchSummary
from gasearch.query.asked import parse_limits
from gasearch.query.best_finalists import best_finalists
from gasearch.query.finals import Finalist, finalists
from gasearch.query.front import best_points, front_points
from gasearch.query.history import generations_of
from gasearch.query.summary import describe_search, list_searches, search_summary
from gasearch.query.target import parse_target
from gasearch.query.trade import Trade
from gasearch.query.trade import trade as price_of
from gasearch.storage.archive import ArchiveReader
from gasearch.web.auth import admin, reader
from gasearch.web.questions import turn
from gasearch.web.responses import LONGEST_TEXT, array_of, known_parameters, object_of, refusals, shared_reader

Reader = Annotated[ArchiveReader, Depends(shared_reader)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x1f\x7f]+$")]
Names = Annotated[list[Text], Query(max_length=comparison.MOST_COMPARED, default_factory=list)]
By = Annotated[str | None, Query(max_length=LONGEST_TEXT)]
LimitText = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
TargetText = Annotated[str | None, Query(max_length=LONGEST_TEXT)]
Gain = Annotated[str, Query(alias="for", max_length=LONGEST_TEXT)]
FromKey = Annotated[str | None, Query(alias="from", max_length=LONGEST_TEXT)]
Where = Annotated[list[LimitText], Query(max_length=16, default_factory=list)]
Depth = Annotated[int, Query(ge=0, le=1000)]  #: Generations of ancestors.
Count = Annotated[int, Query(ge=1, le=1000)]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]

NETWORKS = array_of(object_of(FrontPoint, without="number metrics is_on_front is_verified", has_metrics=True))
FINALISTS = array_of(object_of(Finalist, without="metrics is_verified", has_metrics=True))
GENERATIONS = array_of(object_of(GenerationStats, without="best", has_metrics=True))

STATUSES = refusals(400, 401, 403, 404, 422, 429, 503)
reading = APIRouter(
    prefix="/api/v1", dependencies=[Depends(reader), Depends(turn), Depends(known_parameters)], responses=STATUSES
)
administration = APIRouter(
    prefix="/api/v1", dependencies=[Depends(admin), Depends(turn), Depends(known_parameters)], responses=STATUSES
)


@reading.get("/searches", response_model=array_of(object_of(SearchSummary)))
def searches(archive: Reader) -> list[Row]:
    """All searches, newest first."""
    return [summary.row() for summary in list_searches(archive)]


@reading.get("/searches/{name}", response_model=object_of(SearchDescription))
def search(name: Text, archive: Reader) -> Row:
    """Describe one search: what it was asked, and where it stands."""
    return describe_search(archive, name).row()


@reading.get("/searches/{name}/status", response_model=object_of(SearchSummary))
def status(name: Text, archive: Reader) -> Row:
    """Where one search stands."""
    return search_summary(archive, name).row()


@reading.get("/searches/{name}/front", response_model=NETWORKS)
def front(*, name: Text, archive: Reader, by: By = None, where: Where) -> list[Row]:
    """The Pareto front, all of it or under limits."""
    return [point.row() for point in front_points(archive, name, parse_limits(where), by)]


@reading.get("/searches/{name}/finals", response_model=FINALISTS)
def finals(*, name: Text, archive: Reader, by: By = None, where: Where) -> list[Row]:
    """The networks that were trained again from scratch; limits say which of these may be on the front after it."""
    return [one.row() for one in finalists(archive, name, parse_limits(where), by)]


@reading.get("/searches/{name}/finals/best", response_model=FINALISTS)
def best_final(
    *,
    name: Text,
    archive: Reader,
    by: By = None,
    where: Where,
    knee: bool = False,
    target: TargetText = None,
    count: Count = 1,
) -> list[Row]:
    """The best of these under limits, or the best bargains, or the nearest to a target; an empty array without any."""
    limits, wishes = parse_limits(where), parse_target(target) if target is not None else []
    found = best_finalists(archive, name, by=by, limits=limits, knee=knee, target=wishes, count=count)
    return [one.row() for one in found]


@reading.get("/searches/{name}/best", response_model=NETWORKS)
def best(
    *,
    name: Text,
    archive: Reader,
    by: By = None,
    where: Where,
    knee: bool = False,
    target: TargetText = None,
    count: Count = 1,
) -> list[Row]:
    """The best networks under limits, or the best bargains, or the nearest to a target; an empty array without any."""
    limits, wishes = parse_limits(where), parse_target(target) if target is not None else []
    points = best_points(archive, name, by=by, limits=limits, knee=knee, target=wishes, count=count)
    return [point.row() for point in points]


@reading.get("/searches/{name}/trade", response_model=object_of(Trade))
def trade(*, name: Text, archive: Reader, gain: Gain, key: FromKey = None, where: Where) -> Row:
    """What it costs to be better by so much: the network of the front that loses least elsewhere, or none."""
    return price_of(archive, name, gain, key=key, limits=parse_limits(where)).row()


@reading.get("/searches/{name}/history", response_model=GENERATIONS)
def history(name: Text, archive: Reader) -> list[Row]:
    """Every finished generation, in order."""
    return [generation.row() for generation in generations_of(archive, name)]


@reading.get("/searches/{name}/operators", response_model=array_of(object_of(lineage.OperatorStats)))
def operators(name: Text, archive: Reader) -> list[Row]:
    """Which operators paid so far, greatest gain first."""
    return [one.row() for one in lineage.operators(archive, name)]


@reading.get("/searches/{name}/networks/{key}/why", response_model=object_of(lineage.Explanation))
def why(name: Text, key: Text, archive: Reader, depth: Depth = lineage.DEPTH) -> Row:
    """How a network came about, and why it is on the front or not; named by its key or a unique beginning of it."""
    return lineage.why(archive, name, key, depth=depth).row()


@reading.get("/compare", response_model=object_of(comparison.Comparison, without="curves"))
def compare(name: Names, archive: Reader) -> Row:
    """Searches with the same objectives side by side, each named by a parameter `name`; the first is the reference."""
    return comparison.compare(archive, name).row()


@administration.get("/tokens", response_model=array_of(object_of(TokenSummary)))
def tokens(archive: Reader) -> list[Row]:
    """All tokens, in the order in which they were made; no secrets."""
    return [one.row() for one in token_summaries(archive)]


@administration.get("/audit", response_model=array_of(object_of(AuditEntry)))
def audit(archive: Reader, count: Count = 100, before: Before = None) -> list[Row]:
    """Who did what, newest first; `before` takes the id of the last entry of the page before."""
    return [one.row() for one in audit_entries(archive, count=count, before=before)]
