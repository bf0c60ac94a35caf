"""Searches side by side, over real small searches of a scripted evaluator."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest

from gasearch.errors import BadInput, UnknownSearch
from gasearch.objectives.fitness import FrontChange
from gasearch.query.comparison import SHARES, compare
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.records import candidate, failed, measured, new_search, trained_again
from tests.doubles.searches import loop_over
from tests.doubles.searches import new_search as small_search

UNCHANGED = FrontChange()


@pytest.fixture
def archive(migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=pytest.fail)
    yield archive
    archive.close()


def fill(archive, name, *records, **changes):
    """A search with candidates and these outcomes."""
    lease = archive.create_search(new_search(name, **changes), owner="alice", ttl_s=60)
    archive.add_candidates(lease, [candidate(number) for number in range(6)])
    for record in records:
        assert archive.add_evaluations(lease, [(record, UNCHANGED)])


def taking(record, seconds):
    """The same outcome after so many seconds, one after the other."""
    begin = 10.0 * record.arrival
    return replace(record, result=replace(record.result, started_at=begin, finished_at=begin + seconds))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A reader over two real searches of one space, the second with half the budget and another seed."""
    url = f"sqlite:///{tmp_path_factory.mktemp('compared')}/store.db"
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        for name, evaluations, population in (("long", 60, 10), ("short", 30, 6)):
            lease = archive.create_search(small_search(name), owner="alice", ttl_s=60)
            loop_over(archive, lease=lease, evaluations=evaluations, population=population, asked={"name": name}).run()
            archive.renew(lease, ttl_s=60, active_s=6.0)
    with closing(open_reader(url)) as reader:
        yield reader


def test_marks_lie_at_shares_of_the_smaller_search(searched):
    found = compare(searched, ["long", "short"])
    assert [(mark.share, mark.at) for mark in found.marks if mark.by == "evaluations"] == [
        (0.1, 3), (0.25, 8), (0.5, 15), (0.75, 22), (1.0, 30),
    ]  # fmt: skip
    assert [mark.at for mark in found.marks if mark.by == "active_seconds"] == [6.0 * share for share in SHARES]
    assert not [mark for mark in found.marks if mark.by == "device_seconds"]  # nothing took any time


def test_a_mark_gives_what_each_front_had_by_then(searched):
    found = compare(searched, ["long", "short"])
    for mark in found.marks:
        if mark.by == "evaluations":
            assert mark.hypervolumes == {
                name: [point.hypervolume for point in curve if point.evaluations <= mark.at][-1]
                for name, curve in found.curves.items()
            }
    last = [mark for mark in found.marks if mark.by == "active_seconds"][-1]
    assert last.hypervolumes == {one.name: one.hypervolume for one in found.searches}


def test_the_final_state_of_each_search_is_told_in_native_units(searched):
    long, short = compare(searched, ["long", "short"]).searches
    assert (long.evaluations, short.evaluations, long.active_seconds) == (60, 30, 6.0)
    record = searched.search("long")
    assert long.front_size == searched.counts(record.id).front_size
    networks = list(searched.networks(record.id))
    assert long.best == {metric: min(one.metrics[metric] for one in networks) for metric in ("error", "cost")}


def test_the_scaling_is_the_same_whoever_comes_first(searched):
    one, other = compare(searched, ["long", "short"]), compare(searched, ["short", "long"])
    assert (one.ideal, one.reference) == (other.ideal, other.reference)
    assert one.ideal["cost"] < one.reference["cost"]  # less is better
    assert {each.name: each.hypervolume for each in one.searches} == {
        each.name: each.hypervolume for each in other.searches
    }


def test_reaching_the_first_search_s_volume_names_what_it_took(archive):
    points = [(0.5, 200), (0.6, 150), (0.9, 100)]
    first = [taking(measured(n, accuracy=a, model_bytes=b), 2.0) for n, (a, b) in enumerate(points[:2])]
    better = [
        taking(measured(n, accuracy=a, model_bytes=b), 4.0)
        for n, (a, b) in enumerate([points[0], points[2], points[1]])
    ]
    fill(archive, "first", *first)
    fill(archive, "second", *better)
    yardstick, other = compare(archive, ["first", "second"]).searches
    assert yardstick.reached.evaluations == 2
    assert (other.reached.evaluations, other.reached.device_seconds) == (2, 8.0)
    yardstick, other = compare(archive, ["second", "first"]).searches
    assert yardstick.reached.evaluations == 2
    assert other.reached is None


def test_equal_searches_reach_each_other_at_their_ends(archive):
    records = [measured(n, accuracy=n / 7, model_bytes=100 + 30 * n) for n in range(5)]
    fill(archive, "a", *records)
    shuffled = [replace(record, arrival=(3 * n) % 5) for n, record in enumerate(records)]
    fill(archive, "b", *sorted(shuffled, key=lambda record: record.arrival))
    ours, theirs = compare(archive, ["a", "b"]).searches
    assert (ours.hypervolume, ours.front_size) == (pytest.approx(theirs.hypervolume), theirs.front_size)
    assert theirs.reached.evaluations == 5


