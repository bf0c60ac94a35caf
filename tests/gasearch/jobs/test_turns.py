"""What a controller does next for a submission, by the state of its search."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gasearch.jobs.turns import End, Start, Wait, is_of, next_step
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from tests.doubles.archived import search_record
from tests.doubles.queued import submission

NEW = submission()
AGAIN = submission(spec_json=None, spec_hash="", evaluations=80, seconds_before=5.0)


def search(submitted=NEW, *, state=SearchStatus.RUNNING, is_run=False, budget=None, **changes):
    """The search of that submission."""
    given = {
        "state": state,
        "spec_hash": submitted.spec_hash,
        "created_at": submitted.submitted_at + timedelta(seconds=1),
        "owner": current_owner() if is_run else None,
        "is_owned": is_run,
        "spec_json": json.dumps({"budget": budget or {"evaluations": 40}}),
        "worker_seconds": 9.0,
    }
    return replace(search_record("small"), **given | changes)


@pytest.mark.parametrize(
    ("record", "step"),
    [
        (None, Start(is_new=True)),
        (search(is_run=True), Wait()),
        (search(), Start(is_new=False)),
        (search(state=SearchStatus.STOPPED), Start(is_new=False)),
        (search(state=SearchStatus.FINISHED), End(status=0, message="")),
        (search(state=SearchStatus.FAILED), End(status=1, message="")),
    ],
)
def test_a_new_search_begins_once_and_then_goes_on_until_it_has_ended(record, step):
    assert next_step(NEW, record) == step


@pytest.mark.parametrize(
    "other",
    [
        search(spec_hash="1", is_run=True),
        search(spec_hash="1", state=SearchStatus.FINISHED),
        search(created_at=NEW.submitted_at - timedelta(seconds=1), state=SearchStatus.FINISHED),
    ],
)
def test_another_search_of_its_name_is_left_to_the_command_to_refuse(other):
    assert not is_of(NEW, other)
    assert next_step(NEW, other) == Start(is_new=True)
    assert next_step(NEW, other, stop_reason="stopped") == End(status=130, message="stopped")


@pytest.mark.parametrize(
    ("record", "step"),
    [
        (None, Start(is_new=False)),
        (search(AGAIN, is_run=True), Wait()),
        (search(AGAIN, state=SearchStatus.STOPPED), Start(is_new=False)),
        (search(AGAIN, state=SearchStatus.FINISHED), Start(is_new=False)),
        (search(AGAIN, state=SearchStatus.FINISHED, budget={"evaluations": 80}), End(status=0, message="")),
        (search(AGAIN, state=SearchStatus.FAILED, budget={"evaluations": 80}), End(status=1, message="")),
        (
            search(AGAIN, state=SearchStatus.FAILED, budget={"evaluations": 80}, worker_seconds=5.0),
            Start(is_new=False),
        ),
    ],
)
def test_a_search_that_goes_on_has_ended_once_it_has_run_with_its_new_budget(record, step):
    assert next_step(AGAIN, record) == step


@pytest.mark.parametrize(
    ("record", "step"),
    [
        (None, End(status=130, message="why")),
        (search(), End(status=130, message="why")),
        (search(state=SearchStatus.FINISHED), End(status=0, message="")),
        (search(is_run=True), Wait()),
    ],
)
def test_what_is_to_stop_is_not_begun_again(record, step):
    assert next_step(NEW, record, stop_reason="why") == step


def test_a_dead_owner_runs_nothing():
    host, _, start = current_owner().split("/")
    dead = search(is_run=True, owner=f"{host}/4194303/{start}")
    assert next_step(NEW, dead) == Start(is_new=False)
