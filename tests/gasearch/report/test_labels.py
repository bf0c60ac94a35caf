"""Where labels are placed."""

from __future__ import annotations

from gasearch.report.labels import Box, placed

FRAME = Box(left=0, top=0, right=400, bottom=300)


def test_labels_stand_beside_their_places_and_cover_nothing():
    marks = [Box(left=x - 5, top=95, right=x + 5, bottom=105) for x in (100, 150, 200)]
    found = list(placed([(x, 100, f"label {x}") for x in (100, 150, 200)], FRAME, marks))
    assert [text for text, _ in found] == ["label 100", "label 150", "label 200"]
    boxes = [box for _, box in found]
    assert all(FRAME.holds(box) for box in boxes)
    everything = [*marks, *boxes]
    assert not [1 for number, one in enumerate(everything) for other in everything[:number] if one.meets(other)]


def test_a_label_without_room_is_left_out():
    assert list(placed([(200, 150, "label")], FRAME, [FRAME])) == []
    assert list(placed([(200, 150, "label" * 40)], FRAME, [])) == []


def test_at_the_right_edge_a_label_stands_on_the_left():
    [(_, box)] = placed([(390, 150, "label")], FRAME, [])
    assert box.right < 390
