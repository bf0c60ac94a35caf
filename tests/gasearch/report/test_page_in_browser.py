"""The page in a real browser: on a screen and a phone, light and dark, printed, by the keyboard, and under attack."""

from __future__ import annotations

import re

import pytest

import gasearch
from gasearch.report.document import Code, Column, Facts, Paragraph, Table
from gasearch.report.page import to_html
from tests.browser import browser_page, find_browser
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.documents import EVIL, PICTURES, TABLE, document

pytestmark = pytest.mark.skipif(find_browser() is None, reason="needs a browser: none of chromium, chrome is installed")

#: The elements of a kind whose text has less contrast to what is behind it than it should (WCAG 2.2, 1.4.3).
FAINT_TEXTS = """(() => {
  const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(value => channel(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  for (const one of document.querySelectorAll('body *')) {
    const said = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!said || ['title', 'desc', 'style'].includes(one.localName) || !one.getClientRects().length) continue;
    const style = getComputedStyle(one);
    const pair = [one instanceof SVGElement ? style.fill : style.color, behind(one)].map(light).sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) found.push([one.localName, one.getAttribute('class'), contrast.toFixed(2)].join(' '));
  }
  return [...new Set(found)];
})()"""

#: The sizes in pixels, as they are on the screen, of the texts of charts that can be seen.
CHART_TEXTS = """[...document.querySelectorAll('svg text')].filter(one => one.getClientRects().length).map(one =>
  parseFloat(getComputedStyle(one).fontSize) * one.ownerSVGElement.getScreenCTM().a)"""

#: What is wider than the screen without a box of its own to scroll in.
TOO_WIDE = """[...document.querySelectorAll('body *')].filter(one => one.getClientRects().length
  && one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.wide, pre')).map(one => one.outerHTML)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser_page(find_browser(), tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a search, with an address."""
    folder = tmp_path_factory.mktemp("report")
    search = gasearch.run(CUSTOM_SPEC | {"budget": {"evaluations": 40}}, db=f"sqlite:///{folder}/store.db")
    return search.report(folder / "small").as_uri()


def test_it_fits_a_screen_and_a_phone_in_both_schemes_with_texts_that_can_be_read(page, report):
    for width in (1440, 390):
        for is_dark in (False, True):
            page.open(report, width=width, is_dark=is_dark)
            assert page.evaluate(TOO_WIDE) == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.evaluate(FAINT_TEXTS) == []
            assert min(page.evaluate(CHART_TEXTS)) >= 11
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (paper == "rgb(255, 255, 255)") == (not is_dark)


def test_it_asks_for_nothing_and_the_browser_has_nothing_to_say(page, report):
    page.open(report)
    assert page.requested() == [report]
    assert page.complaints() == []


def test_the_keyboard_reaches_every_section_and_every_table(page, report):
    page.open(report)
    reached = []
    for _ in range(60):
        page.press("Tab", 9)
        reached.append(page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.className"))
    sections = page.evaluate("[...document.querySelectorAll('section')].map(one => '#' + one.id)")
    assert reached[0] == "#content"
    assert set(sections) <= set(reached)
    assert {"wide"} <= set(reached)


def test_it_is_printed_on_white_with_all_of_its_tables(page, report):
    page.open(report, is_dark=True)
    printed = page.pdf()
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) < 30
    page.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    try:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert (
            page.evaluate("[...document.querySelectorAll('.wide, pre')].map(o => getComputedStyle(o).overflow)[0]")
            == "visible"
        )
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    finally:
        page.call("Emulation.setEmulatedMedia", media="", features=[])


def test_nothing_that_others_wrote_runs_or_asks_for_anything(page, tmp_path):
    attack = "<script>document.title = 'run'</script><img src='https://e.vil/x' onerror='document.title = 1'>" + EVIL
    table = Table(caption=attack, columns=(Column(title=attack),), rows=((attack,),))
    parts = (Paragraph(text=attack), table, Code(title=attack, text=attack), Facts(rows=((attack, attack),)))
    made = to_html(document(*parts, *PICTURES, TABLE, title=attack))
    (tmp_path / "evil.html").write_text(made, encoding="utf-8")
    page.open((tmp_path / "evil.html").as_uri(), width=390)
    assert page.evaluate("document.title").startswith("<script>")
    assert page.evaluate("document.querySelectorAll('script, img').length") == 0
    assert page.evaluate(TOO_WIDE) == []
    assert len(page.requested()) == 1


def test_even_markup_that_got_through_would_neither_run_nor_ask(page, tmp_path):
    attack = "<script>document.title = 'run'</script><img src='https://e.vil/x' onerror='document.title = 1'/></body>"
    (tmp_path / "through.html").write_text(to_html(document(TABLE)).replace("</body>", attack), encoding="utf-8")
    page.open((tmp_path / "through.html").as_uri())
    assert page.evaluate("document.title") == "digits: gasearch report"
    assert [text for text in page.complaints() if "Content Security Policy" in text]
    failed = [event["params"] for event in page.events if event.get("method") == "Network.loadingFailed"]
    assert [one.get("blockedReason") for one in failed] == ["csp"]  # it would be a fault of the net without the policy
