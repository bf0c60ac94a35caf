import random
from dataclasses import replace

import pytest
from gasearch_workers.messages import FailureKind, Measurement

from gasearch.dispatch.in_process import InProcess
from gasearch.errors import GasearchError, LeaseLost, StoreError
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.objectives.front import ParetoFront
from gasearch.search.ownership import StopSignal
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.connections import writing
from tests.doubles.disorder import Disorderly
from tests.doubles.scripted import Scripted, failing, flaky, two_objectives
from tests.doubles.searches import OBJECTIVES, digest, loop_over, new_search, small_space


@pytest.fixture
def archive(tmp_path):
    opened = open_archive(f"sqlite:///{tmp_path / 'search.db'}", notice=lambda message: None)
    yield opened
    opened.close()


def resume(archive, lease, **options):
    archive.release(lease, state=SearchStatus.STOPPED, reason="test")
    return loop_over(archive, lease=archive.claim("small", owner=current_owner(), ttl_s=60), **options)


class Watch:
    """Keeps what a loop reports; may stop it."""

    def __init__(self, stop=None, after=None):
        self.seen, self.notices, self._stop, self._after = [], [], stop, after

    def on_outcome(self, record):
        """Nobody looks."""

    def on_progress(self, progress):
        self.seen.append(progress)
        if self._stop is not None and progress.completed >= self._after:
            self._stop.request("interrupted")

    def on_notice(self, message):
        self.notices.append(message)


def test_a_search_spends_exactly_its_budget_and_never_repeats_a_network(archive):
    evaluator = Scripted()
    verdict = loop_over(archive, evaluations=57, evaluator=evaluator).run()
    assert verdict.state is SearchStatus.FINISHED
    assert verdict.reason == "all 57 evaluations are done"
    keys = [request.key for request in evaluator.requests]
    assert len(keys) == len(set(keys)) == 57


def test_the_stored_front_is_the_front_of_all_outcomes(archive):
    loop_over(archive).run()
    record = archive.search("small")
    front = ParetoFront()
    from gasearch.objectives.fitness import fitness_of

    for evaluation in archive.evaluations(record.id):
        front.add(evaluation.candidate, fitness_of(evaluation.result.outcome, OBJECTIVES, ()))
    assert sorted(front.numbers) == [network.number for network in archive.front(record.id)]
    assert len(front) > 3


def test_a_lost_evaluation_is_tried_once_more_under_the_same_seed(archive):
    evaluator = Scripted(flaky(two_objectives, every=5))
    loop_over(archive, evaluator=evaluator).run()
    record = archive.search("small")
    again = [request for request in evaluator.requests if request.attempt == 2]
    assert again
    first = {request.key: request for request in evaluator.requests if request.attempt == 1}
    assert all(replace(request, attempt=1) == first[request.key] for request in again)
    counts = archive.counts(record.id)
    assert (counts.completed, counts.retries, counts.failures) == (60, len(again), {})
    assert [event.kind for event in archive.events(record.id)].count("retry") == len(again)


@pytest.mark.parametrize(
    ("kind", "attempts"), [(FailureKind.DIED, 2), (FailureKind.OUT_OF_MEMORY, 2), (FailureKind.WORKER_LOST, 10)]
)
def test_an_evaluation_that_never_comes_back_is_a_typed_failure_outside_the_front(archive, kind, attempts):
    # 13 divides the keys of candidates 12, 36, 44 and 58. With 11 it would be 51 and 52 too: two that lose ten workers
    # each, one after the other, are 20 losses in a row, at which the breaker ends the search, as it should.
    evaluator = Scripted(flaky(two_objectives, every=13, attempts=attempts, kind=kind))
    loop_over(archive, evaluator=evaluator).run()
    record = archive.search("small")
    lost = [one for one in archive.networks(record.id) if one.failure is not None]
    assert lost
    assert {one.failure for one in lost} == {kind}
    assert not any(one.is_on_front for one in lost)
    assert archive.counts(record.id).failures == {kind: len(lost)}
    assert max(request.attempt for request in evaluator.requests) == attempts
    given_up = [event for event in archive.events(record.id) if event.kind == "quarantined"]
    assert [event.candidate for event in given_up] == [one.number for one in lost]
    assert f"failed {attempts} times ({attempts} {kind}) and is not tried again" in given_up[0].message


def test_a_metric_that_is_missing_makes_the_outcome_a_user_error(archive):
    evaluator = Scripted(lambda request: Measurement(others=(("error", 1.0),)))
    with pytest.raises(GasearchError, match=r"20 evaluations in a row failed.*: cost was not measured"):
        loop_over(archive, evaluator=evaluator).run()
    failures = archive.counts(archive.search("small").id).failures
    assert failures == {"user_error": 20}


