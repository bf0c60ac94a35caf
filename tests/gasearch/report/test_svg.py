"""Charts as SVG: well-formed, complete, within their frame, in two sizes and as files of their own."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gasearch.report.charts import Axis, Bars, Chart, Dots, Mark, Marks, Steps
from gasearch.report.shapes import NARROW, WIDE
from gasearch.report.svg import standalone, svg

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert('&')</script>"


def chart(*layers, **axes):
    across = axes.get("across", Axis(title="size", metric="model_bytes", form="log"))
    return Chart(
        title="accuracy over size",
        description="Two networks.",
        across=across,
        upward=Axis(title="accuracy"),
        layers=layers,
    )


def parsed(figure, paper=WIDE):
    return ElementTree.fromstring(svg(figure, "one", paper))


def texts_of(drawn):
    return [element.text or "" for element in drawn.iter(f"{SVG}text")]


def of_class(drawn, tag, name):
    return [one for one in drawn.iter(f"{SVG}{tag}") if name in one.get("class", "").split()]


FRONT = Marks(
    name="on the front",
    look="front",
    marks=(
        Mark(x=1000.0, y=0.8, y_spread=0.05, label="small", hint="small\n1 KB"),
        Mark(x=20_000.0, y=0.95, x_spread=100.0, label="large"),
    ),
)
OTHERS = Dots(name="dominated", places=((2000.0, 0.5), (30_000.0, 0.7), (30_000.0, 0.7)))


def test_better_networks_stand_higher_and_greater_ones_further_right_within_the_frame():
    for paper in (WIDE, NARROW):
        small, large = of_class(parsed(chart(FRONT), paper), "circle", "front")
        assert 0 < float(small.get("cx")) < float(large.get("cx")) < paper.width
        assert 0 < float(large.get("cy")) < float(small.get("cy")) < paper.height


def test_it_has_intervals_labels_what_the_marks_stand_for_and_units_at_its_ticks():
    drawn = parsed(chart(OTHERS, FRONT))
    paths = [one.get("d") for one in of_class(drawn, "path", "interval")]
    assert [path.count("M") for path in paths] == [1, 1]
    assert {"small", "large", "dominated", "on the front", "accuracy", "size, log scale"} <= set(texts_of(drawn))
    assert {"1 KB", "2 KB", "5 KB", "10 KB", "20 KB"} <= set(texts_of(drawn))
    key, dots = of_class(drawn, "path", "dots")
    assert (key.get("d").count("M"), dots.get("d").count("M")) == (1, 2)


def test_it_is_named_and_described_and_tells_more_where_one_can_point():
    drawn = parsed(chart(FRONT))
    named = [drawn.find(f"*[@id='{name}']") for name in drawn.get("aria-labelledby").split()]
    assert [(one.tag, one.text) for one in named] == [
        (f"{SVG}title", "accuracy over size"), (f"{SVG}desc", "Two networks.")
    ]  # fmt: skip
    assert drawn.get("role") == "img"
    hints = [one.text for one in drawn.iter(f"{SVG}title")]
    assert "small\n1 KB" in hints
    assert "small\n1 KB" not in [one.text for one in parsed(chart(FRONT), NARROW).iter(f"{SVG}title")]


def test_labels_never_cover_marks_or_each_other():
    marks = tuple(Mark(x=1000.0 + number, y=0.8, label=f"label {number}") for number in range(300))
    drawn = parsed(chart(Marks(name="", look="finalist", marks=marks)))
    labels = [(float(one.get("x")), float(one.get("y"))) for one in of_class(drawn, "text", "label")]
    assert 1 <= len(labels) < 300
    assert len(set(labels)) == len(labels)


def test_a_line_goes_in_steps_and_says_its_end():
    steps = Steps(places=((1.0, 0.5), (2.0, 0.7), (9.0, 0.7)), look="curve", label="0.7000")
    drawn = parsed(chart(steps, across=Axis(title="evaluations", is_from_zero=True)))
    [line] = of_class(drawn, "path", "line")
    assert line.get("d").count("H") == line.get("d").count("V") == 2
    assert {"0", "0.7000"} <= set(texts_of(drawn))


def test_finalists_and_verified_networks_differ_in_form_too():
    looks = [Marks(name=look, look=look, marks=(Mark(x=1.0, y=2.0),)) for look in ("finalist", "verified")]
    drawn = parsed(chart(*looks))
    assert len(of_class(drawn, "path", "finalist")) == len(of_class(drawn, "rect", "verified")) == 2


def test_bars_have_the_lengths_of_their_values_and_whole_names():
    name = "a_kind_with_a_name_that_is_rather_long"
    figure = Bars(
        title="t", description="d", unit="evaluations", bars=((name, 4.0, "4"), ("other", 1.0, "1")), is_bad=True
    )
    drawn = parsed(figure, NARROW)
    first, second = (float(one.get("width")) for one in of_class(drawn, "rect", "bad"))
    assert first == pytest.approx(4 * second, rel=0.01)
    assert texts_of(drawn) == ["evaluations", name, "4", "other", "1"]
    assert parsed(Bars(title="t", description="d", unit="u", bars=())).tag == f"{SVG}svg"


def test_names_of_others_are_text_never_markup():
    marks = Marks(name=EVIL, look="front", marks=(Mark(x=1.0, y=1.0, label=EVIL, hint=EVIL),))
    drawn = parsed(chart(Dots(name=EVIL, places=()), marks, across=Axis(title=EVIL)))
    assert {one.tag.removeprefix(SVG) for one in drawn.iter()} <= {
        "svg",
        "title",
        "desc",
        "text",
        "path",
        "circle",
        "g",
    }
    assert EVIL in texts_of(drawn)
    assert "<script" not in svg(Bars(title=EVIL, description=EVIL, unit=EVIL, bars=((EVIL, 1.0, EVIL),)), "one")


def test_a_file_of_its_own_has_title_paper_and_colours():
    for figure in (chart(FRONT), Bars(title="bars", description="d", unit="u", bars=(("a", 1.0, "1"),))):
        drawn = ElementTree.fromstring(standalone(figure, "one"))
        [title] = of_class(drawn, "text", "title")
        assert title.text == figure.title
        [paper] = of_class(drawn, "rect", "paper")
        assert drawn.get("viewBox").split() == [paper.get(name) for name in ("x", "y", "width", "height")]
        assert "--paper:" in drawn.find(f"{SVG}style").text


@pytest.mark.parametrize("values", [[5.0], [0.0], [1e-9, 1e-9], [-3.0, 4.0], [1e-7, 1e9], []])
def test_any_values_are_drawn(values):
    marks = Marks(
        name="", look="front", marks=tuple(Mark(x=value, y=value, x_spread=9.0, y_spread=9.0) for value in values)
    )
    form = "log" if values and min(values) > 0 else "linear"
    drawn = parsed(chart(marks, across=Axis(title="t", form=form)))
    assert len(of_class(drawn, "circle", "front")) == len(values)
    assert "nan" not in svg(chart(marks, across=Axis(title="t", form=form)), "one")
    assert len(texts_of(drawn)) < 40
