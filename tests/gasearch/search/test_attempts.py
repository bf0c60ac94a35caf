"""How often an evaluation is tried, over all interruptions, and when everything fails."""

import random

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch import cli
from gasearch.dispatch.in_process import InProcess
from gasearch.errors import GasearchError
from gasearch.query import lineage
from gasearch.query.network import network_details
from gasearch.search.attempts import (
    LATER_CHARACTERS,
    MAX_LOSSES,
    MOST_TOLD_IN_FULL,
    Breaker,
    bounded,
    counted,
    may_go_on,
)
from gasearch.search.state import SearchState
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.scripted import Scripted, failing, flaky, two_objectives
from tests.doubles.searches import loop_over

DIED, LOST, OOM = FailureKind.DIED, FailureKind.WORKER_LOST, FailureKind.OUT_OF_MEMORY


@pytest.fixture
def archive(migrated_sqlite_url):
    opened = open_archive(migrated_sqlite_url, notice=lambda message: None)
    yield opened
    opened.close()


class Killed(BaseException):
    """The controller is gone in the middle of its work."""


def go_on(archive, **options):
    """A loop over the search as a new controller finds it."""
    return loop_over(archive, lease=archive.claim("small", owner=current_owner(), ttl_s=60), **options)


def first_network_fails_with(*kinds, killed_after=(), truth=two_objectives):
    """A truth in which the first network's attempts end so, one after another; dies after some of all calls."""
    left, calls, first = list(kinds), iter(range(1, 10**6)), []

    def ends(request):
        call = next(calls)
        if call - 1 in killed_after:
            raise Killed
        first.append(request.key)
        if request.key == first[0] and left:
            return Failure(kind=left.pop(0), message=f"scripted, call {call}")
        return truth(request)

    return ends


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ([], True),
        ([DIED], True),
        ([OOM, DIED], False),
        ([LOST] * (MAX_LOSSES - 1), True),
        ([LOST] * MAX_LOSSES, False),
        ([DIED] + [LOST] * (MAX_LOSSES - 1), True),
        ([LOST, DIED, LOST, OOM], False),
    ],
)
def test_two_tries_and_ten_losses_are_what_a_training_has(failed, expected):
    assert may_go_on(failed) is expected


def test_the_first_attempt_that_comes_back_is_the_outcome_however_many_workers_were_lost(archive):
    evaluator = Scripted(first_network_fails_with(LOST, LOST, DIED, LOST))
    loop_over(archive, evaluator=evaluator, evaluations=12).run()
    search_id = archive.search("small").id
    attempts = archive.attempts_of(search_id, 0)
    assert [one.result.attempt for one in attempts] == [1, 2, 3, 4, 5]
    assert [one.arrival for one in attempts] == [-1, -1, -1, -1, 0]
    assert isinstance(attempts[-1].result.outcome, Measurement)
    assert [event.message for event in archive.events(search_id)] == [
        f"{kind}: scripted, call {call}" for call, kind in enumerate((LOST, LOST, DIED, LOST), 1)
    ]


def test_tries_are_counted_over_interruptions_and_what_was_in_flight_keeps_its_number(archive):
    died = first_network_fails_with(LOST, DIED, OOM, killed_after=(2,))
    with pytest.raises(Killed):
        loop_over(archive, evaluator=Scripted(died), evaluations=12).run()
    evaluator = Scripted(died)
    go_on(archive, evaluator=evaluator, evaluations=12).run()
    assert [request.attempt for request in evaluator.requests[:2]] == [3, 1]
    [given_up] = [event for event in archive.events(archive.search("small").id) if event.kind == "quarantined"]
    assert "failed 3 times (worker_lost, died, out_of_memory) and is not tried again" in given_up.message
    assert archive.counts(archive.search("small").id).failures == {"out_of_memory": 1}


def noisy(request):
    """The truth, but another seed gives another error."""
    measured = two_objectives(request)
    return Measurement(others=(*measured.others[:1], ("error", measured.metrics()["error"] + request.seed % 97)))