def test_a_search_in_which_everything_fails_stops_early_and_says_why(archive):
    evaluator = Scripted(failing(FailureKind.DIVERGED, "the loss became nan"))
    with pytest.raises(GasearchError, match=r"last one with: the loss became nan\. Mend the cause.*resume small"):
        loop_over(archive, evaluator=evaluator).run()
    assert len(evaluator.requests) == 20


def test_limits_that_need_measuring_keep_networks_out_of_the_front(archive):
    loop_over(archive, limits=("cost <= 10",)).run()
    front = archive.front(archive.search("small").id)
    assert front
    assert all(network.metrics["cost"] <= 10 for network in front)


def test_a_stop_ends_the_search_between_two_evaluations_and_a_resume_completes_it_equally(tmp_path, archive):
    whole = open_archive(f"sqlite:///{tmp_path / 'whole.db'}", notice=lambda message: None)
    loop_over(whole).run()
    stop = StopSignal()
    lease = None
    loop = loop_over(archive, stop=stop, observer=Watch(stop, after=23), clock=iter(range(100_000)).__next__)
    verdict = loop.run()
    assert (verdict.state, verdict.reason) == (SearchStatus.STOPPED, "interrupted")
    lease = loop.log.lease
    assert archive.counts(archive.search("small").id).completed == 23
    resume(archive, lease).run()
    assert digest(archive) == digest(whole)
    whole.close()


@pytest.mark.parametrize("first", [1, 9, 10, 11, 37, 59])
def test_a_search_extended_in_steps_equals_one_of_the_whole_budget(tmp_path, archive, first):
    whole = open_archive(f"sqlite:///{tmp_path / 'whole.db'}", notice=lambda message: None)
    loop_over(whole).run()
    loop = loop_over(archive, evaluations=first)
    loop.run()
    resume(archive, loop.log.lease, evaluations=60).run()
    assert digest(archive) == digest(whole)
    whole.close()


class Shuffled(InProcess):
    """Many workers that answer in any order."""

    def __init__(self, evaluator, *, capacity, seed):
        super().__init__(evaluator)
        self._capacity, self._rng = capacity, random.Random(seed)

    @property
    def free(self):
        return self._capacity - len(self.waiting)

    def collect(self, timeout_s):
        self._rng.shuffle(self.waiting)
        return super().collect(timeout_s)


@pytest.mark.parametrize("capacity", [2, 16])
def test_the_number_of_workers_and_the_order_of_their_answers_change_nothing(tmp_path, archive, capacity):
    one = open_archive(f"sqlite:///{tmp_path / 'one.db'}", notice=lambda message: None)
    loop_over(one).run()
    evaluator = Scripted(flaky(two_objectives, every=7))
    loop_over(archive, dispatcher=Shuffled(evaluator, capacity=capacity, seed=3)).run()
    theirs, ours = digest(one), digest(archive)
    arrivals = [outcome[0] for outcome in ours["outcomes"]]
    assert arrivals != sorted(arrivals)
    for part in ("candidates", "front", "generations", "reference"):
        assert ours[part] == theirs[part]
    assert {(number, outcome) for number, _, outcome, _ in ours["outcomes"]} == {
        (number, outcome) for number, _, outcome, _ in theirs["outcomes"]
    }
    one.close()


def test_a_retry_that_was_interrupted_is_not_granted_again(archive):
    class DiesOnSecond(Scripted):
        def evaluate(self, request):
            if request.attempt == 2:
                raise KeyboardInterrupt
            return super().evaluate(request)

    loop = loop_over(archive, evaluator=DiesOnSecond(flaky(two_objectives, every=3, attempts=9, kind=FailureKind.DIED)))
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    evaluator = Scripted(flaky(two_objectives, every=3, attempts=9, kind=FailureKind.DIED))
    resume(archive, loop.log.lease, evaluator=evaluator).run()
    assert evaluator.requests[0].attempt == 2
    assert max(request.attempt for request in evaluator.requests) == 2


def test_a_late_result_is_noted_and_not_used(archive):
    class Repeating(InProcess):
        def collect(self, timeout_s):
            results = super().collect(timeout_s)
            return results * 2

    loop_over(archive, dispatcher=Repeating(Scripted()), evaluations=12).run()
    record = archive.search("small")
    assert archive.counts(record.id).completed == 12
    assert [event.kind for event in archive.events(record.id)] == ["late"] * 12


