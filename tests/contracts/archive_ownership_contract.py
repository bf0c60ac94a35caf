"""Searches, and who owns them; run over each implementation by `tests/gasearch/storage`."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from gasearch_workers.messages import Calibration
from sqlalchemy import func, select

from gasearch.errors import LeaseLost, StoreError, UnknownSearch, WrongState
from gasearch.objectives.fitness import FrontChange
from gasearch.storage import tables
from gasearch.storage.owner import current_owner
from gasearch.storage.records import (
    EventRecord,
    ReplicateRecord,
    SearchStatus,
    TuningTrial,
)
from gasearch.storage.sql import open_archive
from tests.contracts.empty_store import LONG, EmptyStore, everything
from tests.doubles.connections import reading
from tests.doubles.records import (
    UNCHANGED,
    candidate,
    export,
    final,
    generation,
    key_of,
    measured,
    new_search,
    verification,
)


class OwnershipContract(EmptyStore):
    """The part of the archive that a search begins, goes on and ends with."""

    # --- searches -----------------------------------------------------------------------------------------------

    def test_a_new_search_reads_back_as_it_was_given(self, archive, reader):
        before = datetime.now(UTC)
        given = new_search(context="c0ffee")
        archive.create_search(given, owner="alice", ttl_s=LONG)
        found = reader.search("digits")
        assert {name: getattr(found, name) for name in given.__dataclass_fields__} == {
            name: getattr(given, name) for name in given.__dataclass_fields__
        }
        assert (found.state, found.reason) == (SearchStatus.RUNNING, "")
        assert (found.active_seconds, found.worker_seconds) == (0.0, 0.0)
        assert (found.owner, found.is_owned, found.is_stop_requested) == ("alice", True, False)
        assert (found.reference_point, found.reference_ideal) == (None, None)
        assert abs(found.created_at - before) < timedelta(seconds=10)
        assert found.created_at.tzinfo == UTC

    def test_an_endless_space_has_a_finite_size_in_the_store(self, archive):
        archive.create_search(new_search(space_size=float("inf")), owner="alice", ttl_s=LONG)
        assert 1e308 < archive.search("digits").space_size < float("inf")

    def test_a_name_is_given_once(self, archive, lease):
        with pytest.raises(WrongState, match=r"a search named 'digits' already: go on with `gasearch resume digits`"):
            archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        assert archive.counts(lease.search_id).candidates == 12

    def test_searches_are_listed_newest_first(self, archive):
        for name in ("first", "second", "third"):
            archive.create_search(new_search(name), owner="alice", ttl_s=LONG)
        assert [search.name for search in archive.searches()] == ["third", "second", "first"]

    def test_an_unknown_search_is_answered_with_the_nearest_name(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"no search named 'digit-cnn'; did you mean 'digits'\?"):
            archive.search("digit-cnn")

    def test_an_unknown_search_like_no_other_is_answered_with_the_command_that_lists_them(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"no search named 'xyz'; `gasearch list` shows all of them"):
            archive.search("xyz")

    @pytest.mark.parametrize("name", ["", "a\x00b", "\udcff", "'; DROP TABLE searches; --", "%"])
    def test_a_strange_name_is_just_unknown(self, archive, lease, name):
        with pytest.raises(UnknownSearch):
            archive.search(name)
        with pytest.raises(UnknownSearch):
            archive.network(lease.search_id, name or "zzz")

    def test_an_extended_spec_replaces_the_stored_one(self, archive, lease):
        archive.update_spec(lease, spec_json='{"budget":400}')
        assert archive.search("digits").spec_json == '{"budget":400}'

    def test_a_context_replaces_the_stored_one(self, archive, lease):
        archive.set_context(lease, context="c0ffee")
        assert archive.search("digits").context == "c0ffee"

    def test_the_reference_is_fixed_once(self, archive, lease):
        archive.set_reference(lease, ideal=(1.0, -0.1), point=(0.1, -2 / 3))
        archive.set_reference(lease, ideal=(9.0, 9.0), point=(8.0, 8.0))
        found = archive.search("digits")
        assert (found.reference_ideal, found.reference_point) == ((1.0, -0.1), (0.1, -2 / 3))

    def test_a_reference_of_no_number_is_refused(self, archive, lease):
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got nan"):
            archive.set_reference(lease, ideal=(float("nan"), 0.0), point=(0.0, 0.0))
        assert archive.search("digits").reference_point is None

    def test_a_deleted_search_leaves_nothing_of_itself_and_everything_of_others(self, url, archive, reader):
        kept, gone = (archive.create_search(new_search(name), owner="alice", ttl_s=LONG) for name in ("kept", "gone"))
        for lease in (kept, gone):
            fill_every_table(archive, lease)
        before = rows_per_table(url, kept.search_id)
        assert rows_per_table(url, gone.search_id) == before
        assert min(before.values()) > 0
        with pytest.raises(WrongState, match="search 'gone' is being run by alice"):
            archive.delete_search("gone")
        assert rows_per_table(url, gone.search_id) == before
        archive.release(gone, state=SearchStatus.FINISHED, reason="")
        assert archive.delete_search("gone").id == gone.search_id
        assert set(rows_per_table(url, gone.search_id).values()) == {0}
        assert rows_per_table(url, kept.search_id) == before
        assert [record.name for record in reader.searches()] == ["kept"]
        with pytest.raises(UnknownSearch, match="gone"):
            archive.delete_search("gone")

    def test_a_search_whose_owner_died_can_be_deleted(self, archive):
        child = subprocess.run(
            [sys.executable, "-c", "from gasearch.storage.owner import current_owner; print(current_owner())"],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        archive.create_search(new_search(), owner=child.stdout.strip(), ttl_s=LONG)
        archive.delete_search("digits")
        assert archive.searches() == []

    # --- the lease ----------------------------------------------------------------------------------------------

    def test_a_valid_lease_keeps_others_away(self, archive, lease):
        with pytest.raises(
            WrongState, match=r"'digits' is being run by alice: wait for it, or end it with `gasearch st"
        ):
            archive.claim("digits", owner="bob", ttl_s=LONG)

    def test_an_unknown_search_cannot_be_claimed(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"did you mean 'digits'"):
            archive.claim("digts", owner="bob", ttl_s=LONG)

    def test_an_expired_lease_can_be_claimed_with_a_greater_epoch(self, archive):
        first = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        assert not archive.search("digits").is_owned
        second = archive.claim("digits", owner="bob", ttl_s=LONG)
        assert second.epoch > first.epoch
        assert (archive.search("digits").owner, archive.search("digits").is_owned) == ("bob", True)

    def test_a_released_search_can_be_claimed_and_runs_again(self, archive, lease):
        archive.release(lease, state=SearchStatus.STOPPED, reason="stopped by the user")
        found = archive.search("digits")
        assert (found.state, found.reason, found.owner) == (SearchStatus.STOPPED, "stopped by the user", None)
        again = archive.claim("digits", owner="bob", ttl_s=LONG)
        found = archive.search("digits")
        assert (found.state, found.reason, again.epoch) == (SearchStatus.RUNNING, "", lease.epoch + 1)

    def test_the_same_owner_may_claim_again_and_fences_its_earlier_self(self, archive, lease):
        again = archive.claim("digits", owner="alice", ttl_s=LONG)
        assert again.epoch == lease.epoch + 1
        with pytest.raises(LeaseLost):
            archive.add_evaluations(lease, [(measured(0, accuracy=0.5), UNCHANGED)])

    def test_the_lease_of_a_dead_process_of_this_host_is_free_at_once(self, archive):
        host, _, start = current_owner().split("/")
        dead = f"{host}/4194303/{start}"
        archive.create_search(new_search(), owner=dead, ttl_s=LONG)
        assert archive.claim("digits", owner=current_owner(), ttl_s=LONG).epoch == 2

    def test_the_lease_of_a_living_process_is_kept(self, archive):
        archive.create_search(new_search(), owner=current_owner(), ttl_s=LONG)
        with pytest.raises(WrongState, match=r"is being run by process \d+ on "):
            archive.claim("digits", owner="elsewhere/1/x-1", ttl_s=LONG)

    def test_renewing_prolongs_the_lease_and_adds_the_time_of_controller_and_workers(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        assert archive.renew(lease, ttl_s=LONG, active_s=1.5, worker_s=3.0) is False
        assert archive.renew(lease, ttl_s=LONG, active_s=2.0, worker_s=4.0) is False
        found = archive.search("digits")
        assert (found.active_seconds, found.worker_seconds) == (3.5, 7.0)
        assert archive.search("digits").is_owned

    def test_renewing_from_another_thread_does_not_disturb_the_writer(self, archive, lease):
        is_done = threading.Event()

        def renew_until_done():
            count = 0
            while not is_done.is_set():
                archive.renew(lease, ttl_s=LONG, active_s=1.0)
                count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            renewed = pool.submit(renew_until_done)
            for number in range(12):
                assert archive.add_evaluations(lease, [(measured(number, accuracy=0.5), UNCHANGED)])
            is_done.set()
        assert archive.search("digits").active_seconds == renewed.result() > 0
        assert archive.counts(lease.search_id).completed == 12

    @pytest.mark.parametrize(
        "write",
        [
            lambda archive, lease: archive.update_spec(lease, spec_json="{}"),
            lambda archive, lease: archive.set_context(lease, context="c"),
            lambda archive, lease: archive.set_reference(lease, ideal=(1.0,), point=(0.0,)),
            lambda archive, lease: archive.add_candidates(lease, [candidate(50)]),
            lambda archive, lease: archive.add_replicates(
                lease, [ReplicateRecord(candidate=0, replicate=1, completed=0)]
            ),
            lambda archive, lease: archive.add_evaluations(
                lease, [(measured(0, accuracy=1.0), FrontChange(entered=(0,)))]
            ),
            lambda archive, lease: archive.add_generation(lease, generation(0)),
            lambda archive, lease: archive.add_event(lease, EventRecord(kind="retry", message="late")),
            lambda archive, lease: archive.add_calibration(lease, Calibration(device="x", reference_latency_ms=1.0)),
            lambda archive, lease: archive.release(lease, state=SearchStatus.FINISHED, reason="done"),
            lambda archive, lease: archive.renew(lease, ttl_s=LONG, active_s=9.0, worker_s=9.0),
        ],
    )
    def test_an_outdated_lease_writes_nothing(self, archive, write):
        outdated = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        archive.add_candidates(outdated, [candidate(0)])
        archive.claim("digits", owner="bob", ttl_s=LONG)
        before = everything(archive, outdated.search_id)
        with pytest.raises(LeaseLost, match=r"no longer belongs to alice \(epoch 1\): another controller has taken it"):
            write(archive, outdated)
        assert everything(archive, outdated.search_id) == before

    def test_an_expired_lease_that_nobody_took_still_writes(self, archive):
        lease = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        archive.add_candidates(lease, [candidate(0)])
        assert archive.counts(lease.search_id).candidates == 1

    def test_of_many_claims_at_once_one_succeeds(self, url, archive):
        archive.create_search(new_search(), owner="alice", ttl_s=0.0)

        def try_to_claim(name):
            mine = open_archive(url, notice=lambda message: None)
            try:
                return mine.claim("digits", owner=name, ttl_s=LONG)
            except WrongState:
                return None
            finally:
                mine.close()

        with ThreadPoolExecutor(4) as pool:
            leases = list(pool.map(try_to_claim, ["b", "c", "d", "e"]))
        assert len([lease for lease in leases if lease]) == 1

    # --- stopping -----------------------------------------------------------------------------------------------

    def test_a_stop_request_reaches_the_owner(self, archive, lease):
        asked = archive.request_stop("digits")
        assert (asked.is_stop_requested, asked.owner) == (False, "alice")
        assert archive.renew(lease, ttl_s=LONG) is True
        assert archive.search("digits").is_stop_requested

    def test_a_stop_request_is_forgotten_by_the_next_owner(self, archive, lease):
        archive.request_stop("digits")
        archive.release(lease, state=SearchStatus.STOPPED, reason="")
        assert not archive.search("digits").is_stop_requested
        assert archive.renew(archive.claim("digits", owner="bob", ttl_s=LONG), ttl_s=LONG) is False

    def test_what_nobody_runs_cannot_be_stopped(self, archive, lease):
        archive.release(lease, state=SearchStatus.FINISHED, reason="")
        with pytest.raises(WrongState, match=r"'digits' can't be stopped: nobody runs it \(it is finished\)"):
            archive.request_stop("digits")

    def test_what_was_interrupted_cannot_be_stopped(self, archive):
        archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        with pytest.raises(WrongState, match=r"nobody runs it \(it is interrupted\)"):
            archive.request_stop("digits")

    def test_an_unknown_search_cannot_be_stopped(self, archive, lease):
        with pytest.raises(UnknownSearch, match=r"did you mean 'digits'"):
            archive.request_stop("digit")


def fill_every_table(archive, lease):
    """At least one row of the search in each table."""
    archive.add_candidates(lease, [candidate(number) for number in range(4)])
    archive.add_replicates(lease, [ReplicateRecord(candidate=0, replicate=1, completed=1)])
    archive.add_evaluations(lease, [(measured(0, accuracy=0.5), FrontChange(entered=(0,)))])
    archive.add_generation(lease, generation(0))
    archive.add_event(lease, EventRecord(kind="retry", message="again"))
    archive.add_calibration(lease, Calibration(device="cpu", reference_latency_ms=1.0))
    archive.add_trial(
        lease.search_id,
        TuningTrial(key=key_of(0), study="recipe", number=0, recipe_json="{}", value=0.5, message=""),
    )
    archive.add_final(lease.search_id, final(0), b"gap")
    archive.add_export(lease.search_id, export())
    archive.add_verification(lease.search_id, verification())


def rows_per_table(url, search_id):
    """How many rows of a search each table holds."""
    with reading(url) as connection:
        return {
            table.name: connection.execute(select(func.count()).where(column == search_id)).scalar_one()
            for table in tables.metadata.sorted_tables
            if (column := tables.search_column(table)) is not None
        }
