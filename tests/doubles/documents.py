"""Documents for tests of their forms."""

from __future__ import annotations

from gasearch.report.charts import Axis, Bars, Chart, Mark, Marks
from gasearch.report.document import Column, Document, Picture, Section, Table

#: What takes itself for markup, in HTML, Markdown and terminals.
EVIL = '<img src=x onerror=alert(1)> & "it" | *b* [a](http://e.vil) `c` https://e.vil www.e.vil\x00\x1b[31m'

FIGURE = Bars(title="Failures by kind", description="Two.", unit="evaluations", bars=(("diverged", 2.0, "2"),))
CHART = Chart(
    title="accuracy over bytes",
    description="One.",
    across=Axis(title="bytes"),
    upward=Axis(title="accuracy"),
    layers=(Marks(name="front", look="front", marks=(Mark(x=1.0, y=1.0),)),),
)
PICTURES = (Picture(name="front", figure=CHART), Picture(name="failures", figure=FIGURE))
TABLE = Table(
    caption="Networks",
    columns=(Column(title="key", kind="name"), Column(title="accuracy", kind="number")),
    rows=(("ab", "0.9"), ("cd", "-")),
)


def document(*parts, title="digits"):
    """A document of one section."""
    sections = (Section(title="Part one", parts=parts),)
    return Document(title=title, lead="all of it", headline=(("evaluations", "12"),), sections=sections)
