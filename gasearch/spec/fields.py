"""The kinds of fields that a spec is made of; each says in words what it allows, for `explain.py` to quote."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, TypeGuard

from gasearch_workers.messages import FULL_PRECISION, Scalar
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

from gasearch.spec.explain import MOST_CHARACTERS, show


class Section(BaseModel):
    """A part of the spec: frozen, no unknown keys, only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed_keys(self) -> list[str]:
        """The keys whose values are not the defaults."""
        return [key for key, field in type(self).model_fields.items() if getattr(self, key) != field.default]


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


_NAME = rf"^[^\x00-\x1f\x7f]{{1,{MOST_CHARACTERS}}}$"


def text(default: Any, description: str, pattern: str = _NAME) -> Any:
    """A field that holds a text without control characters, or of the given pattern.

    Args:
        default: Where the key is missing.
        description: What it takes, for messages.
        pattern: What it must match.
    """
    return Field(default, strict=True, pattern=pattern, description=description)


#: How `text` takes the name of an installed function.
FUNCTION: Final = {
    "description": '"package.module:function"',
    "pattern": r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
}


def function() -> Any:
    """A field that names an installed function, or none."""
    return text(None, **FUNCTION)


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


def is_number(value: object) -> TypeGuard[int | float]:
    """True if it is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def none_twice(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Options of which none comes twice.

    Raises:
        ValueError: if one does.
    """
    for position, value in enumerate(values):
        if value in values[:position]:
            came, equal = show(value), show(values[values.index(value)])
            raise ValueError(f"has {came} twice" if came == equal else f"has {equal} and {came}, which are equal")
    return values


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """At least one option, none twice.

    Raises:
        not_allowed: if there is none.
    """
    if not values:
        raise not_allowed()
    return none_twice(values)


def ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Distinct options in ascending order: neighbours are alike, and equal spaces have equal genes."""
    return tuple(sorted(distinct(values)))


def ascending_if_numeric(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Distinct options: numbers in ascending order, others in the order of the spec."""
    return ascending(values) if all(map(is_number, values)) else distinct(values)


def not_allowed() -> PydanticCustomError:
    """The error that says no more than the field's description does."""
    return PydanticCustomError("not_allowed", "not an allowed value")


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
    return (value, value) if isinstance(value, int) and is_number(value) else only_a_list(value)


def _from_one(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] < 1:
        raise not_allowed()
    return value


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"the fewest layers, {value[0]}, are more than the most, {value[1]}")
    return value


def _among(*numbers: int) -> AfterValidator:
    """One of the numbers; a Literal of them takes true for 1."""

    def check(value: int) -> int:
        if value not in numbers:
            raise not_allowed()
        return value

    return AfterValidator(check)


MOST_DIGITS = 300  #: Of a choice: what has more is no finite floating-point number.
MAX_LAYERS, MAX_WIDTH, MAX_HEADS, MAX_ROWS, MAX_CHOICES = 64, 8192, 64, 1_000_000, 10_000

_Layers = Annotated[int, Field(strict=True, ge=0, le=MAX_LAYERS)]
_Width = Annotated[int, Field(strict=True, ge=1, le=MAX_WIDTH)]
_Size = Annotated[int, Field(strict=True, ge=2, le=MAX_ROWS)]
_Heads = Annotated[int, Field(strict=True, ge=1, le=MAX_HEADS)]
_Kernel = Annotated[int, Field(strict=True), _among(1, 3, 5, 7, 9, 11)]
_Bits = Annotated[int, Field(strict=True), _among(*range(1, 9), FULL_PRECISION)]
_ActivationBits = Annotated[int, Field(strict=True), _among(*range(2, 9), FULL_PRECISION)]
_Sparsity = Annotated[float, Field(strict=True, ge=0, lt=1)]
_Rank = Annotated[float, Field(strict=True, gt=0, le=1)]
_Choice = Annotated[Scalar, PlainValidator(_scalar)]
_ANY = BeforeValidator(as_list)
_ASCENDING = AfterValidator(ascending)

LayerRange = Annotated[
    tuple[_Layers, _Layers],
    BeforeValidator(_layer_range),
    AfterValidator(_ordered),
    Field(description=f"[fewest, most], whole numbers from 0 to {MAX_LAYERS}"),
]
LayerRangeFromOne = Annotated[
    LayerRange, AfterValidator(_from_one), Field(description=f"[fewest, most], whole numbers from 1 to {MAX_LAYERS}")
]
Widths = Annotated[
    tuple[_Width, ...], _ANY, _ASCENDING, Field(description=f"a list of whole numbers from 1 to {MAX_WIDTH:,}")
]
Sizes = Annotated[
    tuple[_Size, ...], _ANY, _ASCENDING, Field(description=f"a list of whole numbers from 2 to {MAX_ROWS:,}")
]
Kernels = Annotated[
    tuple[_Kernel, ...],
    _ANY,
    _ASCENDING,
    Field(description="a list of odd whole numbers from 1 to 11"),
]
Heads = Annotated[
    tuple[_Heads, ...], _ANY, _ASCENDING, Field(description=f"a list of whole numbers from 1 to {MAX_HEADS}")
]
BitWidths = Annotated[
    tuple[_Bits, ...],
    _ANY,
    _ASCENDING,
    Field(description="a list of whole numbers from 1 to 8, or 32 for float"),
]
ActivationBits = Annotated[
    tuple[_ActivationBits, ...],
    _ANY,
    _ASCENDING,
    Field(description="a list of whole numbers from 2 to 8, or 32 for float"),
]
Sparsities = Annotated[
    tuple[_Sparsity, ...], _ANY, _ASCENDING, Field(description="a list of numbers from 0 to below 1")
]
Ranks = Annotated[tuple[_Rank, ...], _ANY, _ASCENDING, Field(description="a list of numbers above 0, at most 1")]
Names = Annotated[
    tuple[Annotated[str, Field(strict=True, pattern=_NAME)], ...],
    _ANY,
    Field(max_length=10_000, description="a list of names of columns"),
]
Choices = Annotated[
    tuple[_Choice, ...],
    _ANY,
    AfterValidator(ascending_if_numeric),
    Field(max_length=MAX_CHOICES, description="a list of texts, finite numbers, true or false"),
]
