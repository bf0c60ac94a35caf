"""A document as Markdown with GitHub's tables, its pictures beside it as SVG."""

from __future__ import annotations

import re

from gasearch.report.document import Code, Document, Facts, Paragraph, Part, Picture, Table
from gasearch.report.svg import standalone
from gasearch.report.text import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&$])")  #: What Markdown, or the HTML in it, takes for markup.
_AT_START = re.compile(r"^(\s*)([-+=](?=[-=\s]|$)|\d+[.)](?=\s|$))", re.MULTILINE)
#: What some readers make links of without any markup.
_LINK = re.compile(r"(https?|ftp)(:)(?=//)|(www)(\.)|(mailto|xmpp)(:)|(\w)(@)(?=\w)")


def to_markdown(document: Document) -> str:
    """The same as the page; a picture is the file NAME.svg beside it."""
    parts = [f"# {_line(document.title)}", _marked(document.lead), _list(document.headline)]
    for section in document.sections:
        parts.append(f"## {_line(section.title)}")
        parts += map(_part, section.parts)
    return "\n\n".join(part for part in parts if part) + "\n"


def picture_files(document: Document) -> dict[str, str]:
    """The pictures that the Markdown shows, by the names of their files."""
    return {f"{one.name}.svg": standalone(one.figure, one.name) for one in document.pictures}


def _part(part: Part) -> str:
    match part:
        case Paragraph(text=text):
            return _marked(text)
        case Code(title=title, text=text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            return f"{_marked(title)}:\n\n{fence}text\n{printable(text)}\n{fence}"
        case Facts(rows=rows):
            return _list(rows)
        case Picture(name=name, figure=figure):
            return f"![{_line(figure.title)}]({name}.svg)"
        case Table(caption=caption, columns=columns, rows=rows):
            edges = " | ".join("---:" if column.kind == "number" else "---" for column in columns)
            lines = [_row([column.title for column in columns]), f"| {edges} |", *map(_row, rows)]
            return f"**{_line(caption)}**\n\n" + "\n".join(lines)


def _list(rows: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"- **{_line(name)}:** {_line(text)}" for name, text in rows)


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(_marked(cell).replace("\n", "<br>") for cell in cells) + " |"


def _line(text: str) -> str:
    return _marked(text).replace("\n", " ")


def _marked(text: str) -> str:
    r"""Plain text as Markdown: "a\_b"."""
    escaped = _AT_START.sub(_escape_start, _SPECIAL.sub(r"\\\1", printable(text)))
    return _LINK.sub(lambda found: "\\".join(filter(None, found.groups())), escaped)


def _escape_start(found: re.Match[str]) -> str:
    space, mark = found.groups()
    return f"{space}{mark[:-1]}\\{mark[-1]}"
