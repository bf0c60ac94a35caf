"""A document of sections, and how it becomes one self-contained HTML page, or Markdown.

All texts are plain: whatever stands in a name or in an error is escaped here, and nowhere before.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gasearch.query.figures import Figure
from gasearch.report.svg import svg

#: Small enough to be read in a mail, and nothing in it comes from elsewhere.
STYLE = """
body{font-family:sans-serif;line-height:1.45;max-width:64rem;margin:1.5rem auto;padding:0 1rem;color:#1d2530}
h1,h2{line-height:1.2} h2{margin-top:2.2rem;border-bottom:1px solid #d7dce2;padding-bottom:.2rem}
.wide{overflow-x:auto} table{border-collapse:collapse;font-size:.9rem;margin:.8rem 0}
th,td{padding:.2rem .7rem .2rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #eceff2}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
pre{background:#f5f6f8;padding:.7rem;overflow-x:auto;font-size:.85rem} svg{width:100%;height:auto;margin:.6rem 0}
"""
_NUMBER = re.compile(r"[-+±]?[\d.]+(e[-+]?\d+)?( ?[A-Za-z%]{1,3})?( ± .*)?|-")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")  #: What Markdown, or the HTML in it, takes for markup.


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines that keep their form: commands, a spec."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells below the columns' titles; without titles, names and what they are."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure; its name is that of a file where it stands alone."""

    name: str
    figure: Figure


Part = Paragraph | Code | Table | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title and what stands below it."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A title, a line below it, and the sections."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in their order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]


def to_html(document: Document) -> str:
    """The whole page, well-formed as XML too; it refers to nothing outside itself."""
    title = _escaped(document.title)
    parts = [
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<meta charset="utf-8"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>",
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f"<h1>{title}</h1>\n<p>{_escaped(document.subtitle)}</p>",
    ]
    for section in document.sections:
        parts.append(f"<h2>{_escaped(section.title)}</h2>")
        parts += map(_html_of, section.parts)
    return "\n".join([*parts, "</body>\n</html>\n"])


def to_markdown(document: Document) -> str:
    """The same as Markdown with GitHub's tables; a picture is the file NAME.svg beside it."""
    parts = [f"# {_marked(document.title)}", _marked(document.subtitle)]
    for section in document.sections:
        parts.append(f"## {_marked(section.title)}")
        parts += map(_markdown_of, section.parts)
    return "\n\n".join(parts) + "\n"


def picture_files(document: Document) -> dict[str, str]:
    """The pictures that the Markdown shows, by the names of their files."""
    return {f"{picture.name}.svg": _printable(svg(picture.figure)) for picture in document.pictures}


# --- HTML -------------------------------------------------------------------------------------------------------


def _html_of(part: Part) -> str:
    match part:
        case Paragraph(text=text):
            return f"<p>{_escaped(text)}</p>"
        case Code(text=text):
            return f"<pre>{_escaped(text)}</pre>"
        case Picture(figure=figure):
            return _printable(svg(figure))
        case Table(columns=columns, rows=rows):
            titles = "".join(f"<th>{_escaped(title)}</th>" for title in columns)
            head = f"<thead><tr>{titles}</tr></thead>" if any(columns) else ""
            body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
            return f'<div class="wide"><table>{head}<tbody>\n{body}\n</tbody></table></div>'


def _cell(text: str) -> str:
    kind = ' class="number"' if _NUMBER.fullmatch(text) else ""
    return f"<td{kind}>{_escaped(text)}</td>"


def _escaped(text: str) -> str:
    return html.escape(_printable(text))


def _printable(text: str) -> str:
    """The text without what XML may not hold: control characters and lone surrogates are spelled out."""
    return "".join(char if char in "\n\t" or char.isprintable() else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    return f"\\x{ord(char):02x}" if not char.isspace() else " "


# --- Markdown ---------------------------------------------------------------------------------------------------


def _markdown_of(part: Part) -> str:
    match part:
        case Paragraph(text=text):
            return _marked(text)
        case Code(text=text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            return f"{fence}text\n{_printable(text)}\n{fence}"
        case Picture(name=name, figure=figure):
            return f"![{_marked(html.unescape(figure['layout']['title']['text']))}]({name}.svg)"
        case Table(columns=columns, rows=rows):
            titles = columns if any(columns) else ("",) * len(rows[0] if rows else columns)
            lines: list[Sequence[str]] = [titles, ["---"] * len(titles), *rows]
            return "\n".join("| " + " | ".join(_in_row(cell) for cell in line) + " |" for line in lines)


def _in_row(text: str) -> str:
    return text if text == "---" else _marked(text).replace("\n", "<br>")


def _marked(text: str) -> str:
    r"""Plain text as Markdown: "a\_b"."""
    return _SPECIAL.sub(r"\\\1", _printable(text))