def test_a_resume_that_finds_the_numbers_of_an_earlier_version_goes_on_with_the_next_free_one(archive, monkeypatch):
    """Earlier versions gave each training two numbers of its own: 1 and 2, 3 and 4, ..."""
    asked = {"replicates": 0.5, "noisy": ("error",)}
    with monkeypatch.context() as patch:
        patch.setattr(
            SearchState,
            "next_attempt",
            lambda state, number: 1 if number in state.open else 2 * state.replication.count(number) + 1,
        )
        with pytest.raises(Killed):  # between the second and the third trainings
            loop_over(
                archive, evaluator=Scripted(first_network_fails_with(truth=noisy, killed_after=(36,))), asked=asked
            ).run()
    go_on(archive, asked=asked, evaluator=Scripted(flaky(noisy, every=1, attempts=4))).run()
    search_id = archive.search("small").id
    assert archive.counts(search_id).completed == 60
    numbers = [
        [(one.result.attempt, one.replicate) for one in archive.attempts_of(search_id, candidate.number)]
        for candidate in archive.candidates(search_id)
    ]
    assert [(1, 0), (3, 1), (4, 2), (5, 2)] in numbers  # number 4 was lost
    assert all(len(found) == len(dict(found)) for found in numbers)


def test_what_fails_is_counted_by_cause():
    assert counted([DIED, DIED, LOST]) == "2 died, worker_lost"


# --- everything fails ------------------------------------------------------------------------------------------------


class ManyWorkers(InProcess):
    """As many workers as are wanted, which answer in any order."""

    def __init__(self, evaluator, slots):
        super().__init__(evaluator)
        self._slots, self._rng = slots, random.Random(slots)

    @property
    def slots(self):
        return self._slots

    @property
    def free(self):
        return self._slots - len(self.waiting)

    def collect(self, timeout_s):
        self._rng.shuffle(self.waiting)
        return super().collect(timeout_s)


@pytest.mark.parametrize(("slots", "expected"), [(1, 20), (6, 20), (16, 48)])
def test_a_search_that_loses_every_worker_stops_without_an_outcome_to_its_debit(archive, slots, expected):
    evaluator = Scripted(failing(LOST, "the node is gone"))
    message = rf"^{expected} attempts in a row lost their worker, the last one with: the node is gone\. Mend the cause"
    with pytest.raises(GasearchError, match=message) as caught:
        loop_over(archive, dispatcher=ManyWorkers(evaluator, slots), evaluations=2000).run()
    assert caught.value.exit_status == 1
    assert len(evaluator.requests) == expected
    assert archive.counts(archive.search("small").id).completed == (2 if slots == 1 else 0)  # of ten losses each


@pytest.mark.parametrize(("kind", "calls"), [(DIED, 40), (FailureKind.TIMED_OUT, 20)])
def test_a_search_in_which_everything_fails_burns_a_hundredth_of_a_large_budget_and_is_resumed(archive, kind, calls):
    evaluator = Scripted(failing(kind, "no such device"))
    message = rf"20 evaluations in a row failed \(20 {kind}\), the last one with: no such device\. Mend"
    for completed, begin in ((20, loop_over), (40, go_on)):  # a resume isn't ended at once by what failed before it
        loop = begin(archive, evaluator=evaluator, evaluations=2000)
        with pytest.raises(GasearchError, match=message):
            loop.run()
        assert archive.counts(archive.search("small").id).completed == completed
    assert len(evaluator.requests) == 2 * calls
    go_on(archive, evaluations=60).run()
    assert archive.counts(archive.search("small").id).completed == 60


def test_whatever_comes_back_alive_closes_the_breaker_again():
    breaker = Breaker()
    for _ in range(5):
        for _ in range(19):
            breaker.note_retry(Failure(kind=LOST, message="lost"))
        breaker.note(Failure(kind=FailureKind.STOPPED, message="stopped early"))
        for _ in range(19):
            breaker.note(Failure(kind=DIED, message="died"))
        breaker.note(Measurement())
        breaker.require_closed("gasearch resume small", slots=1)


