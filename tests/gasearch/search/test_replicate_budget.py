"""How much of the budget further trainings may take."""

from types import SimpleNamespace

from gasearch.search.replicate_budget import ReplicateBudget


def budget(*doubtful):
    trainings = SimpleNamespace(doubtful=lambda front: list(doubtful), count=lambda number: 1)
    return ReplicateBudget(0.25, 40, trainings)


def test_a_share_is_kept_until_nothing_is_in_doubt():
    kept = budget()
    assert (kept.is_kept, kept.most_candidates) == (True, 30)
    assert kept.next_round((1, 2), 30) == []
    assert (kept.is_kept, kept.most_candidates) == (False, 40)


def test_a_round_is_no_longer_than_the_budget():
    records = budget(5, 6, 7).next_round((5, 6, 7), 38)
    assert [(one.candidate, one.replicate, one.completed) for one in records] == [(5, 1, 38), (6, 1, 38)]


def test_more_candidates_than_there_is_room_for_show_that_it_was_freed():
    later = budget()
    for _ in range(31):
        later.note_proposed()
    assert later.is_free
