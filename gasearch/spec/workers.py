"""The `workers` section of a spec: where the evaluations run, and what each may take there."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from gasearch_workers.sandbox.environment import is_name, is_secret
from pydantic import AfterValidator, BeforeValidator, Field

from gasearch.errors import SpecError
from gasearch.objectives.units import parse_quantity
from gasearch.spec import fields
from gasearch.spec.fields import Section

LEAST_MEMORY: Final = 100 * 10**6  #: Bytes; a Python with NumPy takes half of it.
LEAST_DISK: Final = 10**6
MOST_BYTES: Final = 10**15
_MOST_VARIABLES: Final = 100


def _count(value: object) -> object:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value != "auto" and not (is_whole and 0 <= value <= 1024):  # type: ignore[operator]
        raise fields.not_allowed()
    return value


def _gpus(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "auto" and not (is_number and 0 <= value <= 64):  # type: ignore[operator]
        raise fields.not_allowed()
    return value


def _bytes(value: object, words: tuple[str, ...], lowest: int) -> object:
    """One of the words, or a size as bytes."""
    if value in words:
        return value
    try:
        size = parse_quantity(value, metric="model_bytes") if isinstance(value, str) else value
    except SpecError as error:
        raise fields.not_allowed() from error
    if not isinstance(size, int | float) or isinstance(size, bool) or not lowest <= size <= MOST_BYTES:
        raise fields.not_allowed()
    return round(size)


def _memory(value: object) -> object:
    return _bytes(value, ("auto", "off"), LEAST_MEMORY)


def _disk(value: object) -> object:
    return _bytes(value, ("off",), LEAST_DISK)


def _variable(name: str) -> str:
    if not is_name(name):
        raise ValueError("the name of an environment variable is letters, digits and _ that begin with no digit")
    if is_secret(name):
        raise ValueError("settings of gasearch, of Ray and of the database are never passed on to an evaluation")
    return name


class WorkersSpec(Section):
    """Where the evaluations run."""

    count: Annotated[int | Literal["auto"], BeforeValidator(_count)] = Field(
        default="auto", description="auto or a whole number from 0 (in the controller's own process) to 1,024"
    )
    cpus: float = fields.amount(1, 1024)  #: Per worker.
    gpus: Annotated[float | Literal["auto"], BeforeValidator(_gpus)] = Field(
        default="auto", description="auto (a quarter of one, where there is one) or a number from 0 to 64"
    )  #: Per worker; a fraction lets workers share one.
    address: str | None = fields.text(None, "the address of a Ray cluster")
    time_limit_s: float | None = fields.positive(None, 1_000_000)  #: Wall seconds of one evaluation.
    memory_limit: Annotated[int | Literal["auto", "off"], BeforeValidator(_memory)] = Field(
        default="auto",
        description="auto (an equal share of 90 % of the node's memory), off, "
        "or a size from 100 MB to 1 PB, such as 4 GB",
    )  #: Of an evaluation and all that it starts.
    disk_limit: Annotated[int | Literal["off"], BeforeValidator(_disk)] = Field(
        default=10**9, description="off, or a size from 1 MB to 1 PB, such as 1 GB"
    )  #: Of a file that an evaluator writes, and of its temporary folder.
    environment: Annotated[
        tuple[Annotated[str, Field(strict=True), AfterValidator(_variable)], ...], BeforeValidator(fields.as_list)
    ] = Field(
        default=(), max_length=_MOST_VARIABLES, description="a list of names of environment variables"
    )  #: That evaluations see besides those that hold no secret.

    @property
    def memory_limit_bytes(self) -> int | None:
        """The memory limit, where it is a number."""
        return self.memory_limit if isinstance(self.memory_limit, int) else None

    @property
    def disk_limit_bytes(self) -> int | None:
        """The disk limit, where there is one."""
        return self.disk_limit if isinstance(self.disk_limit, int) else None
