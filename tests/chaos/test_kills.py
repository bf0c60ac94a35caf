"""A search whose controller is killed at random instants ends as the undisturbed one, row for row."""

from __future__ import annotations

import random
import time

import pytest

from gasearch.storage.sql import open_reader
from tests.chaos.proof import (
    require_acknowledged,
    require_replay,
    require_sound,
    seed_of_chaos,
    whole_digest,
    without_order,
)
from tests.chaos.specs import CUSTOM, in_mode, with_budget

KILLS = 25
#: Mode and workers. One worker answers in one order: then every row must be the same, in steady state too.
VARIANTS = (("generational", 1), ("generational", 3), ("steady-state", 1), ("steady-state", 3))


class Undisturbed:
    """The digests of searches that nobody disturbed, made when they are first asked for."""

    def __init__(self, forks, url, spec):
        self._forks, self._url, self._spec, self._known = forks, url, spec, {}
        self.seconds = 0.5  #: That the newest one took.

    def digest(self, mode, slots):
        name = f"whole-{mode}-{slots}"
        if name not in self._known:
            began = time.monotonic()
            spec = in_mode(mode, self._spec)
            controller = self._forks.run(url=self._url, name=name, spec=spec, slots=slots, seed=1)
            assert controller.status == 0, controller.words
            self.seconds = time.monotonic() - began
            self._known[name] = whole_digest(self._url, name)
        return self._known[name]


def kill_until_finished(forks, rng, *, most, span_s, **options):
    """Kill controllers of one search until one of them finishes it; returns how often that was."""
    kills = 0
    while True:
        controller = forks.start(**options)
        if kills < most:
            until = time.monotonic() + rng.random() * span_s
            while time.monotonic() < until and not controller.has_ended():
                time.sleep(0.001)
            if not controller.has_ended():
                controller.kill()
                kills += controller.status == -9
                continue
        controller.wait()
        assert controller.is_done, controller.words
        return kills


def require_equal(url, name, mode, slots, whole):
    found = whole_digest(url, name)
    if slots == 1:
        assert found == whole
    elif mode == "generational":
        assert without_order(found) == without_order(whole)
    assert require_replay(url, name) == found["counts"][0]
    reader = open_reader(url)
    try:
        require_sound(reader, name)
    finally:
        reader.close()


def kill_searches(forks, url, folder, *, kills, seed, spec=CUSTOM):
    """Searches of all variants until so many kills are done; returns how many there were, and acknowledged writes."""
    rng, whole = random.Random(seed), Undisturbed(forks, url, spec)
    done, searches, writes = 0, 0, 0
    while done < kills:
        mode, slots = VARIANTS[searches % len(VARIANTS)]
        name, log = f"killed-{searches}", folder / f"{searches}.log"
        expected = whole.digest(mode, slots)
        options = {"url": url, "name": name, "spec": in_mode(mode, spec), "slots": slots, "log": str(log)}
        killed = kill_until_finished(forks, rng, most=kills - done, span_s=whole.seconds, **options)
        if killed < 2:
            whole.seconds *= 0.7  # the undisturbed one ran in a busier moment: most end before they are killed
        done += killed
        require_equal(url, name, mode, slots, expected)
        writes += require_acknowledged(url, name, log)
        searches += 1
    return searches, writes


def report(figure, kills, searches, writes):
    figure(f"{kills} kills in {searches} searches, {writes} acknowledged writes, 0 lost, 0 differences")


def test_a_search_killed_at_random_instants_equals_the_undisturbed_one(forks, url, tmp_path, figure):
    spec = with_budget(CUSTOM, evaluations=60)
    report(figure, KILLS, *kill_searches(forks, url, tmp_path, kills=KILLS, seed=seed_of_chaos(), spec=spec))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_hundred_kills_make_no_difference(forks, url, tmp_path, figure):
    report(figure, 300, *kill_searches(forks, url, tmp_path, kills=300, seed=seed_of_chaos()))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thirty_kills_of_searches_with_a_surrogate_make_no_difference(forks, sqlite, tmp_path, figure):
    spec = with_budget(CUSTOM, evaluations=36)
    spec["evolution"] = spec["evolution"] | {"surrogate": True}
    found = kill_searches(forks, sqlite, tmp_path, kills=30, seed=seed_of_chaos(), spec=spec)
    report(figure, 30, *found)
