"""What is answered from what is stored; run over each implementation by `tests/gasearch/storage`."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gasearch_workers.messages import STANDARD_METRICS, Calibration, Failure, FailureKind, Measurement

from gasearch.errors import StoreError, UnknownSearch
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.records import (
    EventRecord,
    FailedAttempt,
    SearchStatus,
    TuningTrial,
)
from gasearch.storage.sql import open_archive, open_reader
from tests.contracts.empty_store import LONG, EmptyStore, best, everything, numbers
from tests.doubles.connections import reading
from tests.doubles.records import (
    UNCHANGED,
    candidate,
    failed,
    full_measurement,
    generation,
    key_of,
    measured,
    new_search,
    outcome_of,
)


class AnswersContract(EmptyStore):
    """The part of the archive that is asked."""

    # --- the front ----------------------------------------------------------------------------------------------

    def test_the_newest_failures_come_first(self, archive, lease):
        archive.add_evaluations(lease, [(measured(0, arrival=0, accuracy=0.4), FrontChange())])
        for arrival, number in enumerate((3, 1, 2), start=1):
            failure = Failure(kind=FailureKind.DIVERGED, message=f"number {number}")
            archive.add_evaluations(lease, [(outcome_of(number, failure, arrival=arrival), FrontChange())])
        found = archive.failed(lease.search_id, count=2)
        assert [(one.number, one.failure, one.failure_message) for one in found] == [
            (2, "diverged", "number 2"),
            (1, "diverged", "number 1"),
        ]

    def test_all_failed_attempts_are_listed_but_what_was_stopped(self, archive, lease):
        archive.add_evaluations(lease, [(measured(0, arrival=0, accuracy=0.4), FrontChange())])
        for number, attempt, arrival, kind in (
            (2, 1, -1, FailureKind.DIED),
            (2, 2, 1, FailureKind.DIED),
            (1, 1, 2, FailureKind.STOPPED),
            (3, 1, 3, FailureKind.DIVERGED),
        ):
            archive.add_evaluations(lease, [(failed(number, kind, arrival=arrival, attempt=attempt), FrontChange())])
        assert archive.failures(lease.search_id) == [
            FailedAttempt(
                candidate=number,
                attempt=attempt,
                key=key_of(number),
                failure=kind,
                message=f"{kind} at step 3",
                is_retried=is_retried,
            )
            for number, attempt, kind, is_retried in (
                (2, 1, "died", True),
                (2, 2, "died", False),
                (3, 1, "diverged", False),
            )
        ]

    def test_networks_enter_and_leave_the_front(self, archive, lease):
        archive.add_evaluations(lease, [(measured(4, arrival=0, accuracy=0.4), FrontChange(entered=(4,)))])
        archive.add_evaluations(lease, [(measured(2, arrival=1, accuracy=0.5), FrontChange(entered=(2,)))])
        assert numbers(archive.front(lease.search_id)) == [2, 4]
        archive.add_evaluations(lease, [(measured(7, arrival=2, accuracy=0.9), FrontChange(entered=(7,), left=(2, 4)))])
        assert numbers(archive.front(lease.search_id)) == [7]
        assert [found.is_on_front for found in archive.networks(lease.search_id)] == [False, False, True]
        assert archive.counts(lease.search_id).front_size == 1

    def test_a_front_point_carries_all_that_is_known(self, archive, lease):
        archive.add_evaluations(lease, [(outcome_of(3, full_measurement(), arrival=0), FrontChange(entered=(3,)))])
        [found] = archive.front(lease.search_id)
        given = candidate(3)
        for name in ("number", "key", "generation", "parents", "operator", "network_json"):
            assert getattr(found, name) == getattr(given, name)
        assert found.metrics == full_measurement().metrics()
        assert found.metrics["flops"] == 2 * (2**53 - 1)
        assert (found.is_on_front, found.arrival, found.failure) == (True, 0, None)
        assert found.curve_json.startswith('[{"epoch":1,"train_loss":2.302585092994046,"accuracy":null}')
        assert (found.worker, found.device, found.latency_device) == ("edge-3/4711", "cpu", "A CPU of 2026")
        assert found.energy_source == "rapl"
        assert (found.versions, found.seed) == ("torch 2.13.0; 1 thread", 2**62 + 3)

    # --- best ---------------------------------------------------------------------------------------------------

    @pytest.fixture
    def measured_lease(self, archive, lease):
        """Accuracy and bytes grow with the number; networks 6 and 7 are equal; 8 has failed; 9 has no bytes."""
        for number in range(8):
            accuracy, size = min(number, 6) / 8, 100 * min(number, 6)
            own = (("cells", number % 3),)
            record = measured(number, accuracy=accuracy, model_bytes=size, macs=number, others=own)
            archive.add_evaluations(lease, [(record, UNCHANGED)])
        archive.add_evaluations(lease, [(failed(8), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(9, accuracy=0.99), UNCHANGED)])
        return lease

    def test_the_best_has_the_greatest_or_least_value(self, archive, measured_lease):
        assert best(archive, measured_lease) == [9]
        assert best(archive, measured_lease, metric="model_bytes", is_maximized=False) == [0]

    def test_among_equals_the_first_candidate_is_best(self, archive, measured_lease):
        assert best(archive, measured_lease, count=4) == [9, 6, 7, 5]
        assert best(archive, measured_lease, metric="model_bytes", is_maximized=True, count=3) == [6, 7, 5]

    @pytest.mark.parametrize(
        ("operator", "bound", "expected"), [("<=", 300.0, [3]), ("<", 300.0, [2]), (">=", 600.5, []), (">", 500.0, [6])]
    )
    def test_the_best_is_within_the_limits(self, archive, measured_lease, operator, bound, expected):
        limit = Limit(metric="model_bytes", operator=operator, bound=bound)
        assert best(archive, measured_lease, limits=[limit]) == expected

    def test_all_limits_hold_at_once(self, archive, measured_lease):
        limits = [
            Limit(metric="model_bytes", operator="<=", bound=500.0),
            Limit(metric="accuracy", operator="<", bound=0.5),
        ]
        assert best(archive, measured_lease, limits=limits, count=2) == [3, 2]

    def test_flops_can_be_asked_for(self, archive, measured_lease):
        limit = Limit(metric="flops", operator="<=", bound=6.0)
        assert best(archive, measured_lease, metric="flops", limits=[limit]) == [3]

    @pytest.mark.parametrize("metric", STANDARD_METRICS)
    def test_every_standard_metric_can_be_asked_for_and_limited(self, archive, lease, metric):
        for number, value in enumerate([0, 2, 1]):
            archive.add_evaluations(lease, [(measured(number, **{metric: value}), UNCHANGED)])
        limit = Limit(metric=metric, operator=">=", bound=0.5)
        assert best(archive, lease, metric=metric, is_maximized=False, limits=[limit], count=9) == [2, 1]

    def test_efficiency_can_be_asked_for_where_all_that_it_follows_from_was_measured(self, archive, lease):
        cost = {"macs": 500_000, "latency_ms": 2.0, "model_bytes": 1_000}
        archive.add_evaluations(lease, [(measured(0, train_seconds=10.0, **cost), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(1, train_seconds=5.0, **cost), UNCHANGED)])
        archive.add_evaluations(lease, [(measured(2, **cost), UNCHANGED)])
        assert best(archive, lease, metric="efficiency", is_maximized=False, count=9) == [1, 0]
        [found] = archive.best(lease.search_id, metric="efficiency", is_maximized=True)
        assert found.metrics["efficiency"] == (10.0 + 1_000_000 * 0.002) / 1_000

    def test_own_metrics_can_be_asked_for(self, archive, measured_lease):
        assert best(archive, measured_lease, metric="cells", is_maximized=True, count=2) == [2, 5]
        limit = Limit(metric="cells", operator="<", bound=1.0)
        assert best(archive, measured_lease, limits=[limit], count=9) == [6, 3, 0]

    def test_networks_without_the_metric_are_left_out(self, archive, measured_lease):
        assert best(archive, measured_lease, metric="latency_ms", count=9) == []
        assert best(archive, measured_lease, metric="never_heard_of", count=9) == []
        assert 9 not in best(archive, measured_lease, metric="model_bytes", count=99)

    def test_a_bound_beyond_all_numbers_is_no_limit(self, archive, measured_lease):
        assert best(archive, measured_lease, limits=[Limit(metric="macs", operator="<=", bound=1e30)], count=9)[0] == 6

    # --- one network --------------------------------------------------------------------------------------------

    def test_a_network_is_found_by_a_unique_beginning_of_its_key(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        keys = ["abc0", "abd0", "abd00", "b"]
        archive.add_candidates(lease, [candidate(number, key=key) for number, key in enumerate(keys)])
        assert archive.network(lease.search_id, "abc").number == 0
        assert archive.network(lease.search_id, "b").number == 3
        assert archive.network(lease.search_id, "abd0").number == 1  # whole, though another begins so too

    def test_an_ambiguous_beginning_shows_what_begins_so(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        archive.add_candidates(lease, [candidate(number, key=f"ab{number}") for number in range(9)])
        with pytest.raises(UnknownSearch, match=r"more than one network .* begins with 'ab': ab0, ab1, ab2, \.\.\.$"):
            archive.network(lease.search_id, "ab")

    def test_an_unknown_key_is_said_to_be_unknown(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"no network of this search has a key that begins with 'xyz'"):
            archive.network(lease.search_id, "xyz")

    def test_a_network_in_flight_has_no_outcome_yet(self, archive, lease):
        archive.add_evaluations(lease, [(failed(3, FailureKind.WORKER_LOST, arrival=-1), UNCHANGED)])
        found = archive.network(lease.search_id, key_of(3))
        assert (found.arrival, found.metrics, found.failure, found.curve_json) == (-1, {}, None, "[]")
        assert (found.worker, found.seed, found.versions) == (None, None, "")

    def test_a_failed_network_says_why(self, archive, lease):
        archive.add_evaluations(lease, [(failed(3, arrival=0), UNCHANGED)])
        found = archive.network(lease.search_id, key_of(3))
        assert (found.failure, found.failure_message, found.metrics) == ("diverged", "diverged at step 3", {})

    # --- the rest -----------------------------------------------------------------------------------------------

    def test_generations_read_back_in_order_and_are_stored_once(self, archive, lease):
        given = [generation(0), generation(1)]
        archive.add_generation(lease, given[1])
        archive.add_generation(lease, given[0])
        archive.add_generation(lease, generation(1, evaluations=999))
        assert archive.generations(lease.search_id) == given

    def test_events_read_back_in_order_with_their_time(self, archive, lease):
        for number in (7, None, 7):
            archive.add_event(lease, EventRecord(kind="retry", message="worker lost", candidate=number))
        found = archive.events(lease.search_id)
        assert [(event.kind, event.message, event.candidate) for event in found] == [
            ("retry", "worker lost", number) for number in (7, None, 7)
        ]
        assert all(abs(event.at - datetime.now(UTC)) < timedelta(seconds=10) for event in found)

    def test_the_first_calibration_of_a_device_stays(self, archive, lease):
        for device, latency in (("cpu b", 1 / 3), ("cpu a", 2.0), ("cpu b", 9.0)):
            archive.add_calibration(lease, Calibration(device=device, reference_latency_ms=latency))
        assert archive.calibrations(lease.search_id) == (
            Calibration(device="cpu a", reference_latency_ms=2.0),
            Calibration(device="cpu b", reference_latency_ms=1 / 3),
        )

    def test_tuning_trials_read_back_in_order(self, archive, lease):
        given = [
            TuningTrial(key="ab", study="tune-1", number=number, recipe_json="{}", value=value, message="")
            for number, value in ((0, 0.1), (1, None), (2, 1 / 3))
        ]
        for trial in (*given, given[0]):
            archive.add_trial(lease.search_id, trial)
        assert archive.trials(lease.search_id, "ab") == given
        assert archive.trials(lease.search_id, "a") == []

    def test_a_trial_of_no_number_is_refused(self, archive, lease):
        trial = TuningTrial(key="ab", study="s", number=0, recipe_json="{}", value=float("inf"), message="")
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got inf"):
            archive.add_trial(lease.search_id, trial)

    # --- readers ------------------------------------------------------------------------------------------------

    def test_two_readers_read_while_a_writer_writes(self, url, archive, lease):
        def read(_):
            mine = open_reader(url)
            try:
                seen = []
                while not seen or seen[-1] < 12:
                    counts = mine.counts(lease.search_id)
                    found = list(mine.evaluations(lease.search_id))
                    assert len(found) >= counts.completed == counts.front_size
                    seen.append(len(found))
                    time.sleep(0.002)
                return seen
            finally:
                mine.close()

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read, number) for number in range(2)]
            for number in range(12):
                archive.add_evaluations(lease, [(measured(number, accuracy=0.5), FrontChange(entered=(number,)))])
                time.sleep(0.01)
        for reader in readers:
            assert reader.result() == sorted(reader.result())

    def test_a_paused_stream_of_a_reader_holds_no_writer_up(self, reader, archive, lease):
        archive.add_evaluations(lease, [(measured(0), UNCHANGED)])
        stream = reader.evaluations(lease.search_id)
        next(stream)
        archive.add_evaluations(lease, [(measured(1), UNCHANGED)])
        assert archive.counts(lease.search_id).completed == 2

    def test_a_reader_cannot_write(self, url, lease):
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        with reading(url) as connection, pytest.raises(DBAPIError, match=r"read-?only"):
            connection.execute(text("UPDATE searches SET name = 'mine'"))

    def test_an_archive_reopened_knows_all_that_was_written(self, url, archive, lease):
        archive.add_evaluations(lease, [(outcome_of(3, full_measurement(), arrival=0), FrontChange(entered=(3,)))])
        before = everything(archive, lease.search_id)
        archive.close()
        again = open_archive(url, notice=pytest.fail)
        assert everything(again, lease.search_id) == before
        assert again.add_evaluations(lease, [(measured(4, arrival=1), UNCHANGED)])
        again.close()

    def test_a_killed_writer_loses_nothing_that_it_acknowledged(self, url):
        acknowledged = run_writer_and_kill_it(url, after=60)

        reader = open_reader(url)  # at once, over what the dead writer left behind
        search = reader.search("digits")
        assert (search.state, search.is_owned) == (SearchStatus.RUNNING, True)
        archive = open_archive(url, notice=pytest.fail)  # and its lease, of 10 minutes, is free
        lease = archive.claim("digits", owner="alice", ttl_s=60.0)

        completed = [found.candidate for found in reader.evaluations(search.id)]
        assert completed == list(range(len(completed)))
        # The last one may be durable, though it couldn't say so any more.
        assert len(completed) in (acknowledged + 1, acknowledged + 2)
        assert reader.counts(search.id).front_size == len(completed)
        assert archive.add_evaluations(lease, [(measured(len(completed), accuracy=0.5), UNCHANGED)])
        assert reader.network(search.id, key_of(len(completed))).arrival == len(completed)
        archive.close()
        reader.close()

    def test_a_measurement_of_infinity_can_not_even_be_built(self):
        with pytest.raises(ValueError, match=r"'accuracy' must be a finite number; got inf"):
            Measurement(accuracy=float("inf"))


ROOT = Path(__file__).parents[2]


WRITER = """
import sys
import tempfile
from gasearch.objectives.fitness import FrontChange
from gasearch.storage.owner import current_owner
from gasearch.storage.sql import open_archive
from tests.doubles.connections import reading, writing
from tests.doubles.records import candidate, measured, new_search
archive = open_archive(sys.argv[1], notice=lambda message: None)
lease = archive.create_search(new_search(), owner=current_owner(), ttl_s=600.0)
archive.add_candidates(lease, [candidate(number) for number in range(5000)])
for number in range(5000):
    archive.add_evaluations(lease, [(measured(number, accuracy=number / 5000), FrontChange(entered=(number,)))])
    print(number, flush=True)
"""


def run_writer_and_kill_it(url, *, after):
    """The last number that the writer had acknowledged when it was killed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with writer:
        for line in writer.stdout:
            if int(line) >= after:
                break
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
    return max([after, *(int(line) for line in rest[:-1] if line)])
