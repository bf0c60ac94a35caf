"""Charts with two axes: how they are drawn where there is very much."""

from __future__ import annotations

from gasearch.report.chart_svg import MOST_SINGLE, axis_title, chart_parts
from gasearch.report.charts import Axis, Chart, Mark, Marks
from gasearch.report.shapes import WIDE


def drawn(count):
    marks = tuple(Mark(x=number, y=number * 7 % 100, x_spread=0.5, hint=f"{number}") for number in range(count))
    layers = (Marks(name="", look="front", marks=marks),)
    axes = {"across": Axis(title="x"), "upward": Axis(title="y")}
    return "\n".join(chart_parts(Chart(title="t", description="d", layers=layers, **axes), WIDE))


def test_of_very_many_marks_some_are_drawn_together_and_none_is_lost():
    few, many = drawn(MOST_SINGLE), drawn(10 * MOST_SINGLE)
    assert few.count("<circle") == many.count("<circle") == MOST_SINGLE
    assert 'class="many"' not in few
    [path] = [line for line in many.splitlines() if 'class="many"' in line]
    assert path.count("h0") > 5 * MOST_SINGLE  # those at the same pixel are one
    assert len(many) < 4 * len(few)


def test_an_axis_says_how_it_is_drawn():
    assert axis_title(Axis(title="bytes", form="log")) == "bytes, log scale"
    assert axis_title(Axis(title="accuracy", form="shortfall")) == "accuracy, log scale towards 1"
    assert axis_title(Axis(title="error")) == "error"
