"""A document as a page: valid, accessible, nothing from elsewhere, nothing taken for markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

from gasearch.report.document import Code, Column, Facts, Paragraph, Table
from gasearch.report.page import to_html
from tests.doubles.documents import EVIL, PICTURES, TABLE, document

XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
EMPTY = {"meta", "link"}


class Outline(HTMLParser):
    """The elements as a browser's parser meets them: whatever is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.opened, self.headings, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(tag)
        if tag not in EMPTY:
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


def page_of(*parts, **options):
    return to_html(document(*parts, **options))


def parsed(page):
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def test_a_page_has_every_part_and_its_headings_in_order():
    parts = (Paragraph(text="Some words."), Code(title="spec", text="a\n  b"), Facts(rows=(("seed", "1"),)), TABLE)
    page = page_of(*parts, *PICTURES)
    outline = Outline()
    outline.feed(page)
    assert outline.opened == []
    assert outline.headings == ["h1", "h2"]
    assert len(set(outline.ids)) == len(outline.ids)
    tree = parsed(page)
    assert tree.find(f".//{XHTML}pre").text == "a\n  b"
    assert [one.text for one in tree.iter(f"{XHTML}dd")] == ["12", "1"]
    assert len(list(tree.iter(f"{SVG}svg"))) == 3  # the chart in two sizes, and the bars


def test_a_picture_may_be_named_like_its_section():
    parts = [replace(one, name="part-one") for one in PICTURES[:1]]
    outline = Outline()
    outline.feed(page_of(*parts))
    assert len(set(outline.ids)) == len(outline.ids) > 4


def test_tables_have_captions_scopes_and_boxes_that_the_keyboard_reaches():
    tree = parsed(page_of(TABLE))
    assert tree.find(f".//{XHTML}caption").text == "Networks"
    scopes = [(one.text, one.get("scope")) for one in tree.iter(f"{XHTML}th")]
    assert scopes == [("key", "col"), ("accuracy", "col"), ("ab", "row"), ("cd", "row")]
    assert [(one.text, one.get("class")) for one in tree.iter(f"{XHTML}td")] == [("0.9", "number"), ("-", "number")]
    [box] = [one for one in tree.iter(f"{XHTML}div") if "wide" in one.get("class", "").split()]
    assert (box.get("tabindex"), box.get("role")) == ("0", "region")
    assert tree.find(f".//*[@id='{box.get('aria-labelledby')}']").tag == f"{XHTML}caption"


def test_only_a_long_table_scrolls_downwards():
    long = Table(caption="Many", columns=(Column(title="key"),), rows=(("a",),) * 100)
    assert 'class="wide tall"' in page_of(long)
    assert 'class="wide tall"' not in page_of(TABLE)


def test_verdicts_have_colours_and_words():
    verdicts = Table(
        caption="Runs",
        columns=(Column(title="runtime", kind="name"), Column(title="verdict", kind="verdict")),
        rows=(("a", "passed"), ("b", "failed"), ("c", "not verified")),
    )
    cells = [(one.text, one.get("class")) for one in parsed(page_of(verdicts)).iter(f"{XHTML}td")]
    assert cells == [("passed", "good"), ("failed", "bad"), ("not verified", "short")]


def test_every_link_stays_on_the_page():
    tree = parsed(page_of(TABLE))
    ids = {one.get("id") for one in tree.iter()}
    links = [one.get("href") for one in tree.iter(f"{XHTML}a")]
    assert links == ["#content", "#part-one"]
    assert {link[1:] for link in links} <= ids


def test_what_others_wrote_is_text():
    table = Table(caption=EVIL, columns=(Column(title=EVIL),), rows=((EVIL,),))
    tree = parsed(
        page_of(Paragraph(text=EVIL), table, Code(title=EVIL, text=EVIL), Facts(rows=((EVIL, EVIL),)), title=EVIL)
    )
    assert tree.find(f".//{XHTML}img") is None
    shown = EVIL.replace("\x00", "\\x00").replace("\x1b", "\\x1b")
    for tag in ("h1", "caption", "dt", "figcaption", "pre"):
        assert shown in [one.text for one in tree.iter(f"{XHTML}{tag}")]
