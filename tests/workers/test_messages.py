"""What follows from measured metrics."""

import pytest
from gasearch_workers.messages import Measurement, derived_metrics
from hypothesis import given
from hypothesis import strategies as st

MEASURED = {"train_seconds": 8.0, "macs": 1_000_000, "latency_ms": 0.5, "model_bytes": 4_000}


def efficiency(**changes):
    return Measurement(**MEASURED | changes).metrics()["efficiency"]


def test_efficiency_is_training_time_plus_operations_over_speed_per_byte():
    assert efficiency() == (8.0 + 2_000_000 / 2_000) / 4_000


def test_efficiency_grows_with_training_operations_and_latency_and_falls_with_size():
    assert efficiency(train_seconds=9.0) > efficiency()
    assert efficiency(macs=1_100_000) > efficiency()
    assert efficiency(latency_ms=0.6) > efficiency()
    assert efficiency(model_bytes=5_000) < efficiency()


@pytest.mark.parametrize("missing", MEASURED)
def test_there_is_no_efficiency_without_all_that_it_follows_from(missing):
    assert "efficiency" not in Measurement(**MEASURED | {missing: None}).metrics()


def test_a_model_of_no_bytes_has_no_efficiency():
    assert "efficiency" not in Measurement(**MEASURED | {"model_bytes": 0}).metrics()


def test_an_evaluators_own_values_have_precedence():
    own = Measurement(**MEASURED, others=(("efficiency", 0.75), ("flops", 3.0))).metrics()
    assert (own["efficiency"], own["flops"]) == (0.75, 3.0)


@given(st.dictionaries(st.sampled_from([*MEASURED]), st.floats(0, 1.7e308) | st.integers(0, 2**63)))
def test_what_follows_is_always_finite_enough_for_the_store(metrics):
    assert derived_metrics(metrics).get("efficiency", 0.0) < float("inf")
