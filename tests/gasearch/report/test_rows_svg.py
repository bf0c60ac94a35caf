"""Charts with a row for each thing."""

from __future__ import annotations

import re

from gasearch.report.charts import Axis, Bars, Mark, Ranges
from gasearch.report.rows_svg import bar_parts, range_parts
from gasearch.report.shapes import NARROW, WIDE

KINDS = (("front", "in the search"), ("finalist", "trained again"), ("test", "on the test split"))


def ranges(*rows, form="linear"):
    return Ranges(
        title="t", description="d", axis=Axis(title="accuracy", metric="accuracy", form=form), kinds=KINDS, rows=rows
    )


def test_each_row_has_its_name_its_values_and_their_intervals_on_a_common_axis():
    first = ("ab12", (Mark(x=0.95, y=0), Mark(x=0.9, y=0, x_spread=0.02), None))
    second = ("cd34", (Mark(x=0.95, y=0), Mark(x=0.8, y=0, x_spread=0.3), Mark(x=0.7, y=0, hint="<b>")))
    for form in ("linear", "shortfall"):
        height, parts = range_parts(ranges(first, second, form=form), WIDE)
        text = "\n".join(parts)
        assert text.count("interval") == 2
        assert "ab12" in text
        assert "&lt;b&gt;" in text
        circles = re.findall(r'circle class="front" cx="([\d.]+)" cy="([\d.]+)"', text)[1:]  # the first is the key
        assert [x for x, _ in circles] == [circles[0][0]] * 2
        assert 0 < float(circles[0][1]) < float(circles[1][1]) < height


def test_more_rows_are_higher():
    row = ("ab12", (Mark(x=0.95, y=0), None, None))
    assert range_parts(ranges(row, row), NARROW)[0] > range_parts(ranges(row), NARROW)[0]
    bars = (("a", 1.0, "1"), ("b", 2.0, "2"))
    heights = [bar_parts(Bars(title="t", description="d", unit="u", bars=bars[:n]), NARROW)[0] for n in (1, 2)]
    assert heights[0] < heights[1]
