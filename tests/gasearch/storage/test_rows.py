from dataclasses import replace

import pytest
from gasearch_workers.messages import WHOLE_METRICS, CurvePoint, Failure, FailureKind, Measurement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gasearch.errors import StoreError
from gasearch.storage.checksums import EVALUATIONS
from gasearch.storage.rows import evaluation_record, evaluation_row
from gasearch.storage.sql import open_archive
from tests.doubles.records import UNCHANGED, candidate, full_measurement, measured, new_search, outcome_of

finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(min_value=0, max_value=2**62)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
fractions = (
    "accuracy",
    "macro_f1",
    "entity_f1",
    "auc",
    "rmse",
    "latency_ms",
    "latency_spread_ms",
    "energy_j",
    "generalization_gap",
)
curve_points = st.builds(
    CurvePoint,
    epoch=st.integers(1, 1000) | st.floats(0.0, 1000.0, exclude_min=True),
    train_loss=st.none() | finite,
    accuracy=st.none() | finite,
    metrics=st.lists(st.tuples(words, finite), max_size=2).map(tuple),
)
curves = st.lists(curve_points, max_size=3).map(tuple)
measurements = st.builds(
    Measurement,
    **{name: st.none() | counts for name in WHOLE_METRICS},
    **{name: st.none() | finite for name in fractions},
    latency_device=st.none() | words,
    energy_source=st.none() | words,
    others=st.lists(st.tuples(words, finite | st.integers(-(2**80), 2**80)), max_size=3, unique_by=lambda p: p[0]).map(
        tuple
    ),
    curve=curves,
)
failures = st.builds(
    Failure, kind=st.sampled_from(FailureKind), message=words, curve=curves, traceback=words, output=words
)
FULL = outcome_of(3, full_measurement(), replicate=2, gain=1 / 3, seconds=0.1, hypervolume=0.7)
FAILED = outcome_of(3, Failure(kind=FailureKind.USER_ERROR, message="no", traceback='File "a.py"', output="at 7"))
LAST_WORDS = ("traceback", "output")


@pytest.fixture(scope="module")
def store(migrated_sqlite_file, tmp_path_factory):
    """An archive with one candidate per example."""
    archive = open_archive(f"sqlite:///{tmp_path_factory.mktemp('rows')}/store.db", notice=lambda message: None)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(400)])
    yield archive, lease
    archive.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcome=measurements | failures)
def test_every_outcome_that_can_be_built_reads_back_equal(store, outcome):
    archive, lease = store
    arrival = archive.counts(lease.search_id).completed
    record = outcome_of(arrival, outcome)
    assert archive.add_evaluations(lease, [(record, UNCHANGED)])
    [*_, found] = archive.evaluations(lease.search_id)
    assert found == record
    network = archive.network(lease.search_id, record.result.key)
    assert network.metrics == (outcome.metrics() if isinstance(outcome, Measurement) else {})


@pytest.mark.parametrize("column", [name for name in EVALUATIONS.columns if name != "failure"])
def test_a_change_of_any_column_is_noticed(column):
    row = evaluation_row(7, FULL)
    assert evaluation_record(row).candidate == 3
    row[column] = -row[column] if isinstance(row[column], int | float) and row[column] else "another"
    with pytest.raises(
        StoreError, match=r"evaluation of candidate .*, attempt .* doesn't match its checksum: the row wa"
    ):
        evaluation_record(row)


@pytest.mark.parametrize("column", ["images_seen", "energy_source", "replicate", "gain", "seconds", *LAST_WORDS])
def test_an_emptied_column_is_noticed(column):
    row = evaluation_row(7, FAILED if column in LAST_WORDS else FULL)
    assert row[column]
    row[column] = None
    with pytest.raises(StoreError, match=r"doesn't match its checksum"):
        evaluation_record(row)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), b"\x00"])
def test_what_was_never_written_is_noticed(value):
    row = evaluation_row(7, outcome_of(3, full_measurement())) | {"accuracy": value}
    with pytest.raises(StoreError, match=r"doesn't match its checksum"):
        evaluation_record(row)


def test_the_checksum_is_the_same_on_every_machine():
    row = evaluation_row(7, outcome_of(3, full_measurement()))
    assert row["checksum"] == "d5f5d5fe545d2311479d926baee06a5e"


def test_a_row_that_is_replaced_keeps_its_checksum():
    assert evaluation_record(evaluation_row(7, FULL) | {"replaced": 12}) == FULL


def test_a_curve_of_epochs_alone_is_written_as_in_the_first_schema():
    point = CurvePoint(epoch=2.0, train_loss=0.5, accuracy=None)
    row = evaluation_row(7, outcome_of(3, replace(full_measurement(), curve=(point,))))
    assert row["curve"] == '[{"epoch":2,"train_loss":0.5,"accuracy":null}]'


def test_the_look_of_a_stopped_training_says_what_was_reported():
    curve = (CurvePoint(epoch=0.25, train_loss=None, accuracy=None, metrics=(("error", 0.5), ("cells", 7))),)
    row = evaluation_row(7, outcome_of(3, Failure(kind=FailureKind.STOPPED, message="", curve=curve)))
    assert row["curve"] == '[{"epoch":0.25,"train_loss":null,"accuracy":null,"metrics":[["error",0.5],["cells",7]]}]'


@pytest.mark.parametrize("gain", [float("nan"), float("inf")])
def test_a_gain_of_no_number_is_refused(gain):
    with pytest.raises(StoreError, match=rf"only finite numbers can be stored; got {gain}"):
        evaluation_row(7, replace(FULL, gain=gain))


def test_a_negative_zero_becomes_the_zero_that_sqlite_keeps():
    row = evaluation_row(1, measured(0, generalization_gap=-0.0))
    assert str(row["generalization_gap"]) == "0.0"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"params": 12.5}, r"params must be a whole number below 2\*\*63; got 12.5"),
        ({"bops": 2**70}, r"bops must be a whole number below 2\*\*63; got 1180591620717411303424"),
        ({"curve": (CurvePoint(epoch=1, train_loss=float("nan"), accuracy=None),)}, r"not JSON compliant"),
    ],
)
def test_a_number_that_no_column_holds_is_refused(changes, complaint):
    outcome = replace(full_measurement(), **changes)
    with pytest.raises(StoreError, match=rf"outcome of candidate 3 can't be stored: .*{complaint}"):
        evaluation_row(1, outcome_of(3, outcome))


def test_a_count_that_came_as_a_float_is_stored_as_a_count():
    assert type(evaluation_row(1, measured(0, params=12.0))["params"]) is int