def test_a_further_training_replaces_the_first_one_in_front_and_best(archive):
    fill(archive, "a", measured(0, accuracy=0.9, model_bytes=100), trained_again(0, arrival=1, accuracy=0.7,
                                                                                 model_bytes=100))  # fmt: skip
    fill(archive, "b", measured(0, accuracy=0.8, model_bytes=100), measured(1, accuracy=0.5, model_bytes=200))
    lowered, other = compare(archive, ["a", "b"]).searches
    assert lowered.best == {"accuracy": 0.7, "model_bytes": 100}
    assert lowered.hypervolume < other.hypervolume


def test_a_search_without_anything_measured_has_no_volume_beside_one_that_has(archive):
    fill(archive, "a", measured(0, accuracy=0.9, model_bytes=100))
    fill(archive, "b", failed(0))
    fill(archive, "c")
    _, failing, empty = compare(archive, ["a", "b", "c"]).searches
    assert (failing.evaluations, failing.hypervolume, failing.best, failing.reached) == (1, 0.0, {}, None)
    assert (empty.evaluations, empty.front_size) == (0, 0)


def test_a_network_counts_where_it_keeps_the_constraints_of_all(archive):
    bound = json.dumps({"constraints": ["model_bytes <= 150 B"]})
    outcomes = measured(0, accuracy=0.9, model_bytes=200), measured(1, accuracy=0.5, model_bytes=100)
    fill(archive, "free", *outcomes)
    fill(archive, "bound", *outcomes, spec_json=bound)
    found = compare(archive, ["free", "bound"])
    assert found.constraints == ["model_bytes <= 150 B"]
    assert [one.best["accuracy"] for one in found.searches] == [0.5, 0.5]


def test_objectives_in_another_order_are_the_same(archive):
    fill(archive, "a", measured(0, accuracy=0.9, model_bytes=100), measured(1, accuracy=0.5, model_bytes=50))
    turned = (("model_bytes", False), ("accuracy", True))
    fill(archive, "b", measured(0, accuracy=0.9, model_bytes=100), objectives=turned)
    assert list(compare(archive, ["a", "b"]).ideal) == ["accuracy", "model_bytes"]


def test_each_front_is_that_of_its_search_where_ties_hang_on_the_order_of_the_objectives(archive):
    points = [(4.0, 1.0, 0.0, 1.5), (1.0, 1.5, 3.0, 1.5), (2.0, 1.5, 1.0, 0.0)]  # values, each with its spread
    names = ("gain", "gain_spread", "merit", "merit_spread")
    outcomes = [measured(number, others=tuple(zip(names, row, strict=True))) for number, row in enumerate(points)]
    objectives = (("gain", True), ("merit", True))
    fill(archive, "a", *outcomes, objectives=objectives)
    fill(archive, "b", *outcomes, objectives=objectives[::-1])
    for searches in (["a", "b"], ["b", "a"]):
        found = {one.name: one for one in compare(archive, searches).searches}
        assert (found["a"].front_size, found["b"].front_size) == (2, 1)
        assert found["a"].hypervolume == pytest.approx(found["b"].hypervolume)


@pytest.mark.parametrize(
    ("objectives", "text"),
    [
        (
            (("accuracy", True), ("macs", False)),
            r"'a' has accuracy \(max\), model_bytes \(min\); 'b' has accuracy \(max\), macs \(min\)\. Run one",
        ),
        (
            (("accuracy", False), ("model_bytes", False)),
            r"'b' has accuracy \(min\), model_bytes \(min\)\. Run one of them anew",
        ),
        ((("accuracy", True),), r"'a' has accuracy \(max\), model_bytes \(min\); 'b' has accuracy \(max\)\. Run one"),
    ],
)
def test_searches_with_other_objectives_are_refused_with_the_difference(archive, objectives, text):
    fill(archive, "a", measured(0, accuracy=0.9, model_bytes=100))
    fill(archive, "b", objectives=objectives)
    with pytest.raises(BadInput, match=text):
        compare(archive, ["a", "b"])


def test_nothing_measured_anywhere_is_nothing_to_compare(archive):
    fill(archive, "a", measured(0, accuracy=0.9, model_bytes=100))
    fill(archive, "b", spec_json=json.dumps({"constraints": ["accuracy >= 0.95"]}))
    with pytest.raises(BadInput, match=r"none of 'a', 'b' has measured a network within accuracy >= 0.9500 yet"):
        compare(archive, ["a", "b"])


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "needs two different searches; got none"),
        (["a", "a"], "needs two different searches; got 'a', 'a'"),
        (["a", "b", "a"], "a search is compared once; 'a' is named 2 times"),
        ([f"s{number}" for number in range(21)], "at most 20 searches are compared; got 21"),
    ],
)
def test_what_names_no_comparison_is_refused(archive, names, text):
    with pytest.raises(BadInput, match=text):
        compare(archive, names)


def test_an_unknown_search_is_named(archive):
    fill(archive, "abc")
    with pytest.raises(UnknownSearch, match="abd"):
        compare(archive, ["abc", "abd"])


def test_a_comparison_is_json_without_its_curves_and_flat_rows_for_csv(searched):
    found = compare(searched, ["long", "short"])
    row = found.row()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert "curves" not in row
    rows = found.rows()
    assert len(rows) == 2 * len(found.marks)
    assert list(rows[0]) == ["search", "by", "share", "at", "hypervolume"]
    assert rows[1]["search"] == "short"
