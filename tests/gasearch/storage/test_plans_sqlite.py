"""How SQLite finds what it is asked: a question about a few candidates must not walk through all outcomes."""

import pytest
from sqlalchemy import event

from gasearch.fitness import FrontChange
from gasearch.storage.sql import open_archive
from tests.doubles.records import candidate, key_of, measured, new_search

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
    lease = archive.create_search(new_search(context="c0ffee"), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(12)])
    archive.add_evaluation(lease, measured(3, accuracy=0.5), FrontChange(entered=(3,)))
    yield archive
    archive.close()


def plan_of(archive, ask):
    """The steps by which SQLite answers the last statement that a question asks."""
    asked = []
    event.listen(archive._engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    ask(archive)
    *_, (statement, parameters) = asked  # after BEGIN
    with archive._engine.connect() as connection:
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


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
