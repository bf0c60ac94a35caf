"""Questions about a search, over scripted networks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from gasearch_workers.messages import Measurement
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.errors import BadInput, SpecError, UnknownSearch
from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import Objective, fitness_of
from gasearch.objectives.front import ParetoFront
from gasearch.query import near_misses, questions
from gasearch.query.answers import layers_text
from gasearch.query.knee import knee_distances, knee_order
from gasearch.spec.evolution import EvolutionSpec
from gasearch.storage.records import Effort, Fall, SearchStatus
from tests.doubles.archived import (
    NETWORKS,
    SCALING,
    ScriptedReader,
    failed,
    network,
    scripted_reader,
    search_record,
    with_constraints,
)


def keys_of(points):
    return [point.number for point in points]


def test_a_summary_tells_state_counts_failures_and_the_best_per_objective():
    summary = questions.search_summary(scripted_reader(), "digits")
    assert (summary.told, summary.budget, summary.front_size, summary.retries) == (8, 40, 4, 1)
    assert summary.failures == {"timed_out": 1, "diverged": 1}
    assert sorted(summary.causes) == ["diverged", "timed_out"]
    assert all(": " in cause for cause in summary.causes.values())
    assert summary.best == {"accuracy": 0.97, "model_bytes": 1000}
    assert summary.is_active
    assert not summary.is_abandoned


def test_the_hypervolume_of_a_summary_is_the_newest_one_that_the_search_knew():
    reader = scripted_reader(**SCALING)
    assert questions.search_summary(reader, "digits").hypervolume == 0.625  # of the generation that ended just now
    reader.newest_hypervolume = 0.75
    assert questions.search_summary(reader, "digits").hypervolume == 0.75


def test_where_an_earlier_version_stored_none_the_hypervolume_is_that_of_the_front():
    reader = replace(scripted_reader(**SCALING), all_generations=())
    # Scaled by 1.1: the steps of the staircase through 3, 1, 6 and 2.
    steps = [(0.60, 1000), (0.90, 2500), (0.93, 6000), (0.97, 9000)]
    area, before = 0.0, 0.5
    for accuracy, size in steps:
        area += (accuracy - before) / 0.5 * (10_000 - size) / 10_000
        before = accuracy
    assert questions.search_summary(reader, "digits").hypervolume == pytest.approx(1.1**2 * area)


def test_before_its_scaling_is_fixed_a_search_has_no_hypervolume():
    reader = scripted_reader(reference_ideal=None, reference_point=None)
    assert questions.search_summary(reader, "digits").hypervolume is None


def test_a_front_that_lost_its_members_has_no_volume_left():
    reader = ScriptedReader(record=search_record(**SCALING), all_networks=(NETWORKS[0],))
    assert questions.search_summary(reader, "digits").hypervolume == 0.0


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
    summary = questions.search_summary(reader, "digits")
    assert (summary.stopped, summary.failures) == (2, {"timed_out": 1, "diverged": 1})
    assert (summary.stopped_seconds, summary.finished_seconds, summary.saved_seconds) == (0.5, 2.0, 3.0)


def test_without_a_training_to_its_end_nobody_knows_what_stopping_saved():
    reader = ScriptedReader(record=search_record(), all_networks=(failed(0, "stopped"),))
    summary = questions.search_summary(reader, "digits")
    assert (summary.stopped, summary.stopped_seconds, summary.saved_seconds) == (1, 1.0, None)


@pytest.mark.parametrize(("worker_seconds", "share"), [(16.0, 0.5), (8.0, 1.0), (7.9, None), (0.0, None)])
def test_workers_are_known_to_be_busy_only_where_all_their_time_was_counted(worker_seconds, share):
    assert questions.search_summary(scripted_reader(worker_seconds=worker_seconds), "digits").utilisation == share


@pytest.mark.parametrize("asked", ["auto", "nsga2", "nsga3", "aging", "random", "optuna:tpe"])
@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_a_summary_names_the_algorithm_that_the_spec_means(asked, count):
    objectives = tuple((f"metric{number}", True) for number in range(count))
    spec = {"evolution": {"algorithm": asked, "mode": "steady-state"}}
    record = search_record(objectives=objectives, spec_json=json.dumps(spec))
    summary = questions.search_summary(ScriptedReader(record=record, all_networks=()), "digits")
    assert summary.algorithm == EvolutionSpec(algorithm=asked).algorithm_for(count)
    assert summary.mode == "steady-state"


def test_a_running_search_without_a_valid_lease_is_abandoned():
    summary = questions.search_summary(scripted_reader(is_owned=False), "digits")
    assert summary.is_abandoned
    finished = questions.search_summary(scripted_reader(is_owned=False, state=SearchStatus.FINISHED), "digits")
    assert not finished.is_abandoned


def test_a_controller_that_was_killed_on_this_machine_is_seen_at_once():
    child = subprocess.Popen(
        [sys.executable, "-c", "from gasearch.storage.owner import current_owner; print(current_owner()); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with child:
        reader = scripted_reader(owner=child.stdout.readline().strip())
        assert questions.search_summary(reader, "digits").is_active
        child.kill()
        child.wait()
        assert questions.search_summary(reader, "digits").is_abandoned


def test_the_best_in_a_summary_is_the_front_s_which_nothing_beyond_the_constraints_enters():
    networks = tuple(replace(one, is_on_front=one.is_on_front and one.number != 2) for one in NETWORKS)
    reader = ScriptedReader(record=with_constraints(search_record(), "model_bytes <= 8 KB"), all_networks=networks)
    assert questions.search_summary(reader, "digits").best == {"accuracy": 0.93, "model_bytes": 1000}


def test_a_search_without_any_network_has_a_summary_without_best_and_hypervolume():
    summary = questions.search_summary(ScriptedReader(record=search_record(), all_networks=()), "digits")
    assert (summary.told, summary.best, summary.hypervolume, summary.generation) == (0, {}, None, -1)


def test_rows_hold_only_what_json_can_hold():
    reader = scripted_reader()
    rows = [
        questions.search_summary(reader, "digits").row(),
        questions.describe_search(reader, "digits").row(),
        questions.show(reader, "digits", "0001").row(),
        *(generation.row() for generation in questions.history(reader, "digits")),
        *(point.row() for point in questions.front_points(reader, "digits")),
    ]
    for row in rows:
        assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_an_unbounded_space_becomes_null_in_json():
    reader = scripted_reader(space_size=float("inf"))
    assert questions.describe_search(reader, "digits").row()["space_size"] is None


def test_the_row_of_a_network_is_flat_with_its_key_first_and_its_blueprint_last():
    [point] = questions.best(scripted_reader(), "digits")
    row = point.row()
    assert next(iter(row)) == "key"
    assert list(row)[-1] == "blueprint"
    assert row["accuracy"] == 0.97
    assert row["blueprint"]["layers"][0]["kind"] == "conv"


def test_best_without_a_metric_asks_for_the_first_objective():
    assert keys_of(questions.best(scripted_reader(), "digits")) == [2]


def test_best_takes_the_direction_of_the_objective_else_the_usual_one():
    reader = scripted_reader()
    assert keys_of(questions.best(reader, "digits", by="model_bytes")) == [3]
    assert keys_of(questions.best(reader, "digits", by="latency_ms")) == [3]  # 4 is faster, and dominated by 3
    assert keys_of(questions.best(reader, "digits", by="latency_ms:max")) == [2]


def test_best_keeps_every_limit_and_asks_all_evaluations():
    limits = questions.parse_limits(["model_bytes <= 2 KB", "latency_ms < 0.12"])
    assert keys_of(questions.best(scripted_reader(), "digits", limits=limits)) == [4]


def test_best_gives_as_many_as_asked_for_best_first():
    assert keys_of(questions.best(scripted_reader(), "digits", count=3)) == [2, 6, 1]


def test_best_never_names_a_network_that_breaks_the_constraints_of_the_search():
    networks = tuple(replace(one, is_on_front=one.number in {1, 3}) for one in NETWORKS)  # as that search has them
    reader = ScriptedReader(record=with_constraints(search_record(), "latency_ms <= 0.4"), all_networks=networks)
    assert keys_of(questions.best(reader, "digits")) == [1]
    assert keys_of(questions.best(reader, "digits", limits=questions.parse_limits(["accuracy > 0"]))) == [1]


def test_the_direction_of_a_metric_that_only_its_inventor_knows_has_to_be_said():
    odd = network(0, on_front=True, accuracy=0.5, model_bytes=9, wobble=3.0)
    reader = ScriptedReader(record=search_record(), all_networks=(odd,))
    with pytest.raises(BadInput, match="say wobble:max or wobble:min"):
        questions.best(reader, "digits", by="wobble")
    assert keys_of(questions.best(reader, "digits", by="wobble:min")) == [0]
    with pytest.raises(BadInput, match=r"a direction is max or min, as in wobble:max; got 'wobble:up'"):
        questions.best(reader, "digits", by="wobble:up")


@pytest.mark.parametrize(("by", "where"), [("latency", ()), (None, ("latency <= 2",))])
def test_an_unknown_metric_is_refused_with_the_nearest_and_all_known_ones(by, where):
    limits = questions.parse_limits(where)
    with pytest.raises(
        BadInput, match=r"no metric 'latency'; did you mean latency_ms\? There are accuracy, latency_ms,"
    ):
        questions.best(scripted_reader(), "digits", by=by, limits=limits)
    with pytest.raises(BadInput, match="no metric 'latency'"):
        questions.front_points(scripted_reader(), "digits", limits, by)


def test_before_the_first_network_the_standard_metrics_are_known():
    reader = ScriptedReader(record=search_record(), all_networks=())
    assert questions.best(reader, "digits", by="latency_ms") == []
    with pytest.raises(BadInput, match="no metric 'speed'"):
        questions.best(reader, "digits", by="speed")


def test_an_unknown_search_is_refused():
    with pytest.raises(UnknownSearch, match="did you mean digits"):
        questions.front_points(scripted_reader(), "digit")


def test_the_front_is_the_stored_one_sorted_by_a_metric():
    assert keys_of(questions.front_points(scripted_reader(), "digits")) == [2, 6, 1, 3]
    assert keys_of(questions.front_points(scripted_reader(), "digits", by="latency_ms")) == [3, 1, 6, 2]


def test_the_front_under_limits_holds_what_only_networks_outside_of_them_dominated():
    # 1 dominates 0 and breaks the limit; 3 dominates 4 and breaks it too.
    points = questions.front_points(scripted_reader(), "digits", questions.parse_limits(["latency_spread_ms >= 0.02"]))
    assert keys_of(points) == [2, 6, 0]


def test_of_equal_networks_the_front_under_limits_holds_the_first_as_the_search_does():
    networks = tuple(network(number, accuracy=0.5, model_bytes=100.0) for number in range(3))
    reader = ScriptedReader(record=search_record(), all_networks=networks)
    assert keys_of(questions.front_points(reader, "digits", questions.parse_limits(["accuracy > 0"]))) == [0]


def test_the_knee_bulges_farthest_from_the_line_between_the_extremes():
    # Scaled: 1 stands at (0.81, 0.81), 6 at (0.89, 0.38).
    assert keys_of(questions.best(scripted_reader(), "digits", knee=True)) == [1]
    assert keys_of(questions.best(scripted_reader(), "digits", knee=True, count=2)) == [1, 6]


def test_the_knee_can_be_asked_under_limits_but_not_by_a_metric():
    limits = questions.parse_limits(["accuracy > 0.9"])
    assert questions.best(scripted_reader(), "digits", knee=True, limits=limits)
    with pytest.raises(BadInput, match="leave one of the two out"):
        questions.best(scripted_reader(), "digits", knee=True, by="accuracy")


def test_history_names_the_best_values_by_their_metrics():
    first, second = questions.history(scripted_reader(), "digits")
    assert first.best == {"accuracy": 0.97, "model_bytes": 1000.0}
    assert second.row()["best_model_bytes"] == 1000.0
    assert list(second.row())[-1] == "finished_at"


def test_history_says_what_further_trainings_took_from_the_hypervolume():
    ends = [generation.evaluations for generation in questions.history(scripted_reader(), "digits")]
    falls = (
        Fall(arrival=0, key="a", by=0.5),
        Fall(arrival=ends[0] - 1, key="b", by=0.25),
        Fall(arrival=ends[0], key="a", by=1.0),
    )
    reader = replace(scripted_reader(), all_falls=falls)
    assert [generation.hypervolume_lost for generation in questions.history(reader, "digits")] == [0.75, 1.0]
    assert questions.falls(reader, "digits") == list(falls)


@pytest.mark.parametrize(
    ("kind", "score"),
    [("classification", "accuracy"), ("tagging", "entity_f1"), ("rating", "rmse"), (None, "accuracy")],
)
def test_show_names_the_score_of_the_curve(kind, score):
    data = {} if kind is None else {"kind": kind}
    record = replace(search_record(), data_json=json.dumps(data))
    curve = [{"epoch": 1, "train_loss": 0.5, "accuracy": 3.25}]
    reader = ScriptedReader(record=record, all_networks=(replace(NETWORKS[0], curve_json=json.dumps(curve)),))
    details = questions.show(reader, "digits", NETWORKS[0].key)
    assert details.curve == [{"epoch": 1, "train_loss": 0.5, score: 3.25}]


def test_show_gives_a_failed_network_without_metrics_but_with_its_reason():
    details = questions.show(scripted_reader(), "digits", "00050005")
    assert (details.failure, details.failure_message) == ("timed_out", "took longer than 5 s")
    assert details.metrics == {}
    assert details.row()["failure"] == "timed_out"


def test_the_nearest_miss_names_the_limit_that_alone_excludes_all():
    limits = questions.parse_limits(["accuracy >= 0.5", "latency_ms <= 0.05"])
    sentence = near_misses.nearest_miss(scripted_reader(), "digits", limits)
    assert sentence.startswith(
        "no network of search 'digits' has latency_ms <= 0.05 ms; the nearest has latency_ms 0.1 ms + 0.01 ms of spread"
    )
    assert "(00040004)" in sentence


def test_a_time_within_its_spread_of_the_limit_is_not_within_it():
    assert keys_of(
        questions.best(scripted_reader(), "digits", limits=questions.parse_limits(["latency_ms <= 0.13"]))
    ) == [3]
    assert keys_of(
        questions.best(scripted_reader(), "digits", limits=questions.parse_limits(["latency_ms <= 0.125"]))
    ) == [4]
    sentence = near_misses.nearest_miss(scripted_reader(), "digits", questions.parse_limits(["latency_ms >= 0.9"]))
    assert "the nearest has latency_ms 0.9 ms - 0.05 ms of spread (00020002)" in sentence


def test_the_nearest_miss_names_limits_that_exclude_all_only_together():
    limits = questions.parse_limits(["accuracy >= 0.95", "model_bytes <= 7 KB"])
    sentence = near_misses.nearest_miss(scripted_reader(), "digits", limits)
    assert "accuracy >= 0.9500 and model_bytes <= 7 KB together; the nearest has accuracy 0.9300 (00060006)" in sentence


def test_the_nearest_miss_of_a_search_without_measurements_says_so():
    reader = ScriptedReader(record=search_record(), all_networks=(failed(0),))
    assert "has no measured network yet" in near_misses.nearest_miss(reader, "digits")


def test_what_is_no_limit_is_refused():
    with pytest.raises(SpecError, match="a limit reads like"):
        questions.parse_limits(["latency_ms"])


def test_a_network_reads_as_one_line():
    blueprint = json.loads(NETWORKS[0].network_json)
    assert layers_text(blueprint) == "conv 16 k3 s2 w4 a8 | linear 10 w8 sparsity 0.5"
    assert layers_text({"choices": {"op1": "pool", "width1": 8}}) == "op1=pool width1=8"


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"kind": "embedding", "width": 16, "rows": 2000, "weight_bits": 4}, "embedding 16 w4 rows 2000"),
        ({"kind": "transformer", "width": 32, "heads": 4}, "transformer 32 heads 4"),
        (
            {"kind": "linear", "width": 8, "sparsity": 0.5, "pruning": "unstructured"},
            "linear 8 sparsity 0.5 unstructured",
        ),
        ({"kind": "conv", "width": 8, "kernel": 3, "stride": 2, "downsample": "max_pool"}, "conv 8 k3 s2 max_pool"),
    ],
)
def test_what_makes_a_layer_another_one_is_in_its_text(layer, text):
    assert layers_text({"layers": [layer]}) == text


few = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
measured = st.fixed_dictionaries(
    {"accuracy": few, "model_bytes": few, "macs": few}, optional={"accuracy_spread": few, "model_bytes_spread": few}
)


def reader_of(values):
    """A search that measured these, with the front that a running search keeps."""
    objectives = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))
    front = ParetoFront()
    for number, one in enumerate(values):
        outcome = Measurement(others=tuple(sorted(one.items())))
        front.add(number, fitness_of(outcome, objectives, ()))
    networks = tuple(network(n, on_front=n in front.numbers, **one) for n, one in enumerate(values))
    return ScriptedReader(record=search_record(), all_networks=networks), front


@settings(max_examples=40, deadline=None)
@given(st.lists(measured, min_size=1, max_size=12), few, st.sampled_from([None, "model_bytes", "macs:min"]))
def test_every_answer_goes_by_the_front_of_the_running_search(values, bound, by):
    reader, front = reader_of(values)
    everything = questions.parse_limits(["accuracy >= 0"])
    assert set(keys_of(questions.front_points(reader, "digits", by=by))) == set(front.numbers)
    assert questions.front_points(reader, "digits", everything, by) == questions.front_points(reader, "digits", by=by)
    assert questions.best(reader, "digits", by=by, count=99) == questions.front_points(reader, "digits", by=by)
    assert set(keys_of(questions.best(reader, "digits", knee=True, count=99, limits=everything))) == set(front.numbers)
    within = [one for one in values if one["model_bytes"] <= bound]
    limits = [parse_limit(f"model_bytes <= {bound}")]
    found = questions.best(reader, "digits", by=by, limits=limits, count=99)
    assert len(found) == len(reader_of(within)[1] if within else ())
    assert found == questions.front_points(reader, "digits", limits, by)


def test_of_networks_that_are_tied_in_the_metric_best_names_the_one_that_is_better_otherwise():
    values = [{"accuracy": 0.9, "model_bytes": size, "macs": 7.0} for size in (3.0, 1.0, 2.0)]
    reader, _ = reader_of(values)
    for by in (None, "macs", "accuracy"):
        for where in ((), ("accuracy > 0",), ("macs < 8",)):
            assert keys_of(questions.best(reader, "digits", by=by, limits=questions.parse_limits(where), count=5)) == [
                1
            ]


def test_members_that_are_tied_in_the_metric_stand_in_the_order_of_the_objectives():
    values = [{"accuracy": size / 10, "model_bytes": size, "macs": 7.0} for size in (2.0, 3.0, 1.0)]
    assert keys_of(questions.best(reader_of(values)[0], "digits", by="macs", count=5)) == [1, 0, 2]


# --- the knee ---------------------------------------------------------------------------------------------------

ACCURACY = Objective(metric="accuracy", is_maximized=True)
RMSE = Objective(metric="rmse", is_maximized=False)
BYTES = Objective(metric="model_bytes", is_maximized=False)


def knee_of(objectives, *rows):
    return knee_order([dict(zip([one.metric for one in objectives], row, strict=True)) for row in rows], objectives)


def test_sizes_that_span_decades_are_weighed_by_factors():
    rows = [(0.99, 100_000.0), (0.98, 30_000.0), (0.975, 2_000.0), (0.91, 400.0)]
    assert knee_of((ACCURACY, BYTES), *rows)[0] == 2
    assert knee_of((ACCURACY, BYTES), *[(score, size / 400) for score, size in rows])[0] == 2  # in another unit


@pytest.mark.parametrize(
    ("objectives", "rows"),
    [
        ((ACCURACY, BYTES), [(0.98, 5000.0), (0.97, 4900.0), (0.74, 900.0), (0.5, 800.0)]),
        ((RMSE, BYTES), [(10.0, 5000.0), (10.9, 4900.0), (14.0, 900.0), (20.0, 800.0)]),
        ((Objective(metric="val_acc", is_maximized=True), BYTES), [(0.98, 5000.0), (0.97, 4900.0), (0.74, 900.0)]),
        ((Objective(metric="error", is_maximized=False), BYTES), [(0.1, 5000.0), (0.11, 4900.0), (0.14, 900.0)]),
        ((Objective(metric="score", is_maximized=True), BYTES), [(-10.0, 5000.0), (-11.0, 4900.0), (-14.0, 900.0)]),
    ],
)
def test_the_knee_keeps_nine_tenths_of_the_best_score(objectives, rows):
    order = knee_of(objectives, *rows)
    assert set(order[:2]) == {0, 1}
    assert sorted(order) == list(range(len(rows)))


def test_scores_that_no_network_combines_leave_the_first_one_to_decide():
    objectives = (ACCURACY, Objective(metric="auc", is_maximized=True))
    assert knee_of(objectives, (0.9, 0.1), (0.1, 0.9))[0] == 0


def test_a_knee_can_be_found_where_values_are_nought_or_negative():
    assert knee_of((RMSE, BYTES), (0.0, 10.0), (5.0, 0.0))[0] == 0
    assert knee_of((ACCURACY, BYTES)) == []


def test_the_distance_from_the_plane_is_zero_at_the_extremes_and_ignores_scale_and_constant_objectives():
    wvalues = [(0.0, -100.0, 7.0), (1.0, -300.0, 7.0), (0.9, -140.0, 7.0)]
    distances = knee_distances(wvalues)
    assert distances[:2] == pytest.approx([0, 0])
    assert distances[2] == pytest.approx((0.9 + 0.8 - 1) / 2**0.5)
    assert knee_distances([(5.0, 5.0)]) == [0.0]
    assert knee_distances([]) == []


def test_the_plane_in_three_objectives_goes_through_the_extreme_points():
    corners = [(1.0, 0.2, 0.0), (0.0, 1.0, 0.2), (0.2, 0.0, 1.0)]
    distances = knee_distances([*corners, (0.8, 0.8, 0.8)])
    assert distances[:3] == pytest.approx([0, 0, 0])
    assert distances[3] == pytest.approx((2.4 - 1.2) / 3**0.5)


def test_extremes_that_coincide_are_replaced_by_the_scaled_corners():
    # The first point is the best in two objectives at once: no plane is determined by the extremes.
    distances = knee_distances([(1.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.5)])
    assert distances == pytest.approx([1 / 3**0.5, 0.0, 0.5 / 3**0.5])


def test_networks_without_a_metric_are_left_out_not_ranked_last():
    without = replace(NETWORKS[3], metrics={"accuracy": 0.99})
    reader = ScriptedReader(record=search_record(), all_networks=(*NETWORKS[:3], without))
    assert 3 not in keys_of(questions.best(reader, "digits", by="model_bytes", count=10))
