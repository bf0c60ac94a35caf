"""A document as one self-contained HTML page: no script, nothing from elsewhere, for screens of any width and paper."""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import groupby

from gasearch.report.charts import Bars
from gasearch.report.document import Code, Column, Document, Facts, Paragraph, Part, Picture, Section, Table
from gasearch.report.shapes import NARROW, WIDE
from gasearch.report.style import CHART, PAGE, PALETTE
from gasearch.report.svg import svg
from gasearch.report.text import printable

#: Whatever a text managed to say, the browser would run and fetch nothing; the empty icon keeps it from asking for one.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
LOOKS = {"passed": "good", "verified": "good", "failed": "bad"}  #: Of verdicts.
MOST_TILES = 5  #: Side by side.
MOST_ROWS = 25  #: Of a table that has no box of its own to scroll in.


def to_html(document: Document) -> str:
    """The whole page, well-formed as XML too; it refers to nothing outside itself."""
    title = _escaped(document.title)
    tiles = f'<dl class="tiles" style="--columns:{_columns(len(document.headline))}">{_pairs(document.headline)}</dl>'
    links = "\n".join(f'<li><a href="#{one.anchor}">{_escaped(one.title)}</a></li>' for one in document.sections)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            '<meta name="color-scheme" content="light dark"/>\n<link rel="icon" href="data:,"/>',
            f"<title>{title}: gasearch report</title>\n<style>{PALETTE}{CHART}{PAGE}</style>\n</head>\n<body>",
            '<a class="skip" href="#content">To the content</a>\n<div class="page">',
            f'<header><p class="kind">gasearch report</p>\n<h1>{title}</h1>',
            f'<p class="lead">{_escaped(document.lead)}</p>\n{tiles}</header>',
            f'<nav aria-label="Sections"><ol>\n{links}\n</ol></nav>\n<main id="content">',
            *(_section(one) for one in document.sections),
            "</main>\n</div>\n</body>\n</html>\n",
        ]
    )


def _columns(count: int) -> int:
    """How many tiles stand side by side: all of them, or half."""
    return max(1, count if count <= MOST_TILES else -(-count // 2))


def _section(section: Section) -> str:
    parts = "\n".join(_parts(section))
    title = f'<h2 id="{section.anchor}-title">{_escaped(section.title)}</h2>'
    return f'<section id="{section.anchor}" aria-labelledby="{section.anchor}-title">\n{title}\n{parts}\n</section>'


def _parts(section: Section) -> Iterator[str]:
    """Each part; bars that follow each other stand side by side where there is room."""
    for are_bars, group in groupby(enumerate(section.parts), lambda one: _is_bars(one[1])):
        drawn = [_part(part, f"{section.anchor}-{number}") for number, part in group]
        yield "\n".join(['<div class="pair">', *drawn, "</div>"] if are_bars else drawn)


def _is_bars(part: Part) -> bool:
    return isinstance(part, Picture) and isinstance(part.figure, Bars)


def _part(part: Part, name: str) -> str:
    """HTML of a part.

    Args:
        part: What is shown.
        name: Unlike any other's on the page.
    """
    match part:
        case Paragraph(text=text, is_note=is_note):
            kind = ' class="said"' if is_note else ""
            return f"<p{kind}>{_escaped(text)}</p>"
        case Code(title=title, text=text):
            shown = f'<pre tabindex="0" role="region" aria-label="{_escaped(title)}">{_escaped(text)}</pre>'
            return f"<figure><figcaption>{_escaped(title)}</figcaption>{shown}</figure>"
        case Facts(rows=rows):
            return f'<dl class="facts">{_pairs(rows)}</dl>'
        case Table():
            return _table(part, name)
        case Picture():
            return _figure(part)


def _figure(picture: Picture) -> str:
    """A chart in two sizes, of which the style shows one: text in a chart that shrinks can't be read."""
    caption = f"<figcaption>{_escaped(picture.figure.title)}</figcaption>"
    small = svg(picture.figure, f"chart-{picture.name}-small", NARROW)
    if isinstance(picture.figure, Bars):
        return f"<figure>{caption}{small}</figure>"
    big = svg(picture.figure, f"chart-{picture.name}", WIDE)
    return f'<figure>{caption}<div class="big">{big}</div><div class="small">{small}</div></figure>'


def _table(table: Table, name: str) -> str:
    titles = "".join(f'<th scope="col"{_look(one)}>{_escaped(one.title)}</th>' for one in table.columns)
    kind = "wide tall" if len(table.rows) > MOST_ROWS else "wide"
    body = "\n".join(_row(row, table.columns) for row in table.rows)
    return (
        f'<div class="{kind}" tabindex="0" role="region" aria-labelledby="{name}-caption"><table>'
        f'<caption id="{name}-caption">{_escaped(table.caption)}</caption>\n<thead><tr>{titles}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(row: tuple[str, ...], columns: tuple[Column, ...]) -> str:
    cells = [
        f'<th scope="row"{_look(column, text)}>{_escaped(text)}</th>'
        if not place
        else f"<td{_look(column, text)}>{_escaped(text)}</td>"
        for place, (text, column) in enumerate(zip(row, columns, strict=True))
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _look(column: Column, text: str = "") -> str:
    """The class of a cell, or of its column's title, which stands like the numbers below it."""
    kind = LOOKS.get(text, "short") if column.kind == "verdict" else column.kind
    return f' class="{kind}"' if text or kind == "number" else ""


def _pairs(rows: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"<div><dt>{_escaped(name)}</dt><dd>{_escaped(text)}</dd></div>" for name, text in rows)


def _escaped(text: str) -> str:
    return html.escape(printable(text))
