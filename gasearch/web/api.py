"""The routes of version 1: searches as JSON, read-only, each from one function of `query`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.routing import APIRoute
from pydantic import StringConstraints

from gasearch.errors import BadInput
from gasearch.query import comparison, lineage
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
from gasearch.web.auth import require_token
from gasearch.web.questions import turn
from gasearch.web.responses import Error, array_of, object_of

LONGEST_TEXT = 200


def archive_reader(request: Request) -> ArchiveReader:
    """The read-only reader of all requests."""
    reader: ArchiveReader = request.app.state.reader()
    return reader


async def known_parameters(request: Request) -> None:
    """Refuse parameters that the route doesn't have: a mistyped limit would be none.

    Raises:
        BadInput: naming them.
    """
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        there_are = f"there are {', '.join(known)}" if known else "there are none"
        raise BadInput(f"unknown parameters: {', '.join(name[:LONGEST_TEXT] for name in unknown)}; {there_are}")


Reader = Annotated[ArchiveReader, Depends(archive_reader)]
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

NETWORKS = array_of(object_of(FrontPoint, without="number metrics is_on_front is_verified", has_metrics=True))
FINALISTS = array_of(object_of(Finalist, without="metrics is_verified", has_metrics=True))
GENERATIONS = array_of(object_of(GenerationStats, without="best", has_metrics=True))

reading = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(require_token), Depends(turn), Depends(known_parameters)],
    responses={status: {"model": Error} for status in (400, 401, 404, 422, 429, 503)},
)


@reading.get("/searches", response_model=array_of(object_of(SearchSummary)))
def searches(reader: Reader) -> list[Row]:
    """All searches, newest first."""
    return [summary.row() for summary in list_searches(reader)]


@reading.get("/searches/{name}", response_model=object_of(SearchDescription))
def search(name: Text, reader: Reader) -> Row:
    """Describe one search: what it was asked, and where it stands."""
    return describe_search(reader, name).row()


@reading.get("/searches/{name}/status", response_model=object_of(SearchSummary))
def status(name: Text, reader: Reader) -> Row:
    """Where one search stands."""
    return search_summary(reader, name).row()


@reading.get("/searches/{name}/front", response_model=NETWORKS)
def front(*, name: Text, reader: Reader, by: By = None, where: Where) -> list[Row]:
    """The Pareto front, all of it or under limits."""
    return [point.row() for point in front_points(reader, name, parse_limits(where), by)]


@reading.get("/searches/{name}/finals", response_model=FINALISTS)
def finals(*, name: Text, reader: Reader, by: By = None, where: Where) -> list[Row]:
    """The networks that were trained again from scratch; limits say which of these may be on the front after it."""
    return [one.row() for one in finalists(reader, name, parse_limits(where), by)]


@reading.get("/searches/{name}/finals/best", response_model=FINALISTS)
def best_final(
    *,
    name: Text,
    reader: Reader,
    by: By = None,
    where: Where,
    knee: bool = False,
    target: TargetText = None,
    count: Count = 1,
) -> list[Row]:
    """The best of these under limits, or the best bargains, or the nearest to a target; an empty array without any."""
    limits, wishes = parse_limits(where), parse_target(target) if target is not None else []
    found = best_finalists(reader, name, by=by, limits=limits, knee=knee, target=wishes, count=count)
    return [one.row() for one in found]


@reading.get("/searches/{name}/best", response_model=NETWORKS)
def best(
    *,
    name: Text,
    reader: Reader,
    by: By = None,
    where: Where,
    knee: bool = False,
    target: TargetText = None,
    count: Count = 1,
) -> list[Row]:
    """The best networks under limits, or the best bargains, or the nearest to a target; an empty array without any."""
    limits, wishes = parse_limits(where), parse_target(target) if target is not None else []
    points = best_points(reader, name, by=by, limits=limits, knee=knee, target=wishes, count=count)
    return [point.row() for point in points]


@reading.get("/searches/{name}/trade", response_model=object_of(Trade))
def trade(*, name: Text, reader: Reader, gain: Gain, key: FromKey = None, where: Where) -> Row:
    """What it costs to be better by so much: the network of the front that loses least elsewhere, or none."""
    return price_of(reader, name, gain, key=key, limits=parse_limits(where)).row()


@reading.get("/searches/{name}/history", response_model=GENERATIONS)
def history(name: Text, reader: Reader) -> list[Row]:
    """Every finished generation, in order."""
    return [generation.row() for generation in generations_of(reader, name)]


@reading.get("/searches/{name}/operators", response_model=array_of(object_of(lineage.OperatorStats)))
def operators(name: Text, reader: Reader) -> list[Row]:
    """Which operators paid so far, greatest gain first."""
    return [one.row() for one in lineage.operators(reader, name)]


@reading.get("/searches/{name}/networks/{key}/why", response_model=object_of(lineage.Explanation))
def why(name: Text, key: Text, reader: Reader, depth: Depth = lineage.DEPTH) -> Row:
    """How a network came about, and why it is on the front or not; named by its key or a unique beginning of it."""
    return lineage.why(reader, name, key, depth=depth).row()


@reading.get("/compare", response_model=object_of(comparison.Comparison, without="curves"))
def compare(name: Names, reader: Reader) -> Row:
    """Searches with the same objectives side by side, each named by a parameter `name`; the first is the reference."""
    return comparison.compare(reader, name).row()
