"""How a column of text writes its numbers; the exported artifact says it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """How a column writes its numbers: what is removed, then what its decimal mark is; parentheses are a minus."""

    decimal: str = "."
    removed: tuple[str, ...] = ()  #: Marks of thousands, unit, spaces.
    is_presumed: bool = False  #: Whether each point of the column may as well be a mark of thousands.

    def value(self, cell: str) -> float:
        """The number in a cell.

        Raises:
            ValueError: if there is none.
        """
        text = cell.strip()
        is_negative = text[:1] == "(" and text[-1:] == ")"
        text = text[1:-1] if is_negative else text
        for mark in self.removed:
            text = text.replace(mark, "")
        number = float(text.replace(self.decimal, ".").replace("\u2212", "-"))
        return -number if is_negative else number


PLAIN: Final = NumberFormat()
