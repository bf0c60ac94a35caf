"""A stored search as events, and what is refused where some are missing."""

from contextlib import closing
from dataclasses import replace

import pytest
from gasearch_workers.messages import FailureKind

from gasearch.errors import StoreError
from gasearch.search.log import SearchLog
from gasearch.search.state import Attempted, Completed, Proposed
from gasearch.storage.sql import open_archive
from tests.doubles.scripted import Scripted, flaky, two_objectives
from tests.doubles.searches import loop_over, problem


@pytest.fixture
def log(migrated_sqlite_url):
    with closing(open_archive(migrated_sqlite_url, notice=lambda message: None)) as archive:
        loop = loop_over(archive, evaluations=30, evaluator=Scripted(flaky(two_objectives, every=3)))
        loop.run()
        yield loop.log


class Changed:
    """An archive of which one answer is another one."""

    def __init__(self, archive, **answers):
        self._archive, self._answers = archive, answers

    def __getattr__(self, name):
        original = getattr(self._archive, name)
        change = self._answers.get(name)
        return original if change is None else lambda *given, **options: iter(change(list(original(*given, **options))))


def test_candidates_come_after_what_they_know_and_attempts_before_the_outcome_that_they_led_to(log):
    events, completed = list(log.events(problem())), 0
    known = {one.number: one.completed for one in log.archive.candidates(log.lease.search_id)}
    open_attempts = {}
    for event in events:
        match event:
            case Proposed(candidate=candidate):
                assert known[candidate.number] <= completed
            case Attempted():
                assert event.kind is FailureKind.WORKER_LOST
                open_attempts[event.number] = event.attempt
            case Completed():
                assert event.attempt == open_attempts.pop(event.number, 0) + 1
                completed += 1
    assert (completed, open_attempts) == (30, {})
    assert any(isinstance(event, Attempted) for event in events)


def test_an_outcome_that_is_missing_is_named(log):
    archive = Changed(log.archive, evaluations=lambda found: [*found[:12], *found[13:]])
    with pytest.raises(StoreError, match="the database lacks outcome 12, and has 13 in its place: restore a backup"):
        list(SearchLog(archive, log.lease).events(problem()))


def test_so_is_a_candidate_that_knows_of_more_than_there_is(log):
    archive = Changed(log.archive, candidates=lambda found: [*found[:-1], replace(found[-1], completed=99)])
    with pytest.raises(StoreError, match="was proposed after 99 outcomes, but the database has 30: restore a backup"):
        list(SearchLog(archive, log.lease).events(problem()))
