"""What the API answers, as Pydantic models: the same fields and numbers as `gasearch … --format json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Health(_Answer):
    """The server lives."""

    status: Literal["ok"] = "ok"


class Status(_Answer):
    """Where a search stands; see `gasearch.answers.SearchSummary`."""

    name: str
    state: str
    reason: str
    is_active: bool
    owner: str | None
    objectives: dict[str, Literal["max", "min"]]
    told: int
    budget: int | None
    hours: float | None
    algorithm: str
    mode: str
    candidates: int
    failures: dict[str, int]
    causes: dict[str, str]
    stopped: int
    stopped_seconds: float | None
    finished_seconds: float | None
    saved_seconds: float | None
    reused: int
    replicates: int
    retries: int
    front_size: int
    hypervolume: float | None
    best: dict[str, int | float | None]
    generation: int
    active_seconds: float
    busy_seconds: float
    worker_seconds: float
    utilisation: float | None
    created_at: str  # ISO 8601, as the command line prints it
    updated_at: str


class Description(_Answer):
    """What a search was asked; see `gasearch.answers.SearchDescription`."""

    summary: Status
    spec: dict[str, Any]
    data: dict[str, Any]
    space_size: float | None
    space_fingerprint: str
    version: str


class Network(_Answer):
    """One measured network: each metric stands under its own name, in its native unit."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, int | float | None]

    key: str
    blueprint: dict[str, Any]


class Generation(_Answer):
    """A finished generation; the best values stand as `best_<metric>`."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, int | float | None]

    generation: int
    evaluations: int
    failures: int
    front_size: int
    hypervolume: float | None
    finished_at: str


class ErrorContent(_Answer):
    """What went wrong."""

    status: int
    kind: str
    message: str


class Error(_Answer):
    """The form of every error."""

    error: ErrorContent
