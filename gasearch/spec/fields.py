"""The kinds of fields that a spec is made of; each says in words what it allows, for `explain.py` to quote."""

from __future__ import annotations

import math
from types import EllipsisType
from typing import Annotated, Any

from gasearch_workers.messages import FULL_PRECISION, Scalar
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

from gasearch.spec.explain import MOST_CHARACTERS, show


class Section(BaseModel):
    """A part of the spec: frozen, no unknown keys, only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def whole(default: Any, low: int, high: int) -> Any:
    """A field that holds a whole number; "3" and 3.0 are none.

    Args:
        default: Where the key is missing.
        low: The least.
        high: The greatest.
    """
    return Field(default, strict=True, ge=low, le=high, description=f"a whole number from {low:,} to {high:,}")


def flag(default: bool | None) -> Any:
    """A field that holds true or false."""
    return Field(default, strict=True, description="true or false")


def share(default: float | None) -> Any:
    """A field that holds a number from 0 to below 1."""
    return Field(default, strict=True, ge=0, lt=1, description="a number from 0 to below 1")


def positive(default: float | None, highest: float) -> Any:
    """A field that holds a number above 0."""
    return Field(default, strict=True, gt=0, le=highest, description=f"a number above 0, at most {highest:,}")


def amount(default: float, highest: float) -> Any:
    """A field that holds a number from 0 up."""
    return Field(default, strict=True, ge=0, le=highest, description=f"a number from 0 to {highest:,g}")


def word(default: Any) -> Any:
    """A field that holds one word of a Literal."""
    return Field(default)


_NAME = rf"^[^\x00-\x1f\x7f]{{1,{MOST_CHARACTERS}}}$"


def text(default: Any, description: str, pattern: str = _NAME) -> Any:
    """A field that holds a text without control characters, or of the given pattern.

    Args:
        default: Where the key is missing.
        description: What it takes, for messages.
        pattern: What it must match.
    """
    return Field(default, strict=True, pattern=pattern, description=description)


def function() -> Any:
    """A field that names an installed function, or none."""
    return text(None, '"package.module:function"', pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")


# --- lists of options -------------------------------------------------------------------------------------------


def as_list(value: object) -> object:
    """One option stands for a list of one."""
    return (value,) if isinstance(value, str | int | float) else only_a_list(value)


def only_a_list(value: object) -> object:
    """No set, no view and no generator, which have no order or are gone once they were read.

    Raises:
        not_allowed: for anything else, by its name.
    """
    if not isinstance(value, list | tuple):
        raise not_allowed()
    return value


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """At least one option, none twice.

    Raises:
        ValueError: if one comes twice.
        not_allowed: if there is none.
    """
    if not values:
        raise not_allowed()
    for position, value in enumerate(values):
        if value in values[:position]:
            equal = show(values[values.index(value)])
            raise ValueError(
                f"has {show(value)} twice"
                if show(value) == equal
                else f"has {equal} and {show(value)}, which are equal"
            )
    return values


def ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Distinct options in ascending order: neighbours are alike, and equal spaces have equal genes."""
    return tuple(sorted(distinct(values)))


