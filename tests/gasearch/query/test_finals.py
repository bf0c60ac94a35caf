"""Finalists: means and deviations over seeds, what is lost from the search's value, and the front after it."""

from contextlib import closing

import pytest

from gasearch.errors import BadInput, UnknownSearch
from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import FrontChange
from gasearch.query.finals import final_trainings, finalists, networks_to_finalize
from gasearch.storage.sql import open_archive
from tests.doubles.records import candidate, final, key_of, measured, new_search


@pytest.fixture
def archive(migrated_sqlite_url):
    """A search of twelve networks on its front: 0 is the largest and best."""
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        lease = archive.create_search(new_search(data_json='{"kind":"classification"}'), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(number) for number in range(12)])
        for number in range(12):
            outcome = measured(number, accuracy=0.9 - number / 100, model_bytes=1000 - 50 * number)
            archive.add_evaluations(lease, [(outcome, FrontChange(entered=(number,)))])
        yield archive


def add(archive, of, scores, *, model_bytes=100, **changes):
    """A final training of a network for each (validation, test) pair."""
    for number, (validation, test) in enumerate(scores):
        metrics = (("accuracy", validation), ("model_bytes", model_bytes))
        record = final(number, of=of, metrics=metrics, test=(("accuracy", test),), **changes)
        archive.add_final(archive.search("digits").id, record, b"gap")


def front_after(archive, limits=()):
    """The keys of the finalists that no other one dominates."""
    return [one.key for one in finalists(archive, "digits", limits) if one.is_on_front]


def test_a_finalist_has_means_deviations_and_what_was_lost(archive):
    add(archive, 0, [(0.7, 0.6), (0.8, 0.5), (0.9, 0.4)])
    [found] = finalists(archive, "digits")
    assert (found.key, found.seeds, found.failed, found.epochs, found.is_on_front) == (key_of(0), 3, 0, 30, True)
    expected = {
        "accuracy": 0.8,
        "accuracy_deviation": 0.1,
        "accuracy_drop": 0.1,
        "test_accuracy": 0.5,
        "test_accuracy_deviation": 0.1,
        "test_accuracy_drop": 0.4,
        "searched_accuracy": 0.9,
        "model_bytes": 100,
    }
    assert found.metrics == pytest.approx(expected)
    row = found.row()
    assert (row["key"], row["seeds"], row["model_bytes"]) == (key_of(0), 3, 100)
    assert list(row)[-1] == "blueprint"


def test_a_single_seed_has_no_deviation(archive):
    add(archive, 0, [(0.7, 0.6)])
    [found] = finalists(archive, "digits")
    assert not [name for name in found.metrics if name.endswith("deviation")]


def test_what_failed_is_counted_and_has_no_say(archive):
    add(archive, 0, [(0.7, 0.6), (0.9, 0.6)])
    archive.add_final(1, final(2, failure="diverged", metrics=(), test=()))
    archive.add_final(1, final(0, of=1, failure="diverged", metrics=(), test=()))
    good, bad = finalists(archive, "digits")
    assert (good.seeds, good.failed, good.metrics["accuracy"]) == (2, 1, pytest.approx(0.8))
    assert (bad.key, bad.seeds, bad.failed, bad.metrics, bad.is_on_front) == (key_of(1), 0, 1, {}, False)


def test_the_front_after_it_goes_by_validation_means_within_their_errors(archive):
    add(archive, 0, [(0.80, 0.1), (0.82, 0.1)], model_bytes=300)
    add(archive, 1, [(0.70, 0.9), (0.72, 0.9)], model_bytes=300)  # the test split has no say
    add(archive, 2, [(0.60, 0.5), (0.62, 0.5)], model_bytes=100)
    add(archive, 3, [(0.80, 0.5), (0.85, 0.5)], model_bytes=301)  # tied in accuracy, and larger
    assert front_after(archive) == [key_of(0), key_of(2)]
    within = [parse_limit("model_bytes <= 200")]
    assert front_after(archive, within) == [key_of(2)]
    by_test = finalists(archive, "digits", by="test_accuracy")
    assert [one.key for one in by_test] == [key_of(1), key_of(2), key_of(3), key_of(0)]
    assert finalists(archive, "digits", by="model_bytes:max")[0].key == key_of(3)


