"""The script that holds steady state against barriers in virtual time."""

import math
from dataclasses import replace

import pytest

from benchmarks.asynchrony import (
    Run,
    built,
    common_scaling,
    growth,
    line,
    make_setup,
    plain_deap,
    reached_at,
    search,
    sooner,
)
from benchmarks.support.simulation import Job, Utilisation
from gasearch.space.genome import make_genome


def run_of(*points, every=1.0):
    """A run whose outcomes arrive one after another."""
    jobs = [Job(key=str(at), started_at=at * every, finished_at=(at + 1) * every) for at in range(len(points))]
    used = Utilisation(whole=1.0, fed=1.0)
    by_key = {str(at): point for at, point in enumerate(points)}
    return Run(jobs=tuple(jobs), points=by_key, used=used, duplicates=0, children=0, changed=0)


@pytest.fixture(scope="module")
def setup():
    return make_setup(mode="steady-state", seed=0, evaluations=24, surrogate=False)


def test_a_search_is_made_to_its_end_in_virtual_time(setup):
    run = search(setup, slots=4)
    assert len(run.jobs) == 24
    assert 0 < run.used.whole < run.used.fed <= 1
    assert run.seconds == max(job.finished_at for job in run.jobs)


def test_a_search_evaluates_no_network_twice_and_changes_every_child(setup):
    run = search(setup, slots=4)
    assert run.duplicates == 0
    assert run.changed == run.children


def test_plain_deap_waits_for_each_generation(setup):
    run = plain_deap(setup.space, seed=0, slots=4, evaluations=80)
    ends = [job.finished_at for job in run.jobs[:40]]
    assert all(job.started_at >= max(ends) for job in run.jobs[40:])


def test_genes_that_make_the_same_network_are_built_alike(setup):
    space = setup.space
    rank = next(number for number, decision in enumerate(space.decisions) if decision.name == "layer3.rank")
    shallow = [0] * len(space.decisions)
    other = [gene if number != rank else 1 for number, gene in enumerate(shallow)]
    assert built(make_genome(shallow, space), space) == built(make_genome(other, space), space)


def test_a_volume_that_is_never_reached_takes_for_ever():
    run = run_of((0.5, -2.0), (0.9, -1.0))
    curve = growth(run, common_scaling([run]))
    assert reached_at(curve, curve[-1][1]) == 2.0
    assert reached_at(curve, curve[-1][1] + 1.0) == math.inf


def test_how_much_sooner_counts_every_pair_of_seeds():
    fast, slow = run_of((0.5, -2.0), (0.9, -1.0)), run_of((0.5, -2.0), (0.9, -1.0), every=3.0)
    worse = run_of((0.4, -3.0))
    scaling = common_scaling([fast, slow, worse])
    ours = [growth(fast, scaling), growth(worse, scaling)]
    assert "3.00 times sooner (median of 1 pairs of seeds; never in 0)" in sooner(
        ours[:1], [growth(slow, scaling)], [slow]
    )
    assert "1.50 times sooner (median of 2 pairs of seeds; never in 1)" in sooner(ours, [growth(slow, scaling)], [slow])


def test_a_line_has_the_median_and_the_least():
    runs = [replace(run_of((0.5, -2.0)), used=Utilisation(whole=share, fed=share)) for share in (0.9, 0.5, 0.7)]
    assert line(runs, [1.0, 2.0, 3.0]).startswith("fed 0.700 (0.500), whole 0.700 (0.500)")
