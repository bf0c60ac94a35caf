"""The routes for whoever operates the service: health, readiness, figures, and the description of the API."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from gasearch.storage.archive import ArchiveReader
from gasearch.web.auth import anyone, reader
from gasearch.web.metrics import CONTENT_TYPE, Metrics
from gasearch.web.questions import turn
from gasearch.web.responses import known_parameters, refusals, refusals_as_json, shared_reader

READY_S = 1.0  #: So long an answer about readiness holds: anyone may ask, and it costs a question to the database.

operations = APIRouter(dependencies=[Depends(known_parameters)])
FOR_READERS = [Depends(reader), Depends(turn)]


@operations.get("/healthz", dependencies=[Depends(anyone)], responses=refusals(400, 403, 422))
async def health() -> dict[Literal["status"], Literal["ok"]]:  # in no thread: all of them may be taken
    """The server lives; says nothing of its data."""
    return {"status": "ok"}


@operations.get("/readyz", dependencies=[Depends(anyone), Depends(turn)], responses=refusals(400, 403, 422, 429, 503))
def readiness(request: Request) -> dict[Literal["status"], Literal["ready"]]:
    """The database answers, and has the schema of this version."""
    state = request.app.state
    if time.monotonic() - state.ready_at > READY_S:
        state.reader().require_current()
        state.ready_at = time.monotonic()
    return {"status": "ready"}


class _Text(Response):
    media_type = CONTENT_TYPE


@operations.get(
    "/metrics",
    dependencies=FOR_READERS,
    response_class=_Text,
    responses=refusals_as_json(400, 401, 403, 422, 429, 503),
)
def metrics(request: Request, archive: Annotated[ArchiveReader, Depends(shared_reader)]) -> Response:
    """The service's figures for Prometheus."""
    of_app: Metrics = request.app.state.metrics
    return _Text(of_app.text(archive))


@operations.get("/api/v1/openapi.json", dependencies=FOR_READERS, responses=refusals(400, 401, 403, 422, 429, 503))
async def description(request: Request) -> dict[str, Any]:
    """This description of the API (OpenAPI)."""
    found: dict[str, Any] = request.app.openapi()
    return found
