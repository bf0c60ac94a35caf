"""The loop without a barrier: stops, replicates and reused outcomes, and that no interruption changes any of them."""

import random
from dataclasses import replace

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.evolution.advice import SurrogateAdvisor
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.evolution.surrogate.surrogate import Surrogate
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Objective
from gasearch.query.summary import search_summary
from gasearch.search.early_stopping import EarlyStop
from gasearch.search.problem import training_seed
from gasearch.storage.owner import current_owner
from gasearch.storage.records import REUSED, SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.disorder import STEPS, Disorderly, Dying, Killed, Recorded, trained
from tests.doubles.scripted import Scripted, two_objectives
from tests.doubles.searches import digest, loop_over, new_search, small_space

NOISY = {"replicates": 0.25, "noisy": ("error",)}


def opened(path):
    return open_archive(f"sqlite:///{path}", notice=lambda message: None)


@pytest.fixture
def archive(tmp_path):
    archive = opened(tmp_path / "search.db")
    yield archive
    archive.close()


@pytest.fixture
def other(tmp_path):
    archive = opened(tmp_path / "other.db")
    yield archive
    archive.close()


def advisor():
    space = small_space()
    surrogate = Surrogate(space, objectives=2, exact=[None, None])
    return SurrogateAdvisor(space, surrogate, objectives=2, seed=7, initial=12)


def steady(
    archive, *, algorithm="nsga2", policy=SteadyStateEngine, is_stopping=True, seed=7, is_advised=False, **options
):
    """A loop with an engine of its own; `lease` goes on."""
    lease = options.pop("lease", None)
    if lease is not None:
        options |= {"lease": lease}
    toolbox = make_toolbox(small_space(), algorithm)
    advice = advisor() if is_advised else None
    engine = policy(small_space(), seed=seed, population=8, toolbox=toolbox, advisor=advice)
    early_stop = {"early_stop": EarlyStop(steps=STEPS, risk=0.3) if is_stopping else None}
    options["asked"] = early_stop | options.get("asked", NOISY)
    return loop_over(archive, **{"evaluations": 48, "engine": engine} | options)


def again(archive, lease, name="small"):
    archive.release(lease, state=SearchStatus.STOPPED, reason="test")
    return archive.claim(name, owner=current_owner(), ttl_s=60)


def run_with_kills(archive, evaluator, rng, *, kills, **options):
    """Run to the end, killed so often on the way; returns how often that was."""
    lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=60)
    capacity = rng.randint(1, 6)
    for count in range(kills + 1):
        after = rng.randint(1, 30) if count < kills else 10**9
        dying = Dying(archive, after=after, is_written=rng.random() < 0.5)
        dispatcher = Disorderly(evaluator, capacity=capacity, rng=rng)
        try:
            steady(dying, lease=lease, dispatcher=dispatcher, **options).run()
            return count
        except Killed:
            lease = again(archive, lease)
    raise AssertionError("the last one isn't killed")


@pytest.mark.parametrize(
    ("policy", "algorithm", "seed"),
    [
        (SteadyStateEngine, "nsga2", 1),
        (SteadyStateEngine, "nsga3", 2),
        (SteadyStateEngine, "aging", 3),
        (GenerationalEngine, "nsga2", 4),
        (GenerationalEngine, "aging", 5),
    ],
)
def test_a_search_killed_at_any_write_equals_an_undisturbed_one_in_the_same_order(
    archive, other, policy, algorithm, seed
):
    evaluator = Scripted(trained)
    options = {"algorithm": algorithm, "policy": policy}
    assert run_with_kills(archive, evaluator, random.Random(seed), kills=6, **options) > 0
    steady(other, dispatcher=Recorded(Scripted(trained), archive, "small"), **options).run()
    assert digest(archive) == digest(other)
    record = archive.search("small")
    assert archive.replicates(record.id) == other.replicates(other.search("small").id)
    assert archive.counts(record.id).completed == 48
    ended = [(one.candidate, one.replicate) for one in archive.evaluations(record.id)]
    assert len(ended) == len(set(ended)) == 48


