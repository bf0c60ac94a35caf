"""The best finalists, by the means of their final trainings."""

from contextlib import closing

import pytest

from gasearch.errors import BadInput, UnknownSearch
from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import FrontChange
from gasearch.query.best_finalists import best_finalists, unmeasured, why_none
from gasearch.query.finals import finalists
from gasearch.query.target import parse_target
from gasearch.storage.sql import open_archive
from tests.doubles.records import candidate, final, key_of, measured, new_search

#: Of networks 0 to 3, each with two seeds: accuracy on validation, on test, bytes. 3 is dominated by 1.
FINALS = ((0.90, 0.80, 1000), (0.85, 0.85, 400), (0.50, 0.40, 100), (0.70, 0.99, 500))


@pytest.fixture
def archive(migrated_sqlite_url):
    """A search of four networks."""
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        lease = archive.create_search(new_search(data_json='{"kind":"classification"}'), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(number) for number in range(4)])
        for number in range(4):
            outcome = measured(number, accuracy=0.9, model_bytes=1000 - 50 * number)
            archive.add_evaluations(lease, [(outcome, FrontChange(entered=(number,)))])
        yield archive


@pytest.fixture
def finalized(archive):
    """The same, all of them finalized."""
    for of, (validation, test, model_bytes) in enumerate(FINALS):
        for number, by in enumerate((-0.001, 0.001)):
            metrics = (("accuracy", validation + by), ("model_bytes", model_bytes))
            archive.add_final(1, final(number, of=of, metrics=metrics, test=(("accuracy", test + by),)), b"gap")
    return archive


def keys(archive, **question):
    return [one.key for one in best_finalists(archive, "digits", **question)]


def test_the_best_is_that_of_the_front_after_it_by_the_validation_split(finalized):
    assert keys(finalized) == [key_of(0)]
    assert keys(finalized, count=9) == [key_of(0), key_of(1), key_of(2)]


def test_the_test_split_ranks_where_it_is_named_and_a_dominated_finalist_is_never_named(finalized):
    assert keys(finalized, by="test_accuracy", count=9) == [key_of(1), key_of(0), key_of(2)]


def test_limits_take_every_metric_of_a_finalist(finalized):
    assert keys(finalized, limits=[parse_limit("model_bytes <= 600")]) == [key_of(1)]
    assert keys(finalized, limits=[parse_limit("test_accuracy >= 0.9")]) == [key_of(3)]
    assert keys(finalized, limits=[parse_limit("test_accuracy > 0.995")]) == []
    assert why_none(finalized, "digits", [parse_limit("test_accuracy > 0.995")]) == (
        "none of the 4 finalists of 'digits' keeps the limits"
    )


def test_bargains_and_targets_are_weighed_on_the_means(finalized):
    assert keys(finalized, knee=True) == [key_of(1)]
    assert keys(finalized, target=parse_target("model_bytes=120")) == [key_of(2)]
    above = parse_target("test_accuracy=0.78,model_bytes=1000")  # more on the test split is no miss
    assert keys(finalized, target=above) == [key_of(0)]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ({"by": "speed"}, r"no finalist of 'digits' has 'speed'\. There are accuracy, "),
        ({"target": parse_target("speed=3")}, r"no finalist of 'digits' has 'speed'"),
        ({"limits": [parse_limit("test_acuracy > 0.5")]}, r"'test_acuracy'; did you mean test_accuracy\? There are"),
        ({"by": "accuracy", "knee": True}, r"the knee weighs all objectives"),
        ({"by": "accuracy", "target": parse_target("accuracy=1")}, r"a target ranks by itself"),
    ],
)
def test_what_cannot_be_asked_is_refused(finalized, question, text):
    with pytest.raises(BadInput, match=text):
        keys(finalized, **question)


def test_why_there_is_none_is_said(archive):
    with pytest.raises(UnknownSearch):
        best_finalists(archive, "nope")
    assert keys(archive) == []
    assert why_none(archive, "digits").startswith("no network of 'digits' was finalized yet; do so with: gasearch fi")
    archive.add_final(1, final(0, of=2, failure="died", metrics=(), test=()))
    assert keys(archive) == []
    assert why_none(archive, "digits").startswith("no final training of 'digits' has succeeded")
    archive.add_final(1, final(0, of=1, metrics=(("accuracy", 0.9),), test=(("accuracy", 0.9),)), b"gap")
    assert keys(archive) == []
    assert why_none(archive, "digits").startswith("no finalist of 'digits' has model_bytes, by which the search judges")


def test_networks_that_gasearch_does_not_train_cannot_be_finalized(migrated_sqlite_url):
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        archive.create_search(new_search(spec_json='{"space": {"family": "custom"}}'), owner="alice", ttl_s=600.0)
        assert why_none(archive, "digits").startswith("networks of a custom evaluator aren't finalized: ")


def test_metrics_that_no_trained_finalist_has_are_unmeasured(archive):
    archive.add_final(1, final(0, of=0), b"gap")
    archive.add_final(1, final(0, of=1, failure="died", metrics=(), test=()))
    found = finalists(archive, "digits")
    assert unmeasured(found, ["accuracy", "model_bytes", "latency_ms"]) == ["latency_ms"]
    assert unmeasured([one for one in found if not one.seeds], ["accuracy"]) == []
