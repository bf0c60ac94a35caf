"""A document as Markdown, read back by a parser of it: the same content, nothing taken for markup."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from gasearch.report.document import Code, Column, Facts, Paragraph, Table
from gasearch.report.markdown import picture_files, to_markdown
from tests.doubles.documents import EVIL, PICTURES, TABLE, document


class Read(HTMLParser):
    """Which elements there are, and the text of each kind."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], {}

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.setdefault(self.tags[-1], []).append(data)


def rendered(text):
    markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py, which comes with rich")
    read = Read()
    read.feed(markdown_it.MarkdownIt("commonmark").enable("table").render(text))
    return read


def test_tables_lists_and_code_are_what_they_were():
    read = rendered(to_markdown(document(Facts(rows=(("seed", "1"),)), TABLE, Code(title="spec", text="a\n  b"))))
    assert read.tags.count("table") == 1
    assert (read.tags.count("th"), read.tags.count("td")) == (2, 4)
    assert [text for text in read.texts["td"] if text.strip()] == ["ab", "0.9", "cd", "-"]
    assert read.texts["code"][0] == "a\n  b\n"


def test_what_others_wrote_is_text():
    table = Table(caption=EVIL, columns=(Column(title=EVIL), Column(title="b")), rows=((EVIL + "\n2", "- 1"),))
    read = rendered(
        to_markdown(document(Paragraph(text=EVIL), Paragraph(text="1. one\n- two\n+ three"), table, title=EVIL))
    )
    assert not {"img", "a", "em", "code", "ol"} & set(read.tags)
    assert (read.tags.count("th"), read.tags.count("td"), read.tags.count("br")) == (2, 2, 1)
    assert "".join(read.texts["h1"]).strip() == EVIL.replace("\x00", "\\x00").replace("\x1b", "\\x1b")


def test_numbers_stay_as_they_are():
    assert "- **error:** -0.5 at 1.5 s\n" in to_markdown(document(Facts(rows=(("error", "-0.5 at 1.5 s"),))))


def test_code_ends_where_it_ends():
    text = to_markdown(document(Code(title="commands", text="```\nrm -rf\n```")))
    assert "````text\n```\nrm -rf\n```\n````" in text


def test_pictures_are_files_beside_it():
    made = document(*PICTURES)
    assert "![Failures by kind](failures.svg)" in to_markdown(made)
    files = picture_files(made)
    assert list(files) == ["front.svg", "failures.svg"]
    for content in files.values():
        assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
