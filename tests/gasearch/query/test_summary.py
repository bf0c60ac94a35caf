"""Where a search stands."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from gasearch.cli.reading import status_lines
from gasearch.errors import UnknownSearch
from gasearch.objectives.fitness import FrontChange
from gasearch.query.front import front_points
from gasearch.query.summary import describe_search, list_searches, search_summary
from gasearch.spec.sections import EvolutionSpec
from gasearch.storage.records import Effort, SearchStatus
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.archived import (
    NETWORKS,
    SCALING,
    ScriptedReader,
    failed,
    scripted_reader,
    search_record,
    with_constraints,
)
from tests.doubles.records import candidate, final, key_of, measured, new_search, verification


def test_a_summary_tells_state_counts_failures_and_the_best_per_objective():
    summary = search_summary(scripted_reader(), "digits")
    assert (summary.told, summary.budget, summary.front_size, summary.retries) == (8, 40, 4, 1)
    assert summary.failures == {"timed_out": 1, "diverged": 1}
    assert sorted(summary.causes) == ["diverged", "timed_out"]
    assert all(": " in cause for cause in summary.causes.values())
    assert summary.best == {"accuracy": 0.97, "model_bytes": 1000}
    assert summary.is_active
    assert not summary.is_abandoned


def test_the_hypervolume_of_a_summary_is_the_newest_one_that_the_search_knew():
    reader = scripted_reader(**SCALING)
    assert search_summary(reader, "digits").hypervolume == 0.625  # of the generation that ended just now
    reader.newest_hypervolume = 0.75
    assert search_summary(reader, "digits").hypervolume == 0.75


def test_where_an_earlier_version_stored_none_the_hypervolume_is_that_of_the_front():
    reader = replace(scripted_reader(**SCALING), all_generations=())
    # Scaled by 1.1: the steps of the staircase through 3, 1, 6 and 2.
    steps = [(0.60, 1000), (0.90, 2500), (0.93, 6000), (0.97, 9000)]
    area, before = 0.0, 0.5
    for accuracy, size in steps:
        area += (accuracy - before) / 0.5 * (10_000 - size) / 10_000
        before = accuracy
    assert search_summary(reader, "digits").hypervolume == pytest.approx(1.1**2 * area)


def test_before_its_scaling_is_fixed_a_search_has_no_hypervolume():
    reader = scripted_reader(reference_ideal=None, reference_point=None)
    assert search_summary(reader, "digits").hypervolume is None


def test_a_front_that_lost_its_members_has_no_volume_left():
    reader = ScriptedReader(record=search_record(**SCALING), all_networks=(NETWORKS[0],))
    assert search_summary(reader, "digits").hypervolume == 0.0


def test_stopped_trainings_are_no_failures_and_their_saving_is_that_of_their_shorter_time():
    stopped = [replace(failed(number, "stopped"), arrival=number) for number in (8, 9)]
    reader = ScriptedReader(
        record=search_record(),
        all_networks=(*NETWORKS, *stopped),
        all_efforts=(
            Effort(failure=None, attempts=6, seconds=12.0),
            Effort(failure="stopped", attempts=2, seconds=1.0),
            Effort(failure="worker_lost", attempts=1, seconds=9.0),
        ),
    )
    summary = search_summary(reader, "digits")
    assert (summary.stopped, summary.failures) == (2, {"timed_out": 1, "diverged": 1})
    assert (summary.stopped_seconds, summary.finished_seconds, summary.saved_seconds) == (0.5, 2.0, 3.0)


def test_without_a_training_to_its_end_nobody_knows_what_stopping_saved():
    reader = ScriptedReader(record=search_record(), all_networks=(failed(0, "stopped"),))
    summary = search_summary(reader, "digits")
    assert (summary.stopped, summary.stopped_seconds, summary.saved_seconds) == (1, 1.0, None)


@pytest.mark.parametrize(("worker_seconds", "share"), [(16.0, 0.5), (8.0, 1.0), (7.9, None), (0.0, None)])
def test_workers_are_known_to_be_busy_only_where_all_their_time_was_counted(worker_seconds, share):
    assert search_summary(scripted_reader(worker_seconds=worker_seconds), "digits").utilisation == share


@pytest.mark.parametrize("asked", ["auto", "nsga2", "nsga3", "aging", "random", "optuna:tpe"])
@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_a_summary_names_the_algorithm_that_the_spec_means(asked, count):
    objectives = tuple((f"metric{number}", True) for number in range(count))
    spec = {"evolution": {"algorithm": asked, "mode": "steady-state"}}
    record = search_record(objectives=objectives, spec_json=json.dumps(spec))
    summary = search_summary(ScriptedReader(record=record, all_networks=()), "digits")
    assert summary.algorithm == EvolutionSpec(algorithm=asked).algorithm_for(count)
    assert summary.mode == "steady-state"


def test_a_running_search_without_a_valid_lease_is_abandoned():
    summary = search_summary(scripted_reader(is_owned=False), "digits")
    assert summary.is_abandoned
    finished = search_summary(scripted_reader(is_owned=False, state=SearchStatus.FINISHED), "digits")
    assert not finished.is_abandoned


def test_a_controller_that_was_killed_on_this_machine_is_seen_at_once():
    child = subprocess.Popen(
        [sys.executable, "-c", "from gasearch.storage.owner import current_owner; print(current_owner()); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with child:
        reader = scripted_reader(owner=child.stdout.readline().strip())
        assert search_summary(reader, "digits").is_active
        child.kill()
        child.wait()
        assert search_summary(reader, "digits").is_abandoned


def test_the_best_in_a_summary_is_the_front_s_which_nothing_beyond_the_constraints_enters():
    networks = tuple(replace(one, is_on_front=one.is_on_front and one.number != 2) for one in NETWORKS)
    reader = ScriptedReader(record=with_constraints(search_record(), "model_bytes <= 8 KB"), all_networks=networks)
    assert search_summary(reader, "digits").best == {"accuracy": 0.93, "model_bytes": 1000}


def test_a_search_without_any_network_has_a_summary_without_best_and_hypervolume():
    summary = search_summary(ScriptedReader(record=search_record(), all_networks=()), "digits")
    assert (summary.told, summary.best, summary.hypervolume, summary.generation) == (0, {}, None, -1)


def test_an_unbounded_space_becomes_null_in_json():
    reader = scripted_reader(space_size=float("inf"))
    assert describe_search(reader, "digits").row()["space_size"] is None


def test_an_unknown_search_is_refused():
    with pytest.raises(UnknownSearch, match="did you mean digits"):
        front_points(scripted_reader(), "digit")


@pytest.fixture
def finalized(migrated_sqlite_url):
    """The URL of a search with two finalists, the first of which is better and verified."""
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        lease = archive.create_search(new_search(data_json='{"kind":"classification"}'), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(number) for number in range(3)])
        for number in range(3):
            archive.add_evaluations(
                lease, [(measured(number, accuracy=0.9, model_bytes=99), FrontChange(entered=(number,)))]
            )
        for of, accuracy in ((0, 0.9), (1, 0.8)):
            metrics = (("accuracy", accuracy), ("model_bytes", 100.0))
            archive.add_final(1, final(0, of=of, metrics=metrics, test=(("accuracy", 0.7),)), b"gap")
        archive.add_final(1, final(0, of=2, failure="died", metrics=(), test=()))
        archive.add_verification(1, verification(measured=(("test_accuracy", 0.7),)))
    return migrated_sqlite_url


def test_a_summary_tells_what_came_after_the_search(finalized):
    with closing(open_reader(finalized)) as reader:
        summary = search_summary(reader, "digits")
    assert (summary.finalized, summary.verified, summary.finals_fault) == (2, 1, "")
    assert summary.best_final == key_of(0)
    assert (summary.best_final_metrics["accuracy"], summary.best_final_metrics["test_accuracy"]) == (0.9, 0.7)


def test_a_damaged_final_training_hides_no_search(finalized):
    with closing(sqlite3.connect(finalized.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE finals SET epochs = epochs + 1 WHERE id = 1")
    with closing(open_reader(finalized)) as reader:
        [summary] = list_searches(reader)
    assert (summary.front_size, summary.finalized, summary.best_final) == (3, 0, None)
    assert "doesn't match its checksum" in summary.finals_fault
    assert dict(status_lines(summary))["finalized"].startswith("can't be read: final training 0 of network")