def test_a_search_with_a_surrogate_is_the_same_whenever_it_is_killed(archive, other):
    run_with_kills(archive, Scripted(trained), random.Random(6), kills=3, is_advised=True)
    steady(other, dispatcher=Recorded(Scripted(trained), archive, "small"), is_advised=True).run()
    assert digest(archive) == digest(other)
    assert any(one.predicted for one in archive.candidates(archive.search("small").id))


def test_a_finished_network_is_never_evaluated_again_by_a_resume(archive):
    evaluator = Scripted(trained)
    run_with_kills(archive, evaluator, random.Random(5), kills=8)
    record = archive.search("small")
    stored = {one.seed for one in archive.evaluations(record.id)}
    assert {request.seed for request in evaluator.requests} == stored
    lost = [request for request in evaluator.requests if int(request.key, 16) % 11 == 0 and request.attempt % 2 == 1]
    assert len(evaluator.requests) - len(lost) <= 48 + 8 * 6  # what was in flight at each kill


# --- stops ------------------------------------------------------------------------------------------------------


def test_a_stopped_training_is_neither_a_failure_nor_on_the_front_and_is_told_what_it_would_have_become(archive):
    class Listening(SteadyStateEngine):
        heard = []

        def tell(self, scored):
            self.heard.append(scored)
            super().tell(scored)

    steady(archive, policy=Listening, evaluator=Scripted(trained), asked={}).run()
    record = archive.search("small")
    counts = archive.counts(record.id)
    stopped = {one.number for one in archive.networks(record.id) if one.failure == "stopped"}
    assert len(stopped) == counts.stopped > 5
    assert "stopped" not in counts.failures
    assert not stopped & {one.number for one in archive.front(record.id)}
    expected = [one.expected for one in Listening.heard if one.number in stopped]
    assert all(one is not None and len(one) == 2 for one in expected)
    assert not any(one.expected for one in Listening.heard if one.number not in stopped)


def test_what_is_in_flight_has_the_same_rule_after_a_resume(archive):
    class Refusing(Scripted):
        def evaluate(self, request):
            self.requests.append(request)
            raise KeyboardInterrupt

    loop = steady(archive, evaluations=25, evaluator=Scripted(trained), asked={})
    loop.run()
    first, second = Refusing(), Refusing()
    lease = loop.log.lease
    for refusing in (first, second):
        lease = again(archive, lease)
        with pytest.raises(KeyboardInterrupt):
            steady(archive, lease=lease, evaluations=48, evaluator=refusing, asked={}).run()
    assert first.requests[0].stopping.front
    assert first.requests == second.requests


# --- trained again ----------------------------------------------------------------------------------------------


def noisy_only(request):
    """Never stopped, never lost: a score that each seed changes."""
    outcome = two_objectives(request)
    values = dict(outcome.others)
    return Measurement(others=(("cost", values["cost"]), ("error", values["error"] + (request.seed % 1000) / 2000)))


def test_replicates_and_new_networks_share_the_budget_exactly(archive):
    verdict = steady(archive, is_stopping=False, evaluator=Scripted(noisy_only)).run()
    counts = archive.counts(archive.search("small").id)
    assert verdict.reason == "all 48 evaluations are done"
    assert counts.completed == 48
    assert 0 < counts.replicates <= 12
    assert counts.candidates == 48 - counts.replicates


def test_what_no_doubt_needs_goes_to_new_networks(archive):
    verdict = steady(archive, is_stopping=False, asked=NOISY | {"noisy": ()}).run()
    counts = archive.counts(archive.search("small").id)
    assert verdict.reason == "all 48 evaluations are done"
    assert (counts.candidates, counts.replicates) == (48, 0)


def test_a_replicate_has_a_seed_of_its_own_and_its_mean_takes_the_place_of_the_score(archive):
    steady(archive, is_stopping=False, evaluator=Scripted(noisy_only)).run()
    record = archive.search("small")
    keys = {one.number: one.key for one in archive.candidates(record.id)}
    trainings = list(archive.evaluations(record.id))
    assert all(one.seed == training_seed(7, keys[one.candidate], one.replicate) for one in trainings)
    number = next(one.candidate for one in trainings if one.replicate)
    (newest,) = archive.numbered(record.id, [number])
    own = [one for one in trainings if one.candidate == number]
    assert newest.metrics == own[-1].result.outcome.metrics()
    assert newest.metrics["trainings"] == len(own)
    assert newest.metrics["error_spread"] > 0


