"""What every archive does with searches that wait for a controller."""

import collections
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import update

from gasearch.errors import LeaseLost, StoreError, UnknownSearch, WrongState
from gasearch.storage import tables
from gasearch.storage.access import LOCAL, Actor
from gasearch.storage.owner import current_owner
from gasearch.storage.queue import SubmissionState
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.contracts.empty_store import LONG, EmptyStore
from tests.doubles.connections import writing
from tests.doubles.records import new_search, new_submission

BOB = Actor(name="bob", address="192.0.2.7")


def submit(archive, name, **changes):
    return archive.submit(new_submission(name, **changes), actor=LOCAL)


def claim(archive, controller="one", ttl_s=LONG):
    return archive.claim_submission(controller=controller, ttl_s=ttl_s)


def names(records):
    return [record.name for record in records]


class QueueContract(EmptyStore):
    """Subclasses give a `url` fixture: the address of an empty store."""

    # --- submitting ---------------------------------------------------------------------------------------------

    def test_a_submission_reads_back_as_it_was_given_and_is_audited(self, archive, reader):
        given = new_submission("a", priority=3, submitter="bob", searches=2, device_hours=1.5, hours=0.25)
        made = archive.submit(given, actor=BOB)
        for name in given.__dataclass_fields__:
            assert getattr(made, name) == getattr(given, name)
        assert (made.state, made.controller, made.is_held, made.epoch) == (SubmissionState.QUEUED, None, False, 0)
        assert (made.exit_status, made.message, made.ended_at, made.is_stop_requested) == (None, "", None, False)
        assert (made.running, made.spent_seconds, made.may_begin) == (0, 0.0, True)
        assert reader.submissions() == [made]
        assert reader.submission("a") == made
        assert reader.submission("b") is None
        assert reader.ended_submissions(count=9) == []
        [audited] = reader.audits(count=9)
        assert (audited.who, audited.action, audited.subject) == ("bob", "search.submit", "a")

    def test_a_name_is_taken_while_its_submission_is_open_or_its_search_is_there(self, archive, reader):
        submit(archive, "a")
        with pytest.raises(WrongState, match="'a' is in the queue already: see `gasearch queue`, or choose another"):
            submit(archive, "a")
        claimed = claim(archive)
        with pytest.raises(WrongState, match="in the queue already"):
            submit(archive, "a")
        archive.end_submission(claimed.claim, exit_status=2, message="no")
        assert submit(archive, "a").id > claimed.id
        archive.create_search(new_search("b"), owner="alice", ttl_s=LONG)
        with pytest.raises(WrongState, match="there is a search named 'b' already: choose another name"):
            submit(archive, "b")
        assert len(reader.audits(count=9)) == 2

    def test_going_on_wants_a_search_that_is_there(self, archive):
        with pytest.raises(UnknownSearch, match="there is no search named 'a' to go on with"):
            submit(archive, "a", spec_json=None, evaluations=80)
        archive.create_search(new_search("a"), owner="alice", ttl_s=LONG)
        assert submit(archive, "a", spec_json=None, evaluations=80).evaluations == 80

    # --- whose turn it is ---------------------------------------------------------------------------------------

    def test_the_highest_priority_goes_first_then_the_oldest(self, archive, reader):
        for name, priority in (("a", 0), ("b", 5), ("c", -5), ("d", 5)):
            submit(archive, name, priority=priority)
        assert names(reader.submissions()) == ["b", "d", "a", "c"]
        assert names(claim(archive) for _ in range(4)) == ["b", "d", "a", "c"]
        assert claim(archive) is None

    def test_a_claim_names_its_controller_and_counts(self, archive, reader):
        submit(archive, "a")
        claimed = claim(archive, "one")
        assert (claimed.state, claimed.controller, claimed.is_held, claimed.epoch) == ("claimed", "one", True, 1)
        assert reader.submissions() == [claimed]
        assert claim(archive, "two") is None

    def test_a_submitter_s_searches_at_once_are_limited(self, archive, reader):
        for number in range(3):
            submit(archive, f"bob-{number}", submitter="bob", searches=2, priority=9)
        submit(archive, "eve-0", submitter="eve", searches=1)
        assert names(claim(archive) for _ in range(3)) == ["bob-0", "bob-1", "eve-0"]
        assert claim(archive) is None
        [waiting] = [one for one in reader.submissions() if one.state == "queued"]
        assert (waiting.name, waiting.running, waiting.may_begin) == ("bob-2", 2, False)
        archive.end_submission(reader.submission("bob-0").claim, exit_status=0, message="")
        assert claim(archive).name == "bob-2"

    def test_a_submitter_s_device_hours_are_limited(self, archive, reader):
        for name in ("a", "b"):
            submit(archive, name, submitter="bob", device_hours=1.0)
        submit(archive, "c", submitter="eve", device_hours=1.0)
        first = claim(archive)
        lease = archive.create_search(new_search("a"), owner="alice", ttl_s=LONG)
        archive.renew(lease, ttl_s=LONG, worker_s=3599.0)
        assert archive.renew_submissions(controller="one", ttl_s=LONG)[0].has_time
        archive.renew(lease, ttl_s=LONG, worker_s=2.0)
        [renewed] = archive.renew_submissions(controller="one", ttl_s=LONG)
        assert (renewed.name, renewed.spent_seconds, renewed.has_time) == ("a", 3601.0, False)
        assert names([claim(archive)]) == ["c"]
        assert claim(archive) is None
        archive.end_submission(first.claim, exit_status=130, message="")
        assert reader.submission("a").worker_seconds == reader.submission("b").spent_seconds == 3601.0
        archive.release(lease, state=SearchStatus.STOPPED, reason="")
        archive.delete_search("a")
        assert not reader.submission("b").may_begin, "what was spent stays spent"

    def test_going_on_counts_what_is_spent_from_then_on(self, archive, reader):
        lease = archive.create_search(new_search("a"), owner="alice", ttl_s=LONG)
        archive.renew(lease, ttl_s=LONG, worker_s=100.0)
        submit(archive, "a", spec_json=None, submitter="bob")
        assert reader.submission("a").spent_seconds == 0.0
        archive.renew(lease, ttl_s=LONG, worker_s=20.0)
        claimed = claim(archive)
        assert claimed.spent_seconds == 20.0
        archive.end_submission(claimed.claim, exit_status=0, message="")
        archive.renew(lease, ttl_s=LONG, worker_s=7.0)
        assert (reader.submission("a").worker_seconds, reader.submission("a").spent_seconds) == (20.0, 20.0)

    # --- who holds it -------------------------------------------------------------------------------------------

    def test_what_a_controller_s_lease_no_longer_holds_is_another_s(self, archive, reader):
        submit(archive, "a", searches=1)
        submit(archive, "b", searches=1)
        over = claim(archive, "one", ttl_s=0.0)
        assert not reader.submission("a").is_held
        taken = claim(archive, "two")
        assert (taken.id, taken.controller, taken.epoch) == (over.id, "two", 2)
        assert archive.renew_submissions(controller="one", ttl_s=LONG) == []
        for write in (
            lambda: archive.end_submission(over.claim, exit_status=0, message=""),
            lambda: archive.hand_back(over.claim),
        ):
            with pytest.raises(LeaseLost, match=r"submission \d+ no longer belongs to one \(epoch 1\): another contr"):
                write()
        assert reader.submission("a") == taken

    def test_renewing_holds_all_of_a_controller_s(self, archive, reader):
        for name in ("a", "b", "c"):
            submit(archive, name)
        first, second, other = claim(archive, ttl_s=0.0), None, None
        renewed = archive.renew_submissions(controller="one", ttl_s=LONG)
        assert names(renewed) == ["a"]
        second, other = claim(archive), claim(archive, "two")
        assert names(archive.renew_submissions(controller="one", ttl_s=LONG)) == ["a", "b"]
        assert all(one.is_held for one in reader.submissions())
        assert [first.name, second.name, other.name] == ["a", "b", "c"]

    def test_what_a_dead_controller_of_this_host_held_is_free_at_once(self, archive):
        child = subprocess.run(
            [sys.executable, "-c", "from gasearch.storage.owner import current_owner; print(current_owner())"],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        submit(archive, "a")
        assert claim(archive, child.stdout.strip()).epoch == 1
        assert claim(archive, current_owner()).epoch == 2
        assert claim(archive, "elsewhere/1/x-1") is None

    def test_a_submission_ends_once(self, archive, reader):
        submit(archive, "a")
        claimed = claim(archive)
        archive.end_submission(claimed.claim, exit_status=1, message="it failed\x00" + "!" * 9999)
        ended = reader.submission("a")
        assert (ended.state, ended.exit_status, ended.controller, ended.is_held) == ("ended", 1, "one", False)
        assert ended.message.startswith("it failed\N{SYMBOL FOR NULL}!!")
        assert len(ended.message) == 4000
        assert ended.ended_at >= ended.submitted_at
        assert (reader.submissions(), reader.ended_submissions(count=1)) == ([], [ended])
        with pytest.raises(LeaseLost, match="or it has ended; nothing more was written"):
            archive.end_submission(claimed.claim, exit_status=0, message="")
        with pytest.raises(LeaseLost):
            archive.hand_back(claimed.claim)
        assert claim(archive) is None
        assert reader.submission("a") == ended

    def test_what_is_handed_back_keeps_its_place(self, archive, reader):
        submit(archive, "a")
        submit(archive, "b")
        claimed = claim(archive)
        archive.hand_back(claimed.claim)
        assert (reader.submission("a").state, reader.submission("a").controller) == ("queued", None)
        again = claim(archive, "two")
        assert (again.name, again.epoch) == ("a", 2)
        with pytest.raises(LeaseLost):
            archive.end_submission(claimed.claim, exit_status=0, message="")

    def test_ended_ones_are_listed_newest_first(self, archive, reader):
        for name in ("a", "b", "c"):
            submit(archive, name)
            archive.end_submission(claim(archive).claim, exit_status=0, message="")
        assert names(reader.ended_submissions(count=2)) == ["c", "b"]

    # --- stopping -----------------------------------------------------------------------------------------------

    def test_what_is_queued_leaves_the_queue_when_it_is_stopped(self, archive, reader):
        submit(archive, "a")
        stopped = archive.stop_submission("a", actor=BOB)
        assert (stopped.state, stopped.exit_status, stopped.message) == ("ended", 130, "taken out of the queue")
        assert archive.stop_submission("a", actor=BOB) is None
        assert claim(archive) is None
        assert [(one.who, one.action) for one in reader.audits(count=9)] == [
            ("bob", "search.stop"), ("local", "search.submit"),
        ]  # fmt: skip

    def test_whoever_runs_it_hears_that_it_is_to_stop(self, archive):
        submit(archive, "a")
        claimed = claim(archive)
        assert archive.stop_submission("a", actor=LOCAL).is_stop_requested
        [heard] = archive.renew_submissions(controller="one", ttl_s=LONG)
        assert heard.is_stop_requested
        archive.hand_back(claimed.claim)
        assert claim(archive, "two").is_stop_requested, "nor is it forgotten on the way"

    @pytest.mark.parametrize("name", ["", "a\x00b", "\udcff", "'; DROP TABLE submissions; --", "%"])
    def test_a_strange_name_is_in_no_queue(self, archive, reader, name):
        submit(archive, "a")
        assert archive.stop_submission(name, actor=LOCAL) is None
        assert reader.submission(name) is None

    # --- damage, and several at once ----------------------------------------------------------------------------

    def test_a_submission_that_was_edited_is_refused(self, url, archive, reader):
        submit(archive, "a")
        with writing(url) as connection:
            connection.execute(update(tables.submissions).values(priority=99))
        for read in (reader.submissions, lambda: reader.submission("a"), lambda: claim(archive)):
            with pytest.raises(StoreError, match=r"submission 1 of 'a' doesn't match its checksum"):
                read()

    def test_of_many_controllers_at_once_each_gets_others_and_limits_hold(self, url, archive, reader):
        for number in range(30):
            submit(archive, f"s{number}", submitter=f"t{number % 3}", searches=7)
        start = threading.Barrier(6)

        def claim_all(controller):
            with closing(open_archive(url, notice=pytest.fail)) as own:
                start.wait()
                found = []
                while (one := claim(own, controller)) is not None:
                    found.append(one)
                return found

        with ThreadPoolExecutor(6) as pool:
            claimed = [one for found in pool.map(claim_all, map(str, range(6))) for one in found]
        assert len({one.id for one in claimed}) == len(claimed) == 21
        assert set(collections.Counter(one.submitter for one in claimed).values()) == {7}
        held = {one.name: one.controller for one in reader.submissions() if one.state == "claimed"}
        assert held == {one.name: one.controller for one in claimed}

    def test_of_many_at_once_one_submits_a_name(self, url, archive, reader):
        start = threading.Barrier(4)

        def try_to_submit(_):
            with closing(open_archive(url, notice=pytest.fail)) as own:
                start.wait()
                try:
                    return submit(own, "a")
                except WrongState:
                    return None

        with ThreadPoolExecutor(4) as pool:
            made = [one for one in pool.map(try_to_submit, range(4)) if one is not None]
        assert made == reader.submissions()
        assert len(made) == 1

    def test_of_many_that_take_over_one_does_and_the_others_are_fenced(self, url, archive, reader):
        submit(archive, "a")
        outdated = claim(archive, "one", ttl_s=0.0)
        start = threading.Barrier(4)

        def take_over(controller):
            with closing(open_archive(url, notice=pytest.fail)) as own:
                start.wait()
                return claim(own, controller)

        with ThreadPoolExecutor(4) as pool:
            [taken] = [one for one in pool.map(take_over, "bcde") if one is not None]
        with pytest.raises(LeaseLost):
            archive.end_submission(outdated.claim, exit_status=0, message="")
        archive.end_submission(taken.claim, exit_status=0, message="")
        assert reader.submission("a").controller == taken.controller
