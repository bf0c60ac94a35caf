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
    """Where a search stands; see `gasearch.query.answers.SearchSummary`."""

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
    """What a search was asked; see `gasearch.query.answers.SearchDescription`."""

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
    hypervolume_lost: float
    finished_at: str


class Operator(_Answer):
    """What the children of one operator came to; see `gasearch.query.lineage.OperatorStats`."""

    operator: str
    children: int
    measured: int
    entered: int
    gain: float
    gain_per_child: float


Metrics = dict[str, int | float | None]


class Step(_Answer):
    """A network in a lineage; see `gasearch.query.lineage.Step`."""

    depth: int
    key: str
    number: int
    generation: int
    operator: str
    parents: list[str]
    outcome: str
    is_reused: bool
    is_on_front: bool
    metrics: Metrics
    gain: float | None


class Expectation(_Answer):
    """What was expected of a metric; see `gasearch.query.lineage.Expectation`."""

    metric: str
    mean: float
    deviation: float
    measured: int | float | None


class Training(_Answer):
    """One training of a network; see `gasearch.query.lineage.TrainingStory`."""

    replicate: int
    told: int
    seed: int
    outcome: str
    message: str
    values: Metrics
    means: Metrics
    worker: str
    device: str
    seconds: float


class Stay(_Answer):
    """A stay on the front; see `gasearch.query.lineage.FrontStay`."""

    entered: int
    left: int | None
    left_for: str | None


class Rival(_Answer):
    """A member of the front that dominates the network."""

    key: str
    number: int
    metrics: Metrics


class Explanation(_Answer):
    """All that explains one network; see `gasearch.query.lineage.Explanation`."""

    verdict: str
    steps: list[Step]
    is_cut: bool
    expected: list[Expectation]
    trainings: list[Training]
    stays: list[Stay]
    rivals: list[Rival]
    operators: list[Operator]


class Spending(_Answer):
    """What had been spent when something was reached."""

    evaluations: int
    active_seconds: float
    device_seconds: float


class Compared(_Answer):
    """One of the compared searches; see `gasearch.query.comparison.Compared`."""

    name: str
    evaluations: int
    active_seconds: float
    device_seconds: float
    front_size: int
    hypervolume: float
    best: Metrics
    reached: Spending | None


class Mark(_Answer):
    """The hypervolumes after equal spending; see `gasearch.query.comparison.Mark`."""

    by: Literal["evaluations", "active_seconds", "device_seconds"]
    share: float
    at: float
    hypervolumes: dict[str, float]


class Comparison(_Answer):
    """Searches side by side; see `gasearch.query.comparison.Comparison`."""

    objectives: dict[str, Literal["max", "min"]]
    constraints: list[str]
    ideal: Metrics
    reference: Metrics
    searches: list[Compared]
    marks: list[Mark]


class ErrorContent(_Answer):
    """What went wrong."""

    status: int
    kind: str
    message: str


class Error(_Answer):
    """The form of every error."""

    error: ErrorContent