def test_the_best_that_is_told_is_the_best_mean_of_the_front_not_the_luckiest_training(archive):
    watch = Watch()
    steady(archive, is_stopping=False, evaluator=Scripted(noisy_only), observer=watch).run()
    record = archive.search("small")
    best = min(one.metrics["error"] for one in archive.front(record.id))
    luckiest = min(one.result.outcome.metrics()["error"] for one in archive.evaluations(record.id))
    assert dict(watch.progress.best)["error"] == search_summary(archive, "small").best["error"] == best > luckiest


def test_a_replicate_that_fails_leaves_the_network_as_it_was(archive):
    def truth(request):
        if request.attempt > 1:
            return Failure(kind=FailureKind.DIVERGED, message="the loss became nan")
        return noisy_only(request)

    steady(archive, is_stopping=False, evaluator=Scripted(truth)).run()
    record = archive.search("small")
    assert archive.counts(record.id).failures["diverged"] == archive.counts(record.id).replicates > 0
    front = archive.front(record.id)
    assert front
    assert all(one.failure is None and "trainings" not in one.metrics for one in front)


# --- taken over -------------------------------------------------------------------------------------------------


def shared(archive, name, *, context="same", **options):
    lease = archive.create_search(new_search(name, context=context), owner=current_owner(), ttl_s=60)
    asked = {"name": name, "context": context} | options.pop("asked", {})
    return steady(archive, lease=lease, asked=asked, **options)


def parts(archive, name):
    found = digest(archive, name)
    return {part: found[part] for part in ("candidates", "outcomes", "front", "generations", "reference")}


def test_a_search_that_takes_outcomes_over_comes_to_the_same_without_evaluating(archive):
    shared(archive, "first", evaluator=Scripted(trained)).run()
    evaluator = Scripted(trained)
    verdict = shared(archive, "second", evaluator=evaluator).run()
    assert verdict.reason == "all 48 evaluations are done"
    first, second = parts(archive, "first"), parts(archive, "second")
    assert first == second
    counts = archive.counts(archive.search("second").id)
    measured = [one for one in archive.evaluations(archive.search("first").id) if _is_measured(one)]
    assert counts.reused == len(measured) > 5
    assert counts.stopped > 5  # those were trained, and stopped, again


def _is_measured(one):
    return isinstance(one.result.outcome, Measurement)


def test_a_full_training_is_taken_over_as_the_rule_would_have_ended_it(archive, other):
    shared(archive, "whole", is_stopping=True, evaluator=Scripted(lambda r: trained(replace(r, stopping=None)))).run()
    shared(archive, "second", evaluator=Scripted(trained), algorithm="random").run()
    shared(other, "second", evaluator=Scripted(trained), algorithm="random").run()
    assert archive.counts(archive.search("second").id).reused > 5
    ours, theirs = parts(archive, "second"), parts(other, "second")
    assert ours == theirs


@pytest.mark.parametrize(
    "changes", [{"context": "another"}, {"context": "", "asked": {"context": ""}}, {"asked": {"seed": 8}}]
)
def test_nothing_is_taken_over_from_another_context_or_seed(archive, changes):
    shared(archive, "first", evaluator=Scripted(trained)).run()
    shared(archive, "second", evaluator=Scripted(trained), **changes).run()
    assert archive.counts(archive.search("second").id).reused == 0


def test_what_can_be_taken_over_is_also_after_a_kill(archive):
    shared(archive, "first", is_stopping=False, evaluator=Scripted(noisy_only)).run()
    lease = archive.create_search(new_search("second", context="same"), owner=current_owner(), ttl_s=60)
    asked = {"name": "second", "context": "same"}
    options = {"asked": asked, "is_stopping": False}
    evaluator = Scripted(noisy_only)
    dying = Dying(archive, after=21, is_written=True)
    with pytest.raises(Killed):
        steady(dying, lease=lease, evaluator=evaluator, **options).run()
    steady(archive, lease=again(archive, lease, "second"), evaluator=evaluator, **options).run()
    first, second = (archive.search(name) for name in ("first", "second"))
    workers = [one.result.worker for one in archive.evaluations(second.id)]
    assert set(workers) == {REUSED}
    assert parts(archive, "first")["front"] == parts(archive, "second")["front"]
    assert archive.counts(first.id).completed == archive.counts(second.id).completed == 48


