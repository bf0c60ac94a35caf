"""Documents as values."""

from __future__ import annotations

from gasearch.report.charts import Bars
from gasearch.report.document import Document, Paragraph, Picture, Section


def test_a_document_knows_its_pictures_in_their_order_and_sections_have_anchors():
    pictures = [
        Picture(name=name, figure=Bars(title=name, description="", unit="", bars=(("a", 1.0, "1"),))) for name in "ab"
    ]
    first = Section(title="How the front grew", parts=(Paragraph(text="words"), pictures[0]))
    second = Section(title="Operators", parts=(pictures[1],))
    made = Document(title="digits", lead="", headline=(), sections=(first, second))
    assert made.pictures == pictures
    assert [one.anchor for one in made.sections] == ["how-the-front-grew", "operators"]