def test_the_newest_recipe_answers_and_all_trainings_are_listed(archive):
    add(archive, 0, [(0.7, 0.6), (0.8, 0.6)])
    add(archive, 0, [(0.9, 0.8)], recipe_json='{"epochs": 60}', epochs=60)
    [found] = finalists(archive, "digits")
    assert (found.seeds, found.epochs, found.metrics["accuracy"]) == (1, 60, 0.9)
    listed = final_trainings(archive, "digits", key_of(0)[:10])
    assert [(one.number, one.recipe, one.test) for one in listed] == [
        (0, {"epochs": 30}, {"accuracy": 0.6}),
        (1, {"epochs": 30}, {"accuracy": 0.6}),
        (0, {"epochs": 60}, {"accuracy": 0.8}),
    ]
    assert listed[0].row()["created_at"].endswith("+00:00")


def test_one_that_lacks_a_metric_is_listed_last_and_is_on_no_front(archive):
    add(archive, 0, [(0.7, 0.6)])
    archive.add_final(1, final(0, of=1, metrics=(("accuracy", 0.9),), test=(("accuracy", 0.9),)), b"gap")
    archive.add_final(1, final(0, of=2, failure="died", metrics=(), test=()))
    found = finalists(archive, "digits", by="model_bytes")
    assert [(one.key, one.is_on_front) for one in found] == [
        (key_of(0), True),
        *((key, False) for key in sorted(map(key_of, (1, 2)))),
    ]


def test_a_search_without_finalists_has_none(archive):
    assert finalists(archive, "digits") == front_after(archive) == final_trainings(archive, "digits") == []


def test_what_cannot_be_asked_of_finalists_says_what_can(archive):
    add(archive, 0, [(0.7, 0.6)])
    with pytest.raises(BadInput, match=r"no finalist of 'digits' has 'auc'\. There are accuracy, accuracy_drop"):
        finalists(archive, "digits", by="auc")
    with pytest.raises(BadInput, match=r"a direction is max or min, as in accuracy:max; got 'accuracy:up'"):
        finalists(archive, "digits", by="accuracy:up")


# --- which networks ---------------------------------------------------------------------------------------------


def test_networks_are_chosen_by_their_keys_or_from_the_front(archive):
    keys = [key_of(number) for number in range(12)]
    assert networks_to_finalize(archive, "digits", [keys[3], keys[1][:11], keys[3]]) == [keys[3], keys[1]]
    assert networks_to_finalize(archive, "digits", by="accuracy", top=3) == keys[:3]
    limits = [parse_limit("model_bytes <= 500")]
    assert set(networks_to_finalize(archive, "digits", limits=limits)) == {keys[10], keys[11]}
    assert len(networks_to_finalize(archive, "digits", top=12)) == 12


def test_a_large_front_is_not_finalized_unasked(archive):
    with pytest.raises(
        BadInput, match=r"the front of 'digits' has 12 networks, .*: choose by --top N, .*; --top 12 takes all"
    ):
        networks_to_finalize(archive, "digits")


def test_a_choice_that_cannot_be_made_is_refused(archive):
    with pytest.raises(BadInput, match=r"by their keys, or chosen from the front by limits: not both at once"):
        networks_to_finalize(archive, "digits", [key_of(0)], top=1)
    with pytest.raises(
        BadInput, match=r"the front of 'digits' has no network within these limits; see all of it with: gas"
    ):
        networks_to_finalize(archive, "digits", limits=[parse_limit("model_bytes <= 1")])
    with pytest.raises(UnknownSearch, match=r"no network of this search has a key that begins with 'xyz'"):
        networks_to_finalize(archive, "digits", ["xyz"])
