"""How SQLite finds what it is asked: a question about a few candidates must not walk through all outcomes."""

import pytest

from gasearch.objectives.fitness import FrontChange
from gasearch.storage.sql import open_archive
from tests.doubles.connections import listening
from tests.doubles.records import candidate, failed, key_of, measured, new_search

QUESTIONS = {
    "network": lambda archive: archive.network(1, key_of(3)),
    "numbered": lambda archive: archive.numbered(1, [3, 5]),
    "trainings": lambda archive: archive.trainings(1, [3, 5]),
    "front": lambda archive: archive.front(1),
    "reusable, one key": lambda archive: archive.reusable("c0ffee", [key_of(3)]),
    "reusable, eight keys": lambda archive: archive.reusable("c0ffee", [key_of(number) for number in range(8)]),
}


@pytest.fixture
def archive(migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=pytest.fail)
    yield archive
    archive.close()


@pytest.fixture(autouse=True)
def lease(archive):
    """Of a search with candidates and an outcome."""
    lease = archive.create_search(new_search(context="c0ffee"), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(12)])
    archive.add_evaluations(lease, [(measured(3, arrival=0, accuracy=0.5), FrontChange(entered=(3,)))])
    return lease


def plans_of(archive, ask):
    """The steps by which SQLite answers each statement that a question asks."""
    asked = []
    connections = []

    def note(connection, cursor, *call):
        asked.append(call[:2])
        connections.append(connection)

    with listening("before_cursor_execute", note):
        ask(archive)
    with connections[-1].engine.connect() as connection:
        return [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in asked
            if statement != "BEGIN"
        ]


def plan_of(archive, ask):
    """The same of the last statement."""
    return plans_of(archive, ask)[-1]


@pytest.mark.parametrize("question", QUESTIONS)
def test_outcomes_of_a_few_candidates_are_found_by_their_key(archive, question):
    assert QUESTIONS[question](archive)
    plan = plan_of(archive, QUESTIONS[question])
    [step] = [step for step in plan if step.startswith(("SEARCH evaluations", "SCAN evaluations"))]
    assert "(search_id=? AND candidate=?)" in step


def test_the_newest_hypervolume_and_what_lowered_it_are_found_without_walking_through_all_outcomes(archive):
    [newest] = plan_of(archive, lambda archive: archive.hypervolume(1))
    assert "INDEX uq_evaluations_search_id_arrival" in newest  # whose last entry is read
    falls = plan_of(archive, lambda archive: archive.falls(1))
    assert not [step for step in falls if step.startswith("SCAN")]
    assert [step for step in falls if step.startswith("SEARCH evaluations") and "(search_id=? AND candidate=?" in step]
    assert [step for step in falls if step.startswith("SEARCH earlier") and "(search_id=? AND arrival=?)" in step]


def test_all_outcomes_are_counted_in_an_index_once_and_then_only_those_that_came(archive, lease):
    def count(archive):
        return archive.counts(1)

    sizes, completed = plans_of(archive, count)
    assert completed == ["SEARCH evaluations USING COVERING INDEX ix_evaluations_counted (search_id=?)"]
    assert len([step for step in sizes if step.startswith("SEARCH ")]) == 9
    assert not [step for step in sizes if step.startswith("SCAN") and "CONSTANT ROW" not in step]
    assert [step for step in sizes if "ix_evaluations_failed (search_id=? AND failure=? AND arrival<?)" in step]
    assert [step for step in sizes if step.startswith("SEARCH candidates") and "(search_id=? AND number>?)" in step]

    assert len(plans_of(archive, count)) == 1
    archive.add_evaluations(lease, [(measured(4, arrival=1), FrontChange())])
    [_, [completed, *_]] = plans_of(archive, count)
    assert completed.endswith("INDEX uq_evaluations_search_id_arrival (search_id=? AND arrival>?)")
    archive.add_evaluations(lease, [(failed(5, arrival=-1), FrontChange())])
    [_, [retried, *_]] = plans_of(archive, count)
    assert retried.startswith("SEARCH evaluations USING INDEX ix_evaluations_failed")


def test_the_newest_failure_of_a_kind_is_the_last_entry_of_an_index(archive, lease):
    archive.add_evaluations(lease, [(failed(4, arrival=1), FrontChange())])
    [found] = plan_of(archive, lambda archive: archive.newest_failures(1, ["diverged"]))
    assert "(search_id=? AND failure=? AND arrival>?)" in found