# --- endings ----------------------------------------------------------------------------------------------------


def test_device_hours_count_all_attempts_over_all_interruptions(archive):
    class Busy(Scripted):
        def evaluate(self, request):
            return replace(super().evaluate(request), finished_at=100.0)

    budget = {"device_seconds": 2000.0}
    loop = steady(archive, evaluations=9, evaluator=Busy(), budget=budget)
    loop.run()
    verdict = steady(archive, lease=again(archive, loop.log.lease), evaluator=Busy(), budget=budget).run()
    assert verdict.reason == "the budget of 0.555556 device-hours is spent"
    assert archive.counts(archive.search("small").id).completed == 20


@pytest.mark.parametrize("first", [None, 50])
def test_a_search_that_has_stalled_ends_where_it_would_have_without_a_stop(archive, first):
    options = {"is_stopping": False, "budget": {"stalled": 20}, "asked": {}}
    if first is not None:
        loop = steady(archive, evaluations=first, **options)
        loop.run()
        options["lease"] = again(archive, loop.log.lease)
    verdict = steady(archive, evaluations=4000, **options).run()
    assert verdict.reason == "the hypervolume has not grown by 0.1% over 20 evaluations"
    assert archive.counts(archive.search("small").id).completed == 108


def test_in_six_objectives_a_resume_remembers_how_the_volume_grew(archive):
    def truth(request):
        return Measurement(others=tuple((f"m{place}", float(int(request.key, 16) >> place & 7)) for place in range(6)))

    objectives = tuple(Objective(metric=f"m{place}", is_maximized=False) for place in range(6))
    options = {"is_stopping": False, "asked": {"objectives": objectives}, "evaluator": Scripted(truth)}
    loop = steady(archive, evaluations=24, **options)
    loop.run()
    later = steady(archive, lease=again(archive, loop.log.lease), evaluations=25, **options)
    later.run()
    assert later.state.frontier.growth[: len(loop.state.frontier.growth)] == loop.state.frontier.growth


# --- nothing feasible -------------------------------------------------------------------------------------------


class Watch:
    def __init__(self):
        self.notices = []

    def on_outcome(self, record):
        """Nobody looks."""

    def on_progress(self, progress):
        self.progress = progress

    def on_notice(self, message):
        self.notices.append(message)


def test_a_constraint_that_nothing_meets_is_told_soon_with_the_nearest_miss(archive):
    watch = Watch()
    steady(archive, evaluations=60, is_stopping=False, limits=("error <= 0.001",), asked={}, observer=watch).run()
    (notice,) = watch.notices
    nearest = min(archive.networks(archive.search("small").id), key=lambda one: one.metrics["error"])
    assert notice.startswith("none of 50 evaluations meets the constraints so far; the nearest misses error <= 0.001")
    assert nearest.arrival >= 50 or f"({nearest.key})" in notice


def test_nothing_is_said_where_something_is_feasible(archive):
    watch = Watch()
    steady(archive, evaluations=60, is_stopping=False, limits=("error <= 8",), asked={}, observer=watch).run()
    assert watch.notices == []


def test_a_latency_is_taken_over_only_from_the_device_that_measures(archive):
    def timed(request):
        return replace(noisy_only(request), latency_ms=1.0, latency_spread_ms=0.1, latency_device=devices[0])

    asked = {"measures": frozenset({"latency_ms"})}
    options = {"is_stopping": False, "evaluations": 12, "asked": asked}
    reused = {}
    for name, context, device in (
        ("first", "one", "elsewhere"),
        ("second", "one", "scripted"),
        ("third", "two", "scripted"),
        ("fourth", "two", "scripted"),
    ):
        devices = [device]
        shared(archive, name, context=context, evaluator=Scripted(timed), **options).run()
        reused[name] = archive.counts(archive.search(name).id).reused
    assert reused == {"first": 0, "second": 0, "third": 0, "fourth": 12}
