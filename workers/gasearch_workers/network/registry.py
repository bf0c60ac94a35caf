"""Families, layer kinds and exporters by name: our own, and those that installed packages add.

A package names its values as entry points of the group `gasearch.families`: each is a `Family`, a `LayerKind` or an
`Exporter`. They are loaded once, when a name is met that is not ours, or all names are listed: whoever asks for our own
waits for nobody's imports. Of equal names ours is taken. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Final, Generic, Protocol, TypeVar

GROUP: Final = "gasearch.families"


class UnknownName(LookupError):
    """A family, a layer kind or an exporter that neither we nor an installed package has; the message names those."""


class Named(Protocol):
    """What a registry holds."""

    @property
    def name(self) -> str:
        """How specs and files call it."""


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Values of one type by name."""

    def __init__(self, item_type: type[T], noun: str, own: Callable[[], Iterable[T]]) -> None:
        """A registry that has loaded nothing yet.

        Args:
            item_type: Of the values: what a package has of other types is in other registries.
            noun: What one of them is called in messages.
            own: Gives those of this package in their order.
        """
        self._item_type, self._noun, self._read_own = item_type, noun, own

    @cached_property
    def own(self) -> dict[str, T]:
        """Those of this package, in their order."""
        return {item.name: item for item in self._read_own()}

    def get(self, name: str) -> T:
        """The value of that name.

        Raises:
            UnknownName: if there is none; says which there are, and which packages can't be loaded.
        """
        found = self.own.get(name) or self._added.get(name)
        if found is None:
            _, broken = load_packages()
            raise UnknownName(
                "; ".join([f"there is no {self._noun} {name!r}; there are {', '.join(self.names())}", *broken])
            )
        return found

    def names(self) -> tuple[str, ...]:
        """Every name there is, ours first."""
        return tuple(self.own | self._added)

    @property
    def _added(self) -> dict[str, T]:
        values, _ = load_packages()
        return {value.name: value for value in values if isinstance(value, self._item_type)}


@cache
def load_packages() -> tuple[tuple[object, ...], tuple[str, ...]]:
    """The values that installed packages add, by the names of their entry points, and why some can't be loaded."""
    values: list[object] = []
    broken: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            values.append(point.load())
        except Exception as error:  # A package that is broken must not end a search that doesn't need it.
            broken.append(f"{point.value} can't be loaded ({type(error).__name__}: {error})")
    return tuple(values), tuple(broken)
