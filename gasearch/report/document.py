"""A document of sections, as values; all texts are plain: `page` and `markdown` escape them, and nothing before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gasearch.report.charts import Figure

#: What stands in a column: a row's name, numbers with their units, keys and commands, a verdict, sentences, a word or
#: few.
ColumnKind = Literal["name", "number", "code", "verdict", "long", "short"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str
    is_note: bool = False  #: Whether it explains what others say.


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines that keep their form: commands, a spec."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and what they are."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The title of a column, and what stands in it."""

    title: str
    kind: ColumnKind = "short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells below the columns' titles; the first cell of a row names it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure; its name is that of a file where it stands alone."""

    name: str
    figure: Figure


Part = Paragraph | Code | Facts | Table | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title and what stands below it."""

    title: str
    parts: tuple[Part, ...]

    @property
    def anchor(self) -> str:
        """Its title as the end of an address."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A title, what is most worth knowing, and the sections."""

    title: str
    lead: str  #: A sentence or two.
    headline: tuple[tuple[str, str], ...]  #: A few names and values that one looks for first.
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in their order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]
