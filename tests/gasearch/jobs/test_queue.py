"""What may enter the queue; what can't run is refused before that."""

from contextlib import closing

import pytest

from gasearch.errors import SpecError, StoreError, UnknownSearch, WrongState
from gasearch.jobs.queue import Submitter, submit_further, submit_new
from gasearch.jobs.start import launch
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from gasearch.storage.access import Actor
from gasearch.storage.sql import open_reader
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.queued import ignore, spec_of, submit

BOB = Submitter(actor=Actor(name="bob", address="192.0.2.7"), searches=2, device_hours=1.5)


def queue_of(url):
    with closing(open_reader(url)) as reader:
        return reader.submissions()


@pytest.fixture
def finished(sqlite_url):
    """A search of 12 evaluations that has ended."""
    launch(load_spec(CUSTOM_SPEC), db_url=sqlite_url, observer=Silent())
    return sqlite_url


def test_a_spec_is_queued_whole_with_its_submitter_s_limits(sqlite_url):
    made = submit(sqlite_url, "a", priority=7, submitter=BOB)
    assert queue_of(sqlite_url) == [made]
    spec = SearchSpec.from_json(made.spec_json)
    assert spec == spec_of("a")
    assert made.spec_hash == spec.identity_hash()
    assert (made.priority, made.submitter, made.searches, made.device_hours) == (7, "bob", 2, 1.5)
    with closing(open_reader(sqlite_url)) as reader:
        assert [(one.who, one.address) for one in reader.audits(count=9)] == [("bob", "192.0.2.7")]


@pytest.mark.parametrize(
    "changes",
    [{"task": {"evaluator": "tests.doubles.evaluators:there_is_none"}}, {"start": {"searches": ["never"]}}],
)
def test_what_could_not_run_is_refused_now(migrated_sqlite_url, changes):
    with pytest.raises(SpecError, match=r"there_is_none|never"):
        submit_new(load_spec(CUSTOM_SPEC | changes), db_url=migrated_sqlite_url, notice=ignore)
    assert queue_of(migrated_sqlite_url) == []


def test_a_spec_that_no_command_could_read_again_is_too_large(sqlite_url):
    choices = {f"d{number}": {"choices": [f"{'x' * 60}{n}" for n in range(50)]} for number in range(90)}
    spec = load_spec(CUSTOM_SPEC | {"space": {"family": "custom", "decisions": choices}, "constraints": []})
    with pytest.raises(SpecError, match="the spec of small is too large for the queue: at most 256 KiB as JSON"):
        submit_new(spec, db_url=sqlite_url, notice=ignore)


def test_a_name_that_is_taken_is_refused_with_what_to_do(finished):
    with pytest.raises(WrongState, match=r"there is a search named 'small' already \(finished\)"):
        submit(finished, "small")
    submit(finished, "a")
    with pytest.raises(WrongState, match="'a' is in the queue already"):
        submit(finished, "a")


def test_a_finished_search_is_queued_only_with_more_to_do(finished):
    with pytest.raises(WrongState, match="extend it with: gasearch resume small --evaluations 24"):
        submit_further("small", db_url=finished, notice=ignore)
    made = submit_further("small", db_url=finished, notice=ignore, evaluations=20, priority=3, submitter=BOB)
    assert (made.spec_json, made.evaluations, made.hours, made.priority) == (None, 20, None, 3)
    assert made.submitter == "bob"
    assert made.seconds_before > 0
    with pytest.raises(WrongState, match="in the queue already"):
        submit_further("small", db_url=finished, notice=ignore, evaluations=20)


def test_what_isn_t_there_can_t_go_on_and_a_mistyped_database_is_not_created(finished, tmp_path):
    with pytest.raises(UnknownSearch, match="did you mean 'small'"):
        submit_further("smal", db_url=finished, notice=ignore)
    with pytest.raises(StoreError):
        submit_further("small", db_url=f"sqlite:///{tmp_path}/typo.db", notice=ignore)
    assert not (tmp_path / "typo.db").exists()