def ascending_if_numeric(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Distinct options: numbers in ascending order, others in the order of the spec."""
    is_numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return ascending(values) if is_numeric else distinct(values)


def not_allowed() -> PydanticCustomError:
    """The error that says no more than the field's description does."""
    return PydanticCustomError("not_allowed", "not an allowed value")


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise not_allowed()
    return value


def _bits(value: int) -> int:
    if not 1 <= value <= 8 and value != FULL_PRECISION:
        raise not_allowed()
    return value


def _above_zero(value: float) -> float:
    if value <= 0:
        raise not_allowed()
    return value


def _scalar(value: object) -> Scalar:
    """A plain value, as JSON holds it: an evaluator gets the same type before and after a resume."""
    match value:
        case bool():
            return value
        case int():
            if abs(value) >= 10**MOST_DIGITS:
                raise ValueError(f"a whole number has at most {MOST_DIGITS} digits")
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case str():
            return str.__str__(value)  # of an enumeration's member its value
        case _:
            raise not_allowed()


def _layer_range(value: object) -> object:
    """One number of layers stands for a range of one."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return (value, value) if is_number else only_a_list(value)


def _from_one(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] < 1:
        raise not_allowed()
    return value


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"the fewest layers, {value[0]}, are more than the most, {value[1]}")
    return value


MOST_DIGITS = 300  #: Of a choice: what has more is no finite floating-point number.
MAX_LAYERS, MAX_WIDTH, MAX_KERNEL, MAX_HEADS, MAX_ROWS, MAX_CHOICES = 64, 8192, 11, 64, 1_000_000, 10_000

_Layers = Annotated[int, Field(strict=True, ge=0, le=MAX_LAYERS)]
_Width = Annotated[int, Field(strict=True, ge=1, le=MAX_WIDTH)]
_Size = Annotated[int, Field(strict=True, ge=2, le=MAX_ROWS)]
_Kernel = Annotated[int, Field(strict=True, ge=1, le=MAX_KERNEL), AfterValidator(_odd)]
_Heads = Annotated[int, Field(strict=True, ge=1, le=MAX_HEADS)]
_Bits = Annotated[int, Field(strict=True), AfterValidator(_bits)]
_ActivationBits = Annotated[int, Field(strict=True, ge=2), AfterValidator(_bits)]
_Sparsity = Annotated[float, Field(strict=True, ge=0, lt=1)]
_Rank = Annotated[float, Field(strict=True, le=1), AfterValidator(_above_zero)]

LayerRange = Annotated[tuple[_Layers, _Layers], BeforeValidator(_layer_range), AfterValidator(_ordered)]
LayerRangeFromOne = Annotated[LayerRange, AfterValidator(_from_one)]
Widths = Annotated[tuple[_Width, ...], BeforeValidator(as_list), AfterValidator(ascending)]
Sizes = Annotated[tuple[_Size, ...], BeforeValidator(as_list), AfterValidator(ascending)]
Kernels = Annotated[tuple[_Kernel, ...], BeforeValidator(as_list), AfterValidator(ascending)]
Heads = Annotated[tuple[_Heads, ...], BeforeValidator(as_list), AfterValidator(ascending)]
BitWidths = Annotated[tuple[_Bits, ...], BeforeValidator(as_list), AfterValidator(ascending)]
ActivationBits = Annotated[tuple[_ActivationBits, ...], BeforeValidator(as_list), AfterValidator(ascending)]
Sparsities = Annotated[tuple[_Sparsity, ...], BeforeValidator(as_list), AfterValidator(ascending)]
Ranks = Annotated[tuple[_Rank, ...], BeforeValidator(as_list), AfterValidator(ascending)]
Names = Annotated[tuple[Annotated[str, Field(strict=True, pattern=_NAME)], ...], BeforeValidator(as_list)]
Choice = Annotated[Scalar, PlainValidator(_scalar)]
Choices = Annotated[tuple[Choice, ...], BeforeValidator(as_list), AfterValidator(ascending_if_numeric)]


def layer_range(fewest: int = 0) -> Any:
    """The required field of the number of layers."""
    return Field(description=f"[fewest, most], whole numbers from {fewest} to {MAX_LAYERS}")


def widths(default: tuple[int, ...] | EllipsisType = ...) -> Any:
    """A field of widths to choose from, required where it has no default."""
    return Field(default, description=f"a list of whole numbers from 1 to {MAX_WIDTH:,}")


def sizes(default: tuple[int, ...]) -> Any:
    """A field of vocabulary sizes to choose from."""
    return Field(default, description=f"a list of whole numbers from 2 to {MAX_ROWS:,}")


def kernels() -> Any:
    """The field of the kernel sides to choose from."""
    return Field((3,), description=f"a list of odd whole numbers from 1 to {MAX_KERNEL}")


def heads() -> Any:
    """The field of the numbers of attention heads to choose from."""
    return Field((2,), description=f"a list of whole numbers from 1 to {MAX_HEADS}")


def bit_widths(fewest: int) -> Any:
    """A field of precisions to choose from."""
    return Field((8,), description=f"a list of whole numbers from {fewest} to 8, or {FULL_PRECISION} for float")


def sparsities() -> Any:
    """A field of shares to remove."""
    return Field((0.0,), description="a list of numbers from 0 to below 1")


def ranks() -> Any:
    """A field of shares of the full rank."""
    return Field((1.0,), description="a list of numbers above 0, at most 1")


def names() -> Any:
    """A field of names of columns."""
    return Field((), max_length=10_000, description="a list of names of columns")


def texts(description: str) -> Any:
    """A field of texts that need not be said."""
    return Field(None, max_length=1_000, description=description)


def choices() -> Any:
    """The required field of the choices of a decision."""
    return Field(max_length=MAX_CHOICES, description="a list of texts, finite numbers, true or false")