@pytest.mark.parametrize("kind", [GenerationalEngine, SteadyStateEngine])
def test_outcomes_that_come_together_are_stored_before_evolution_learns_from_any(archive, kind):
    workers = Disorderly(Scripted(), rng=random.Random(3), capacity=6)
    loop = loop_over(archive, evaluations=40, dispatcher=workers, engine=kind(small_space(8), seed=7, population=10))
    stored, add, tell = [], archive.add_evaluations, loop.engine.tell

    def add_and_note(lease, outcomes):
        stored.append([record.candidate for record, _ in outcomes])
        return add(lease, outcomes)

    def tell_if_stored(scored):
        assert scored.number in stored[-1]
        tell(scored)

    archive.add_evaluations, loop.engine.tell = add_and_note, tell_if_stored
    loop.run()
    assert max(map(len, stored)) > 1
    assert sum(map(len, stored)) == 40
    assert [one.evaluations for one in archive.generations(1)] == [10, 20, 30, 40]


def test_what_was_stored_is_adopted_whatever_this_evolution_would_have_proposed(archive):
    loop = loop_over(archive, evaluations=15)
    loop.run()
    before = list(archive.candidates(archive.search("small").id))
    archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason="test")
    lease = archive.claim("small", owner=current_owner(), ttl_s=60)
    loop_over(archive, lease=lease, evaluations=40, population=11).run()
    after = list(archive.candidates(archive.search("small").id))
    assert after[:15] == before
    assert len({candidate.key for candidate in after}) == 40


def test_a_store_that_lost_outcomes_is_refused(archive, tmp_path):
    loop = loop_over(archive, evaluations=25)
    loop.run()
    archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason="test")
    with writing(f"sqlite:///{tmp_path}/search.db") as connection:
        connection.exec_driver_sql("DELETE FROM evaluations WHERE arrival >= 5")
    lease = archive.claim("small", owner=current_owner(), ttl_s=60)
    with pytest.raises(
        StoreError, match="candidate 10 was proposed after 10 outcomes, but the database has 5: restore"
    ):
        loop_over(archive, lease=lease).run()


def test_a_store_that_lost_one_outcome_of_many_is_refused(archive, tmp_path):
    loop = loop_over(archive, evaluations=25)
    loop.run()
    archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason="test")
    with writing(f"sqlite:///{tmp_path}/search.db") as connection:
        connection.exec_driver_sql("DELETE FROM evaluations WHERE arrival = 22")
    lease = archive.claim("small", owner=current_owner(), ttl_s=60)
    with pytest.raises(StoreError, match="lacks outcome 22, and has 23 in its place: restore a backup"):
        loop_over(archive, lease=lease).run()


def test_an_outdated_owner_writes_nothing(archive):
    loop = loop_over(archive, evaluations=15)
    archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason="test")
    archive.claim("small", owner=current_owner(), ttl_s=60)
    with pytest.raises(LeaseLost):
        loop.run()
    assert archive.counts(archive.search("small").id).candidates == 0


def test_the_time_budget_ends_the_search_over_all_interruptions(archive):
    lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=60)
    archive.renew(lease, ttl_s=60, active_s=70.0)
    verdict = loop_over(archive, lease=lease, seconds=100.0, clock=iter(range(100_000)).__next__).run()
    assert verdict.state is SearchStatus.FINISHED
    assert verdict.reason == "the budget of 0.0277778 hours is spent"
    assert 0 < archive.counts(archive.search("small").id).completed < 30


def test_an_exhausted_space_finishes_the_search(archive):
    verdict = loop_over(archive, evaluations=100_000, population=20, most=4).run()
    assert verdict.reason == "160 networks are evaluated; no further one of the space meets the constraints"
    assert archive.counts(archive.search("small").id).completed == 2 * 4**3 + 2 * 4**2


def test_progress_tells_best_values_rate_and_time_left(archive):
    watch = Watch()
    loop_over(archive, observer=watch, clock=iter(range(100_000)).__next__).run()
    last = watch.seen[-1]
    assert (last.completed, last.budget, last.in_flight, last.remaining_s) == (60, 60, 0, 0.0)
    best = dict(last.best)
    networks = list(archive.networks(archive.search("small").id))
    assert best["error"] == min(network.metrics["error"] for network in networks)
    assert best["cost"] == min(network.metrics["cost"] for network in networks)
    assert last.hypervolume > watch.seen[12].hypervolume > 0
    assert last.rate_per_minute > 0