def test_a_node_that_takes_all_its_workers_along_opens_no_breaker():
    breaker = Breaker()
    breaker.require_closed("gasearch resume small", slots=64)
    for _ in range(2 * 64):
        breaker.note_retry(Failure(kind=LOST, message="the node is gone"))
        breaker.require_closed("gasearch resume small", slots=0)


def test_the_stored_reason_of_a_search_that_everything_failed_in_names_the_cause(archive):
    loop = loop_over(archive, evaluator=Scripted(failing(DIED, "signal 11")), evaluations=2000)
    with pytest.raises(GasearchError) as caught:
        loop.run()
    archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason=str(caught.value))
    assert "(20 died), the last one with: signal 11" in archive.search("small").reason


# --- how it is shown -------------------------------------------------------------------------------------------------


def given_up(archive):
    """The key of a network that died after it had run out of memory."""
    loop_over(archive, evaluator=Scripted(first_network_fails_with(OOM, LOST, DIED)), evaluations=5).run()
    [_] = [event for event in archive.events(1) if event.kind == "quarantined"]
    return next(archive.candidates(1)).key


def test_show_and_why_name_each_try_of_a_network_that_was_given_up(archive):
    key = given_up(archive)
    details = network_details(archive, "small", key)
    assert (details.failure, details.failure_message) == ("died", "scripted, call 3")
    assert list(map(str, details.attempts)) == [
        "attempt 1 failed, out_of_memory: scripted, call 1",
        "attempt 2 failed, worker_lost: scripted, call 2",
    ]
    assert details.row()["attempts"][0]["failure"] == "out_of_memory"
    assert lineage.why(archive, "small", key).verdict == (
        "failed, died: scripted, call 3 (tried 3 times; attempt 1 failed, out_of_memory: scripted, call 1; "
        "attempt 2 failed, worker_lost: scripted, call 2)"
    )


def test_the_command_line_shows_the_tries_one_on_a_line(archive, migrated_sqlite_url, capsys):
    key = given_up(archive)
    assert cli.call(["show", "small", key, "--db", migrated_sqlite_url]) == 0
    assert "\n  attempt 1 failed, out_of_memory: scripted, call 1\n  attempt 2" in capsys.readouterr().out


def test_last_words_are_kept_whole_until_a_search_has_very_many():
    failure = Failure(kind=DIED, message="it died", traceback="t" * 9_000 + "end", output="o" * 9_000 + "end")
    assert bounded(failure, failed_before=MOST_TOLD_IN_FULL - 1) is failure
    later = bounded(failure, failed_before=MOST_TOLD_IN_FULL)
    assert (len(later.traceback), len(later.output)) == (LATER_CHARACTERS, LATER_CHARACTERS)
    assert (later.message, later.traceback[-3:], later.output[-3:]) == ("it died", "end", "end")


def test_a_measurement_is_kept_as_it_is():
    assert bounded(Measurement(accuracy=0.5), failed_before=10**6) == Measurement(accuracy=0.5)


def test_what_arithmetic_refuses_is_tried_once(archive):
    certain = Failure(kind=OOM, message="training needs at least 2 GB; its limit is 1 GB", is_certain=True)
    evaluator = Scripted(
        lambda request: certain if request.key.startswith(tuple("01234567")) else two_objectives(request)
    )
    loop_over(archive, evaluator=evaluator, evaluations=12).run()
    record = archive.search("small")
    assert archive.counts(record.id).failures["out_of_memory"] > 0
    assert archive.counts(record.id).retries == 0
    assert len(evaluator.requests) == len({request.key for request in evaluator.requests}) == 12


def test_so_is_a_further_training_that_arithmetic_refuses(archive):
    certain = Failure(kind=OOM, message="training needs at least 2 GB; its limit is 1 GB", is_certain=True)
    trained = set()

    def at_first(request):
        if request.key in trained:
            return certain
        trained.add(request.key)
        return noisy(request)

    evaluator = Scripted(at_first)
    loop_over(archive, evaluator=evaluator, asked={"replicates": 0.5, "noisy": ("error",)}).run()
    counts = archive.counts(archive.search("small").id)
    assert counts.failures["out_of_memory"] > 0
    assert (counts.retries, len(evaluator.requests)) == (0, counts.completed)
