"""The plot in a real browser: it fits a phone, and neither asks for anything nor offers to send anything."""

from __future__ import annotations

import pytest

from gasearch.query.plot import plot
from tests.browser import browser_page, find_browser
from tests.doubles.archived import scripted_reader

pytestmark = pytest.mark.skipif(find_browser() is None, reason="needs a browser: none of chromium, chrome is installed")

DRAWN = """new Promise(done => {
  const wait = () => document.querySelectorAll('.main-svg .xtick').length ? done(true) : setTimeout(wait, 50);
  wait();
})"""


@pytest.mark.parametrize("width", [1440, 390])
def test_it_is_drawn_at_the_width_of_the_screen_and_asks_for_nothing(tmp_path, width):
    path = tmp_path / "digits.html"
    plot(scripted_reader(), "digits", path)
    with browser_page(find_browser(), tmp_path / "profile") as page:
        page.open(path.as_uri(), width=width)
        assert page.evaluate(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("document.querySelectorAll('h2').length") == 6
        buttons = page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(one => one.dataset.title)")
        assert "Zoom" in buttons
        assert not [title for title in buttons if "Share" in title or "cloud" in title.lower()]
        assert page.requested() == [path.as_uri()]
        assert page.complaints() == []
