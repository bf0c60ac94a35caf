"""What charts are drawn of."""

from __future__ import annotations

from gasearch.report.shapes import keys, shape, short, ticks_across, words


def test_words_are_escaped_and_cut_where_they_don_t_fit():
    assert words("<b>", 1, 2.25, "tick") == '<text class="tick" x="1.0" y="2.2">&lt;b&gt;</text>'
    assert short("a name", 100) == "a name"
    assert short("a name that is long", 64) == "a name th…"


def test_every_kind_of_mark_has_a_form_of_its_own():
    looks = ("dots", "front", "finalist", "verified", "test")
    forms = {shape(look, 10, 10).replace(look, "") for look in looks}
    assert len(forms) == len(looks)


def test_keys_stand_in_rows_and_a_single_kind_needs_none():
    assert keys([("front", "on the front")], 400) == ([], 0)
    named = [("front", "on the front"), ("dots", "dominated"), ("test", "on the test split")]
    wide, narrow = keys(named, 900), keys(named, 200)
    assert len(wide[0]) == len(narrow[0]) == 6
    assert narrow[1] > wide[1]


def test_texts_of_ticks_that_would_meet_are_left_out():
    drawn = list(ticks_across([(100.0, "10 KB"), (110.0, "11 KB"), (200.0, "20 KB")], 400, 300))
    assert sum("<path" in one for one in drawn) == 3
    assert [one.split(">")[1].split("<")[0] for one in drawn if "<text" in one] == ["10 KB", "20 KB"]
