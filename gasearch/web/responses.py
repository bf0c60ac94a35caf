"""The answers of the API: the rows that `gasearch … --format json` prints, and one form for every error.

The models of the answers are made of the dataclasses in `gasearch.query`: what is added there, is answered here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from http import HTTPStatus
from types import GenericAlias, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, create_model
from starlette.responses import JSONResponse, Response

from gasearch.errors import BadInput
from gasearch.storage.archive import ArchiveReader

LONGEST_TEXT = 200  #: Characters of a parameter.

_Number = int | float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContent:
    """The cause of a refusal."""

    status: int
    kind: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """The form of every error."""

    error: ErrorContent


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The statuses of the errors that a route declares, each in that form."""
    return {status: {"model": Error} for status in statuses}


def refusals_as_json(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route whose answers are no JSON: FastAPI would describe its errors as what its answers are."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Error.__name__}"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def refusal(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as JSON.

    Args:
        status: Of HTTP.
        kind: A word for programs.
        message: A sentence for people.
        headers: Further ones.
    """
    error = Error(error=ErrorContent(status=status, kind=kind, message=message))
    return JSONResponse(dataclasses.asdict(error), status, headers=headers)


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _ObjectWithMetrics(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, bool | _Number]


def object_of(kind: type, *, without: str = "", has_metrics: bool = False) -> type[BaseModel]:
    """The model of the objects that a type's values become.

    Args:
        kind: A dataclass.
        without: Those of its fields, with spaces between, that the objects lack.
        has_metrics: Whether metrics, which each search names, stand in the objects beside the fields.
    """
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name not in without.split()}
    fields: dict[str, Any] = {name: (_in_json(hint), ...) for name, hint in hints.items()}
    base = _ObjectWithMetrics if has_metrics else _Object
    return create_model(kind.__name__, __base__=base, __doc__=kind.__doc__, **fields)


def array_of(model: type[BaseModel]) -> Any:
    """The model of an array of such objects."""
    return GenericAlias(list, (model,))


_of_part = cache(object_of)


def _in_json(hint: Any) -> Any:
    """The type of a field as JSON holds it: dates as texts, numbers that aren't finite as null."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _of_part(hint)
    match get_origin(hint), tuple(map(_in_json, get_args(hint))):
        case (None, _):
            return {float: float | None, datetime: str}.get(hint, hint)
        case (origin, parts) if origin is dict:
            return dict[str, _Number] if float in get_args(hint) else GenericAlias(dict, parts)
        case (origin, (item, *_)) if origin in (list, tuple):
            return GenericAlias(list, (item,))
        case (origin, choices) if origin in (Union, UnionType):
            return Union[choices]  # noqa: UP007 - of any number
    return hint


def shared_reader(request: Request) -> ArchiveReader:
    """A dependency: the read-only reader of all requests."""
    reader: ArchiveReader = request.app.state.reader()
    return reader


async def known_parameters(request: Request) -> None:
    """A dependency that refuses parameters which the route doesn't have: a mistyped limit would be none.

    Raises:
        BadInput: naming them.
    """
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        there_are = f"there are {', '.join(known)}" if known else "there are none"
        raise BadInput(f"unknown parameters: {', '.join(name[:LONGEST_TEXT] for name in unknown)}; {there_are}")
