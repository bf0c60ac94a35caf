"""A search whose controller dies right before and right after each kind of write ends as the undisturbed one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gasearch.errors import UnknownSearch
from gasearch.storage.records import TuningTrial
from gasearch.storage.sql import open_archive
from tests.chaos.mined import WRITES, acknowledged
from tests.chaos.proof import require_acknowledged, require_replay, seed_of_chaos, whole_digest
from tests.chaos.specs import TRAINED, in_mode

#: Writes of others than the controller of a search; they have tests of their own below.
OF_OTHERS = {
    "request_stop",
    "add_trial",
    "add_final",
    "add_export",
    "add_verification",
    "delete_search",
    "set_context",
    "add_audit",
    "add_token",
    "revoke_token",
    "note_token_use",
    "submit",
    "claim_submission",
    "renew_submissions",
    "end_submission",
    "hand_back",
    "stop_submission",
}
FIRST, EXTENDED = 24, 28  #: Evaluations of the search, and after its extension.
EXTENSION = (f"budget.evaluations={EXTENDED}",)
KILLED = -9


class Life:
    """A search that is run to its end, then extended, by as many controllers as it takes."""

    def __init__(self, forks, url, folder, name, *, slots=1):
        self._forks, self.url, self.name = forks, url, name
        self.log = folder / f"{name}.log"
        spec = in_mode("generational" if slots == 1 else "steady-state", TRAINED)
        self.options = {"url": url, "name": name, "spec": spec, "truth": "trained", "slots": slots, "seed": 1}

    def live(self, *mines):
        """Run it to its end, a mine in each of the first controllers; returns how many controllers stepped on one."""
        return self._until_done(mines, ())

    def extend(self, *mines):
        """Extend it, the same way."""
        return self._until_done(mines, EXTENSION)

    def _until_done(self, mines, overrides):
        left, deaths = list(mines), 0
        while True:
            mine = [left.pop(0)] if left else []
            controller = self._forks.run(**self.options, mines=mine, log=str(self.log), overrides=overrides)
            if controller.status != KILLED:
                assert controller.is_done, controller.words
                return deaths
            deaths += 1

    def outcome(self):
        require_acknowledged(self.url, self.name, self.log)
        return whole_digest(self.url, self.name)


@pytest.fixture(scope="module")
def whole(_server, migrated_sqlite_file, tmp_path_factory):
    """The digests of the undisturbed search and of its extension, and how often each write occurs in either."""
    folder = tmp_path_factory.mktemp("whole")
    url = f"sqlite:///{folder}/store.db"
    (folder / "store.db").write_bytes(migrated_sqlite_file.read_bytes())
    life = Life(_server, url, folder, "whole")
    assert life.live() == 0
    first = life.outcome()
    assert life.extend() == 0
    return (first, life.outcome()), counts_of(life.log)


def counts_of(log):
    """Per method its writes by the first controller, and by the second one."""
    writes = acknowledged(log)
    [first, second] = dict.fromkeys(write["pid"] for write in writes)
    return tuple(Counter(write["method"] for write in writes if write["pid"] == pid) for pid in (first, second))


def boundaries(counts):
    """(method, number of the call, is_before) of the first, the middle and the last call of each."""
    return [
        (method, number, is_before)
        for method, most in sorted(counts.items())
        for number in sorted({1, (most + 1) // 2, most})
        for is_before in (True, False)
    ]


def mine(method, count, is_before):
    return {"method": method, "count": count, "is_before": is_before}


def test_every_write_of_the_archive_is_a_boundary_of_these_tests(whole):
    _, (first, second) = whole
    assert len(WRITES) >= 14
    assert {*first, *second, *OF_OTHERS} == set(WRITES)


def die_everywhere(forks, url, folder, whole, chosen, chosen_later):
    (expected, extended), _ = whole
    for number, boundary in enumerate(chosen):
        life = Life(forks, url, folder, f"first-{number}")
        assert life.live(mine(*boundary)) == 1, f"{boundary} was not hit"
        assert life.outcome() == expected, boundary
    for number, boundary in enumerate(chosen_later):
        life = Life(forks, url, folder, f"later-{number}")
        life.live()
        assert life.extend(mine(*boundary)) == 1, f"{boundary} was not hit in the extension"
        assert life.outcome() == extended, boundary


def test_dying_before_and_after_each_write_makes_no_difference(forks, sqlite, tmp_path, whole, figure):
    _, (first, second) = whole
    once = [boundary for boundary in boundaries(first) if boundary[1] == 1]
    later = [boundary for boundary in boundaries(second) if boundary[0] in ("claim", "update_spec")]
    die_everywhere(forks, sqlite, tmp_path, whole, once, later)
    figure(f"{len(once) + len(later)} deaths, one at each boundary, 0 differences")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dying_at_the_first_the_middle_and_the_last_of_all_writes_makes_no_difference(
    forks, url, tmp_path, whole, figure
):
    _, (first, second) = whole
    die_everywhere(forks, url, tmp_path, whole, boundaries(first), boundaries(second))
    figure(f"{len(boundaries(first)) + len(boundaries(second))} deaths, 0 differences")


def die_again(forks, url, folder, whole, pairs):
    """Die at a boundary, again at the n-th write of the recovery, and once more right at the start of the next one."""
    (expected, _), _ = whole
    deaths = 0
    for number, (boundary, count, is_before) in enumerate(pairs):
        life = Life(forks, url, folder, f"again-{number}")
        deaths += life.live(mine(*boundary), mine("*", count, is_before), mine("*", 1, not is_before))
        assert life.outcome() == expected, (boundary, count, is_before)
    return deaths


def test_dying_again_within_the_recovery_makes_no_difference(forks, sqlite, tmp_path, whole, figure):
    rng = random.Random(seed_of_chaos())
    chosen = rng.sample(boundaries(whole[1][0]), 4)
    pairs = [(boundary, rng.randint(1, 4), rng.random() < 0.5) for boundary in chosen]
    figure(f"{die_again(forks, sqlite, tmp_path, whole, pairs)} deaths in {len(pairs)} searches, 0 differences")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_dying_again_at_each_write_of_the_recovery_from_each_death_makes_no_difference(
    forks, sqlite, tmp_path, whole, figure
):
    pairs = [
        (boundary, count, is_before)
        for boundary in boundaries(whole[1][0])
        for count in (1, 2)
        for is_before in (True, False)
    ]
    figure(f"{die_again(forks, sqlite, tmp_path, whole, pairs)} deaths in {len(pairs)} searches, 0 differences")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dying_everywhere_in_steady_state_leaves_a_search_that_its_recorded_order_replays(
    forks, sqlite, tmp_path, whole, figure
):
    _, (first, _) = whole
    for number, boundary in enumerate(boundaries(first)):
        life = Life(forks, sqlite, tmp_path, f"steady-{number}", slots=3)
        life.live(mine(*boundary), mine("*", 2, number % 2 == 0))
        assert life.outcome()["counts"][1] == FIRST
        require_replay(sqlite, life.name)
    figure(f"{len(boundaries(first))} searches, 0 differences from the replay")


# --- the writes of others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_before", [True, False])
def test_a_stop_that_died_half_way_stops_the_search_or_doesn_t_and_loses_nothing(
    forks, sqlite, tmp_path, whole, is_before
):
    life = Life(forks, sqlite, tmp_path, "stopped")
    options = life.options | {"seconds": 0.02, "renewal_s": 0.05}
    controller = forks.start(**options, log=str(life.log))
    while not acknowledged(life.log):
        assert not controller.has_ended()
    stopper = forks.run(**options, act="stop", mines=[mine("request_stop", 1, is_before)])
    assert stopper.status == KILLED
    assert controller.wait() == (0 if is_before else 130)
    life.live()
    assert life.outcome() == whole[0][0]


@pytest.mark.parametrize("is_before", [True, False])
def test_a_final_training_whose_writer_died_is_stored_once(forks, sqlite, tmp_path, is_before):
    life = Life(forks, sqlite, tmp_path, "finalized")
    life.live()
    options = life.options | {"act": "final"}
    assert forks.run(**options, mines=[mine("add_final", 1, is_before)]).status == KILLED
    assert forks.run(**options).status == 0
    archive = open_archive(sqlite, notice=print)
    try:
        search_id = archive.search("finalized").id
        [stored] = archive.finals(search_id)
        assert archive.final_network(search_id, stored.id) == b"gap"
    finally:
        archive.close()


@pytest.mark.parametrize("is_before", [True, False])
def test_a_tuning_trial_whose_writer_died_is_stored_once(forks, sqlite, tmp_path, is_before):
    life = Life(forks, sqlite, tmp_path, "tuned")
    life.live()
    options = life.options | {"act": "trial"}
    assert forks.run(**options, mines=[mine("add_trial", 1, is_before)]).status == KILLED
    assert forks.run(**options).status == 0
    archive = open_archive(sqlite, notice=print)
    try:
        [trial] = archive.trials(archive.search("tuned").id, "00")
    finally:
        archive.close()
    assert trial == TuningTrial(key="00", study="s", number=0, recipe_json="{}", value=0.5, message="")


@pytest.mark.parametrize("is_before", [True, False])
def test_a_search_whose_deleter_died_is_whole_or_gone(forks, sqlite, tmp_path, whole, is_before):
    life = Life(forks, sqlite, tmp_path, "deleted")
    life.live()
    assert forks.run(**life.options, act="delete", mines=[mine("delete_search", 1, is_before)]).status == KILLED
    if is_before:
        assert life.outcome() == whole[0][0]
        assert forks.run(**life.options, act="delete").status == 0
    archive = open_archive(sqlite, notice=print)
    try:
        with pytest.raises(UnknownSearch):
            archive.search("deleted")
    finally:
        archive.close()
