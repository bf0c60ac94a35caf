"""Documents as HTML and Markdown: the same content, nothing from elsewhere, nothing taken for markup."""

from __future__ import annotations

from xml.etree import ElementTree

from gasearch.query.figures import failures_figure
from gasearch.report.document import (
    Code,
    Document,
    Paragraph,
    Picture,
    Section,
    Table,
    picture_files,
    to_html,
    to_markdown,
)

EVIL = '<img src=x onerror=alert(1)> & "it" | *b* [a](http://e.vil) `c`\x00\x1b[31m'
XHTML = "{http://www.w3.org/1999/xhtml}"


def document(*parts, title="digits"):
    return Document(title=title, subtitle="all of it", sections=(Section(title="Part one", parts=parts),))


def parsed(page):
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def test_a_page_is_well_formed_and_has_every_part():
    picture = Picture(name="failures", figure=failures_figure({"diverged": 2}))
    table = Table(columns=("key", "accuracy"), rows=(("ab", "0.9"), ("cd", "-")))
    page = to_html(document(Paragraph(text="Some words."), Code(text="a\n  b"), table, picture))
    assert page.startswith("<!DOCTYPE html>")
    tree = parsed(page)
    assert [one.text for one in tree.iter(f"{XHTML}h2")] == ["Part one"]
    assert [one.text for one in tree.iter(f"{XHTML}th")] == ["key", "accuracy"]
    cells = list(tree.iter(f"{XHTML}td"))
    assert [(one.text, one.get("class")) for one in cells] == [
        ("ab", None), ("0.9", "number"), ("cd", None), ("-", "number")
    ]  # fmt: skip
    assert tree.find(f".//{XHTML}pre").text == "a\n  b"
    assert tree.find(".//{http://www.w3.org/2000/svg}svg") is not None


def test_what_others_wrote_is_text_in_html():
    tree = parsed(to_html(document(Paragraph(text=EVIL), Table(columns=(EVIL,), rows=((EVIL,),)), title=EVIL)))
    assert tree.find(f".//{XHTML}img") is None
    shown = EVIL.replace("\x00", "\\x00").replace("\x1b", "\\x1b")
    assert tree.find(f".//{XHTML}h1").text == tree.find(f".//{XHTML}td").text == shown


def test_what_others_wrote_is_text_in_markdown():
    text = to_markdown(document(Paragraph(text=EVIL), Table(columns=("a",), rows=((EVIL + "\n2",),))))
    assert "<img" not in text.replace("\\<", "")
    assert "[a]" not in text
    row = text.splitlines()[-1]
    assert row.startswith("| ")
    assert row.replace("\\|", "").count("|") == 2
    assert row.endswith("<br>2 |")


def test_code_in_markdown_ends_where_it_ends():
    text = to_markdown(document(Code(text="```\nrm -rf\n```")))
    assert "````text\n```\nrm -rf\n```\n````" in text


def test_markdown_shows_its_pictures_as_files_beside_it():
    picture = Picture(name="failures", figure=failures_figure({"diverged": 2}))
    made = document(picture)
    assert "![Failures by kind: 2](failures.svg)" in to_markdown(made)
    [(name, content)] = picture_files(made).items()
    assert (name, content[:4]) == ("failures.svg", "<svg")
    assert made.pictures == [picture]
