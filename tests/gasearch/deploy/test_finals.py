"""Which of the stored final trainings speak for a network."""

from gasearch.deploy.finals import best_of, newest_by_key
from tests.doubles.records import final, key_of

LONG = '{"epochs": 60}'


def scored(number, accuracy, test=0.5, **changes):
    return final(number, metrics=(("accuracy", accuracy),), test=(("accuracy", test),), **changes)


def test_the_trainings_by_the_newest_recipe_speak_for_a_network():
    stored = [final(1), final(0), final(0, of=1), final(0, recipe_json=LONG)]
    assert newest_by_key(stored) == {key_of(0): [stored[3]], key_of(1): [stored[2]]}
    assert newest_by_key(stored[:3]) == {key_of(0): [stored[1], stored[0]], key_of(1): [stored[2]]}
    assert newest_by_key([]) == {}


def test_a_recipe_that_only_failed_hides_no_trainings_that_succeeded():
    failed = [final(number, recipe_json=LONG, failure="timed_out", metrics=(), test=()) for number in range(2)]
    assert newest_by_key([final(0), *failed]) == {key_of(0): [final(0)]}
    assert newest_by_key([final(0), failed[0], final(1, recipe_json=LONG)]) == {
        key_of(0): [failed[0], final(1, recipe_json=LONG)]
    }
    assert newest_by_key(failed) == {key_of(0): failed}


def test_the_best_training_is_that_of_the_best_validation_score_whatever_the_test_says():
    stored = [scored(0, 0.8, test=0.99), scored(1, 0.9, test=0.1), scored(2, 0.9, test=0.2)]
    assert best_of(stored, "accuracy") is stored[1]


def test_of_errors_less_is_better_and_what_failed_is_never_best():
    stored = [final(0, failure="died", metrics=()), *(final(n, metrics=(("rmse", 3.0 - n),)) for n in (1, 2))]
    assert best_of(stored, "rmse") is stored[2]
    assert best_of(stored[:1], "rmse") is None
